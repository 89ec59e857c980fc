"""`watcher db`: the database is checked, copied, shrunk and upgraded; what is damaged or not ours stays as it is."""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from testkit.command import Command, Watcher
from watcher.simulator import Simulator, story_scenes
from watcher.simulator.story import STORIES
from watcher.store.file import sending_lock
from watcher.store.records import REVISIONS

PAGE = 4096


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(story_scenes(STORIES["demo"])) as simulator:
        yield simulator


def configure(watcher: Watcher, simulator: Simulator) -> None:
    watcher.configure(
        f'[source]\nurl = "{simulator.url}"\n[store]\nurl = "sqlite:///w.db"\n[announce]\nsettle = "0s"\n'
    )


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database after one check. Copy it."""
    watcher = Watcher(tmp_path_factory.mktemp("checked"))
    with Simulator(story_scenes(STORIES["demo"])) as simulator:
        configure(watcher, simulator)
        assert watcher.run_here("--check").code == 0
    return watcher.folder / "w.db"


@pytest.fixture
def path(checked: Path, command: Command, simulator: Simulator) -> Path:
    """A database after one check."""
    configure(command, simulator)
    return Path(shutil.copy(checked, command.folder))


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


# restore


def leave_a_log(path: Path) -> None:
    """Leave a log beside the database, as a process that is killed does."""
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("UPDATE models SET name = 'from the log'")
    left = {file: file.read_bytes() for file in (path, path.with_name("w.db-wal"), path.with_name("w.db-shm"))}
    writer.close()
    for file, content in left.items():
        file.write_bytes(content)


def names(path: Path) -> set[str]:
    with sqlite3.connect(path) as connection:
        found = {name for (name,) in connection.execute("SELECT name FROM models")}
    connection.close()
    return found


def test_a_log_that_was_left_behind_does_not_undo_a_restore(command: Command, path: Path) -> None:
    assert command.run("db", "backup", "copy.db").code == 0
    before = names(path)
    leave_a_log(path)
    code, out, err = command.run("db", "restore", "copy.db")
    assert (code, err) == (0, "")
    kept, restored = out.splitlines()
    assert restored == f"restored: {path}"
    assert names(path) == before
    assert names(Path(kept.removeprefix("the database as it was: "))) == {"from the log"}
    assert command.run("db", "check").code == 0
    assert command.run("--check").code == 0
    assert files(path) == ["w.db", Path(kept).name, "w.db.sending"]


def test_a_damaged_database_is_moved_aside_with_its_log(command: Command, path: Path) -> None:
    command.run("db", "backup", "copy.db")
    before = names(path)
    leave_a_log(path)
    log = path.with_name("w.db-wal").read_bytes()
    truncate(path)
    damaged = path.read_bytes()
    code, out, err = command.run("db", "restore", "copy.db")
    assert (code, err) == (0, "")
    kept = Path(out.splitlines()[0].removeprefix("the database as it was: "))
    assert ".damaged-" in kept.name
    assert kept.read_bytes() == damaged
    assert kept.with_name(f"{kept.name}-wal").read_bytes() == log
    assert names(path) == before
    assert command.run("db", "check").code == 0


def test_a_database_that_is_gone_is_restored(command: Command, path: Path) -> None:
    command.run("db", "backup", "copy.db")
    before = command.run("models", "--json").out
    leave_a_log(path)
    path.unlink()
    assert command.run("db", "restore", "copy.db") == (0, f"restored: {path}\n", "")
    assert command.run("models", "--json").out == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody")
@pytest.mark.parametrize("damage", [Path.unlink, truncate, lambda path: None])
def test_what_root_restores_belongs_to_whom_the_database_belonged(
    damage: Callable[[Path], None], command: Command, path: Path
) -> None:
    command.run("db", "backup", "copy.db")
    for owned in (path, path.parent):
        os.chown(owned, 1234, 1234)
    damage(path)
    assert command.run("db", "restore", "copy.db").code == 0
    assert {(found.name, found.stat().st_uid) for found in path.parent.glob("w.db*")} == {
        (name, 1234) for name in files(path)
    }


def test_a_restore_waits_for_what_is_being_sent(command: Command, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watcher.store.store.SENDING_SECONDS", 0.0)
    command.run("db", "backup", "copy.db")
    before = path.read_bytes()
    with sending_lock(path, 0):
        code, out, err = command.run("db", "restore", "copy.db")
    assert (code, out) == (75, "")
    assert "is being sent from" in err
    assert path.read_bytes() == before


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_no_whole_backup_is_not_restored(damage: Callable[[Path], None], command: Command, path: Path) -> None:
    command.run("db", "backup", "copy.db")
    damage(command.folder / "copy.db")
    before = path.read_bytes()
    code, out, err = command.run("db", "restore", "copy.db")
    assert (code, out) == (74, "")
    assert "copy.db" in err
    assert (path.read_bytes(), files(path)) == (before, ["w.db"])


def test_a_restore_replaces_neither_itself_nor_the_database_of_another_program(command: Command, path: Path) -> None:
    command.run("db", "backup", "copy.db")
    assert command.run("db", "restore", "w.db")[:2] == (64, "")
    assert command.run("db", "restore", "none.db")[:2] == (64, "")
    of_another_program(path)
    before = path.read_bytes()
    code, out, err = command.run("db", "restore", "copy.db")
    assert (code, out) == (74, "")
    assert "belongs to another program" in err
    assert path.read_bytes() == before
