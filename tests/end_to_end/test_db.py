"""`watcher db`: the database is checked, copied, shrunk and upgraded; what is damaged or not ours stays as it is."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from testkit.command import Command
from watcher.simulator import Simulator, StorySource
from watcher.simulator.story import STORIES
from watcher.store.revisions import REVISIONS

PAGE = 4096


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(StorySource(STORIES["demo"])) as simulator:
        yield simulator


@pytest.fixture
def path(command: Command, simulator: Simulator) -> Path:
    """A database after one check."""
    command.configure(
        f'[source]\nurl = "{simulator.url}"\n[store]\nurl = "sqlite:///w.db"\n[announce]\nsettle = "0s"\n'
    )
    assert command.run("--check").code == 0
    return command.folder / "w.db"


def files(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.glob("w*"))


# check


def test_a_whole_database_is_so(command: Command, path: Path) -> None:
    code, out, err = command.run("db", "check")
    assert (code, err) == (0, "")
    first, *parts = out.splitlines()
    assert first.startswith(f"{path}: ")
    assert first.endswith(f"schema {REVISIONS[-1]}")
    assert [line.partition(":")[0] for line in parts] == ["pages", "references", "documents", "versions"]
    assert all(line.endswith("ok") for line in parts)
    assert files(path) == ["w.db"]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-PAGE])


def zero_a_page(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'versions'").fetchone()
    connection.close()
    content = bytearray(path.read_bytes())
    content[(page - 1) * PAGE : page * PAGE] = bytes(PAGE)
    path.write_bytes(content)


def of_another_program(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE notes (text)")
    connection.close()


def text(path: Path) -> None:
    path.write_text("no database at all\n" * 1000)


DAMAGES = [truncate, zero_a_page, of_another_program, text]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(
    "arguments",
    [("db", "check"), ("db", "backup"), ("db", "vacuum"), ("db", "upgrade"), ("status",), ("changes",)],
    ids=" ".join,
)
def test_what_is_damaged_or_not_ours_is_told_and_stays_as_it_is(
    damage: Callable[[Path], None], arguments: tuple[str, ...], command: Command, path: Path
) -> None:
    damage(path)
    before = path.read_bytes()
    code, out, err = command.run(*arguments)
    assert code == 74
    assert str(path) in out + err
    assert "Traceback" not in err
    assert path.read_bytes() == before
    assert files(path) == ["w.db"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_check_that_has_something_to_store_does_not_write_to_it(
    damage: Callable[[Path], None], command: Command, path: Path, simulator: Simulator
) -> None:
    damage(path)
    before = path.read_bytes()
    for _ in range(3):
        simulator.advance()
    code, _, err = command.run("--check")
    assert code == 74
    assert str(path) in err
    assert path.read_bytes() == before


@pytest.mark.parametrize("damage", DAMAGES)
def test_nor_does_a_check_that_has_nothing_to_store(
    damage: Callable[[Path], None], command: Command, path: Path
) -> None:
    damage(path)
    before = path.read_bytes()
    code, _, err = command.run("--check")
    assert code == 74
    assert str(path) in err
    assert path.read_bytes() == before


def test_each_problem_is_on_a_line_of_its_own(command: Command, path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE versions SET facets = 'x', model = 'evil\x1b[31m\nname' WHERE id < 30")
    connection.close()
    code, out, err = command.run("db", "check")
    assert (code, err) == (74, "")
    assert "documents: " in out
    assert "  facets of 1 in versions cannot be read" in out
    assert "  and 19 more" in out
    assert "\x1b" not in out
    assert out.splitlines()[-1].startswith("The database is damaged. Stop the watcher")


@pytest.mark.parametrize("verb", ["check", "backup", "vacuum"])
def test_where_there_is_no_database_none_is_made(verb: str, command: Command) -> None:
    command.configure('[store]\nurl = "sqlite:///w.db"\n')
    code, out, err = command.run("db", verb)
    assert (code, out) == (74, "")
    assert err == f"watcher: The database {command.folder / 'w.db'} does not exist.\n"
    assert files(command.folder / "w.db") == []


# backup, vacuum, upgrade


def test_a_backup_can_be_put_in_the_place_of_the_database(command: Command, path: Path) -> None:
    code, out, err = command.run("db", "backup")
    assert (code, err) == (0, "")
    copy = Path(out.strip())
    assert copy.parent == path.parent
    before = command.run("models", "--json").out
    path.unlink()
    copy.rename(path)
    assert command.run("models", "--json").out == before
    assert command.run("--check").code == 0


def test_a_backup_replaces_only_what_it_is_told_to(command: Command, path: Path) -> None:
    target = path.with_name("copy.db")
    assert command.run("db", "backup", "copy.db") == (0, "copy.db\n", "")
    first = target.read_bytes()
    code, _, err = command.run("db", "backup", "copy.db")
    assert code == 64
    assert "copy.db exists already; --force replaces it" in err
    assert command.run("db", "backup", "copy.db", "--force").code == 0
    assert target.read_bytes() == first
    code, _, err = command.run("db", "backup", "w.db", "--force")
    assert code == 64
    assert "is the database itself" in err


def test_a_vacuum_makes_it_smaller_and_changes_nothing(command: Command, path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE much (text)")
        connection.execute("INSERT INTO much VALUES (zeroblob(3000000))")
        connection.execute("DROP TABLE much")
    connection.close()
    before, size = command.run("models", "--json").out, path.stat().st_size
    code, out, err = command.run("db", "vacuum")
    assert (code, err) == (0, "")
    assert "3." in out.partition("→")[0]
    assert path.stat().st_size < size - 2_900_000
    assert command.run("models", "--json").out == before
    assert command.run("db", "check").code == 0


def test_an_upgrade_creates_a_database_that_is_missing(command: Command, path: Path) -> None:
    path.unlink()
    assert command.run("db", "upgrade") == (0, f"schema none → {REVISIONS[-1]}\n", "")
    assert command.run("db", "check").code == 0


def test_an_upgrade_says_where_it_stands(command: Command, path: Path) -> None:
    assert command.run("db", "upgrade") == (0, f"schema {REVISIONS[-1]} is this version's\n", "")


def test_an_upgrade_says_what_it_did(command: Command, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    from watcher.store import engine

    folder = Path(shutil.copytree(engine.migrations_folder(), command.folder / "migrations"))
    (folder / "versions" / "0002.py").write_text(
        f'from alembic import op\nrevision = "next"\ndown_revision = "{REVISIONS[-1]}"\n'
        'def upgrade():\n    op.execute("CREATE TABLE more (text)")\n'
    )
    monkeypatch.setattr(engine, "migrations_folder", lambda: folder)
    monkeypatch.setattr(engine, "REVISIONS", (*REVISIONS, "next"))
    assert command.run("db", "upgrade") == (0, f"schema {REVISIONS[-1]} → next; as it was: {path}.before-next\n", "")
    assert command.run("db", "upgrade").out == "schema next is this version's\n"
    monkeypatch.undo()
    monkeypatch.chdir(command.folder)
    code, _, err = command.run("db", "upgrade")
    assert code == 78
    assert "newer version" in err
