"""Opening: new databases, current ones, those of a newer version, and files that are something else."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.store.conftest import url
from tests.store.processes import run_together, run_unprivileged
from tests.store.samples import contents
from watcher.errors import ConfigError, StoreError, StoreTooNewError, WatcherError
from watcher.store.store import Store

OPEN_TOGETHER = """
import json, sys

from watcher.store.store import Store
print("ready", flush=True)
sys.stdin.readline()
with Store.open(sys.argv[1]) as store, store.reading() as session:
    print(json.dumps(len(session.state.model_states())))
"""


def refusal(path: Path, kind: type[WatcherError] = StoreError) -> str:
    """Return the message with which a database is refused: one line that names it."""
    with pytest.raises(kind) as caught:
        Store.open(url(path), busy_seconds=0.1)
    message = str(caught.value)
    assert type(caught.value) is kind
    assert str(path) in message
    assert "\n" not in message
    assert message.endswith(".")
    return message


def test_a_new_database_is_made_with_its_folders_for_this_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "not" / "there" / "watcher.db"
    with Store.open(url(path)) as store, store.reading() as session:
        assert session.state.model_states() == {}
        assert session.state.last_poll() is None
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_percent_sign_in_its_path_is_just_that(tmp_path: Path) -> None:
    path = tmp_path / "a%20b" / "watcher.db"
    with Store.open(url(path)) as store:
        assert store.file == path
    assert path.is_file()


def test_it_uses_a_write_ahead_log_and_waits_for_the_disk(path: Path) -> None:
    with Store.open(url(path)) as store, store._transaction(writes=False) as connection:
        ask = connection.exec_driver_sql
        assert [ask(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous", "foreign_keys")] == [
            "wal",
            2,
            1,
        ]


def test_an_empty_file_becomes_a_database(tmp_path: Path) -> None:
    path = tmp_path / "watcher.db"
    path.touch()
    with Store.open(url(path)) as store, store.writing() as session:
        assert session.state.model_states() == {}
        assert session.maintenance.take_empty()
        assert not session.maintenance.take_empty()


def test_a_file_that_was_not_there_was_not_found_empty(tmp_path: Path) -> None:
    with Store.open(url(tmp_path / "watcher.db")) as store, store.writing() as session:
        assert not session.maintenance.take_empty()


def test_a_database_in_memory_holds_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Store.open("sqlite://") as store:
        with store.writing() as session:
            session.outbox.save_prices("team", "a/b", {"prompt": "1"})
        with store.reading() as session:
            assert session.outbox.prices() == {("team", "a/b"): {"prompt": "1"}}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_processes_that_make_one_database_at_once_all_succeed(tmp_path: Path) -> None:
    assert run_together(OPEN_TOGETHER, url(tmp_path / "new.db"), times=4) == [0] * 4
    with Store.open(url(tmp_path / "new.db")) as store, store.writing() as session:
        assert not session.maintenance.take_empty(), "what another one was making was not found empty"


def test_closing_leaves_one_file(path: Path) -> None:
    Store.open(url(path)).close()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


# The lock of those who send


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file for somebody else")
def test_the_lock_that_root_makes_can_be_used_by_the_databases_owner(path: Path) -> None:
    os.chown(path, 12345, 12346)
    path.chmod(0o640)
    before = os.umask(0o077)
    try:
        with Store.open(url(path)) as store, store.sending():
            pass
    finally:
        os.umask(before)
    lock = path.with_name("watcher.db.sending").stat()
    assert (lock.st_uid, lock.st_gid, lock.st_mode & 0o777) == (12345, 12346, 0o640)


SEND = """
import sys
from watcher.store.store import Store
with Store.open(sys.argv[1]) as store, store.sending():
    print("true")
"""


def test_a_lock_that_may_only_be_read_will_do(path: Path) -> None:
    lock = path.with_name("watcher.db.sending")
    lock.touch()
    lock.chmod(0o444)
    assert run_unprivileged(SEND, url(path)) is True


def test_a_database_of_a_newer_version_is_refused_and_untouched(filled: Path) -> None:
    with sqlite3.connect(filled) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.execute("ALTER TABLE models ADD COLUMN from_the_future TEXT")
    connection.close()
    before = filled.read_bytes()
    message = refusal(filled, StoreTooNewError)
    assert "newer version" in message
    assert "9999" in message
    assert StoreTooNewError.exit_code == ConfigError.exit_code == 78
    assert filled.read_bytes() == before
    assert [file.name for file in filled.parent.iterdir()] == [filled.name]


def other_program(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE notes (text)")
        connection.execute("INSERT INTO notes VALUES ('keep me')")
    connection.close()


def other_program_with_alembic(path: Path) -> None:
    other_program(path)
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num)")
        connection.execute("INSERT INTO alembic_version VALUES ('0001')")
    connection.close()


def text(path: Path) -> None:
    path.write_text("[store]\nurl = 'this is no database'\n" * 100)


def short_text(path: Path) -> None:
    path.write_text("no database")


def zeros(path: Path) -> None:
    path.write_bytes(bytes(8192))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (other_program, "belongs to another program"),
        (other_program_with_alembic, "belongs to another program"),
        (text, "is not an SQLite database"),
        (short_text, "is not an SQLite database"),
        (zeros, "is not an SQLite database"),
    ],
)
def test_what_is_not_ours_is_refused_and_untouched(make: Callable[[Path], None], says: str, tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    make(path)
    before = path.read_bytes()
    assert says in refusal(path)
    assert StoreError.exit_code == 74
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "is a folder" in refusal(tmp_path)


@pytest.mark.parametrize("parent", ["/proc/nothing/here", "file/below"])
def test_a_folder_that_cannot_be_made_is_named(parent: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot make its folder" in refusal(tmp_path / parent / "watcher.db")


def test_a_copy_of_a_database_is_one(filled: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(filled, tmp_path / "copy.db"))
    with Store.open(url(filled)) as one, Store.open(url(copy)) as other:
        assert contents(one) == contents(other)


@pytest.mark.parametrize("wrong", ["watcher.db", "", "sqlite:/", "postgresql://host:port/db"])
def test_an_address_that_is_none_is_a_mistake_in_the_configuration(wrong: str) -> None:
    with pytest.raises(ConfigError, match=r"^store\.url"):
        Store.open(wrong)
