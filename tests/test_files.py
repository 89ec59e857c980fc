"""Files that we make, in a folder where somebody else put something under their names."""

import fcntl
import os
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from testkit.command import Command
from tests.events import event
from tests.store.conftest import url
from tests.store.samples import START
from watcher.errors import BusyError, StoreError
from watcher.files import LockedError, create_for_users_of, locked
from watcher.store import file as file_module
from watcher.store.examine import examine
from watcher.store.file import copy_database, restore_database
from watcher.store.store import Store

PRECIOUS = "root's own"


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """A file that must stay as it is."""
    path = tmp_path / "precious"
    path.write_text(PRECIOUS)
    path.chmod(0o600)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of somebody else."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    if os.geteuid() == 0:
        os.chown(folder, 12345, 12346)
    return folder


@pytest.fixture
def database(empty: Path, folder: Path) -> Path:
    path = Path(shutil.copy(empty, folder / "w.db"))
    path.chmod(0o666)
    if os.geteuid() == 0:
        os.chown(path, 12345, 12346)
    return path


def untouched(path: Path) -> bool:
    found = path.stat()
    return (path.read_text(), stat.S_IMODE(found.st_mode), found.st_uid) == (PRECIOUS, 0o600, os.geteuid())


def between(path: Path, precious: Path) -> Path:
    other = path.with_name(f"{path.name}-between")
    other.symlink_to(precious)
    return other


PLANTED: dict[str, Callable[[Path, Path], None]] = {
    "a link": lambda path, precious: path.symlink_to(precious),
    "a link to a link": lambda path, precious: path.symlink_to(between(path, precious)),
    "a link to nothing": lambda path, precious: path.symlink_to(precious.with_name("new")),
    "a second name": lambda path, precious: path.hardlink_to(precious),
    "a pipe": lambda path, precious: os.mkfifo(path),
    "a folder": lambda path, precious: path.mkdir(),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_lock_is_never_taken_through_what_was_planted(planted: str, database: Path, precious: Path) -> None:
    lock = database.with_name("w.db.sending")
    PLANTED[planted](lock, precious)
    began = time.monotonic()
    says = r"The lock .*w\.db\.sending beside the database cannot be used: "
    with pytest.raises(StoreError, match=says), Store(url(database)) as store, store.sending():
        pytest.fail("it was taken")
    assert time.monotonic() - began < 10, "a pipe would block for ever"
    assert untouched(precious)
    assert not precious.with_name("new").exists()


@pytest.mark.parametrize("name", ["w.db.copy", "w.db.copy.part"])
@pytest.mark.parametrize("planted", [one for one in PLANTED if one != "a folder"])
def test_a_copy_is_never_written_through_what_was_planted(
    planted: str, name: str, database: Path, precious: Path
) -> None:
    PLANTED[planted](database.with_name(name), precious)
    copy = copy_database(database, database.with_name("w.db.copy"))
    assert stat.S_ISREG(copy.lstat().st_mode)
    assert copy.stat().st_nlink == 1
    assert untouched(precious)
    assert not precious.with_name("new").exists()


def test_a_copy_is_not_written_through_a_link_that_takes_its_place_meanwhile(
    database: Path, precious: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def swapped(path: Path, like: Path) -> int:
        made = create_for_users_of(path, like)
        path.unlink()
        path.symlink_to(precious)
        return made

    precious.write_bytes(b"")  # which SQLite would take for a new database
    monkeypatch.setattr(file_module, "create_for_users_of", swapped)
    with pytest.raises(StoreError, match="somebody put another file in the place"):
        copy_database(database, database.with_name("w.db.copy"))
    assert precious.read_bytes() == b""
    assert not database.with_name("w.db.copy").exists()


@pytest.mark.parametrize("more", [(), ("--force",)], ids=["new", "forced"])
@pytest.mark.parametrize("planted", [one for one in PLANTED if one not in ("a folder", "a pipe")])
def test_a_configuration_is_never_written_through_what_was_planted(
    planted: str, more: tuple[str, ...], folder: Path, precious: Path
) -> None:
    for name in ("c.toml", "c.toml.new"):
        PLANTED[planted](folder / name, precious)
    ran = Command(folder).run("config", "init", "--output", "c.toml", *more)
    assert ran.code == (0 if more else 64)
    assert untouched(precious)
    assert not precious.with_name("new").exists()
    if more:
        assert stat.S_IMODE((folder / "c.toml").lstat().st_mode) == 0o600


@pytest.mark.parametrize("planted", PLANTED)
def test_a_restore_writes_through_nothing_that_was_planted_beside_a_database_that_is_gone(
    planted: str, database: Path, precious: Path
) -> None:
    copy = copy_database(database, database.with_name("copy.db"))
    database.unlink()
    PLANTED[planted](database.with_name("w.db-wal"), precious)
    with pytest.raises(StoreError, match="beside the database cannot be used"):
        restore_database(copy, database, database)
    assert untouched(precious)
    assert not precious.with_name("new").exists()


PIPED = [
    'url_file = "pipe"',
    'url = "json://localhost"\nbody_template_file = "pipe"',
    'url = "json://localhost"\n[source]\napi_key_file = "pipe"',
]


@pytest.mark.parametrize("setting", PIPED)
def test_a_pipe_to_which_nobody_writes_is_told_and_not_waited_for(
    setting: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watcher.files._PIPE_SECONDS", 0.0)
    os.mkfifo(folder / "pipe")
    command = Command(folder)
    command.configure(f'[[channels]]\nname = "team"\n{setting}\n')
    code, _, err = command.run("config", "check")
    assert (code, err.count("\n")) == (78, 1)
    assert "it is a pipe, and nothing comes through it" in err


def test_nor_is_one_in_the_place_of_a_configuration(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watcher.files._PIPE_SECONDS", 0.0)
    os.mkfifo(folder / "config.toml")
    assert Command(folder).run("config", "check").out.startswith("no configuration file"), "another program's"
    code, _, err = Command(folder).run("config", "check", "--config", "config.toml")
    assert (code, "it is a pipe, and nothing comes through it" in err) == (78, True)


def test_what_comes_through_a_pipe_late_is_read(folder: Path) -> None:
    reading, writing = os.pipe()
    later = threading.Timer(0.2, lambda: (os.write(writing, b'[source]\ninterval = "7m"\n'), os.close(writing)))
    later.start()
    code, out, _ = Command(folder).run("config", "check", "--config", f"/dev/fd/{reading}")
    later.join()
    os.close(reading)
    assert (code, "interval: 7m" in out) == (0, True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file for somebody else")
def test_only_a_lock_that_was_just_made_gets_owner_and_mode_of_the_database(database: Path) -> None:
    lock = database.with_name("w.db.sending")
    lock.touch(0o600)
    with Store(url(database)) as store, store.sending():
        pass
    assert (lock.stat().st_uid, stat.S_IMODE(lock.stat().st_mode)) == (0, 0o600)
    lock.unlink()
    with Store(url(database)) as store, store.sending():
        pass
    assert (lock.stat().st_uid, lock.stat().st_gid, stat.S_IMODE(lock.stat().st_mode)) == (12345, 12346, 0o666)


def test_a_lock_that_is_deleted_while_it_is_waited_for_is_taken_anew(tmp_path: Path) -> None:
    path, like = tmp_path / "lock", tmp_path / "like"
    like.touch()
    path.touch()
    old = os.open(path, os.O_RDONLY)
    fcntl.flock(old, fcntl.LOCK_EX)

    def delete() -> None:
        path.unlink()
        os.close(old)

    timer = threading.Timer(0.3, delete)
    timer.start()
    with locked(path, like, 10.0):
        timer.join()
        with pytest.raises(LockedError, match="holds it"), locked(path, like, 0.0):
            pytest.fail("two hold it")


def test_who_holds_a_lock_too_long_is_named(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watcher.store.store.SENDING_SECONDS", 0.2)
    with Store(url(database)) as one, Store(url(database)) as other, one.sending():
        began = time.monotonic()
        with pytest.raises(BusyError) as caught, other.sending():
            pytest.fail("both send")
        assert time.monotonic() - began < 5
    assert caught.value.exit_code == 75
    assert f"process {os.getpid()} (" in str(caught.value)
    with Store(url(database)) as other, other.sending():
        pass


def test_a_copy_is_for_the_users_of_the_database(database: Path, tmp_path: Path) -> None:
    database.chmod(0o640)
    found, owner = copy_database(database, tmp_path / "copy.db").stat(), database.stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o640, owner.st_uid, owner.st_gid)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_file_that_cannot_be_written_is_named_with_its_owner_though_the_system_may_not_know_him(empty: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:  # not in pytest's own, which others may not enter
        Path(folder).chmod(0o777)
        database = Path(shutil.copy(empty, Path(folder) / "w.db"))
        database.chmod(0o644)
        os.chown(database, 12345, 12346)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:  # it must not return into pytest
            os.setgroups([])
            os.setuid(54321)
            try:
                with Store.open(url(database)) as store, store.writing() as session:
                    session.state.add_events((event("new"),))
            except BaseException as error:
                os.write(writing, str(error).encode())
            finally:
                os._exit(0)
        os.close(writing)
        os.waitpid(child, 0)
        with os.fdopen(reading) as pipe:
            said = pipe.read()
        assert "read-only for this user" in said
        assert f"{database} belongs to user 12345, and this is user 54321" in said


@pytest.mark.parametrize("planted", PLANTED)
@pytest.mark.parametrize("end", ["-wal", "-shm", "-journal"])
def test_sqlite_opens_nothing_through_what_was_planted_either(
    end: str, planted: str, database: Path, precious: Path
) -> None:
    PLANTED[planted](database.with_name(f"w.db{end}"), precious)
    for read_only in (False, True):
        with Store(url(database), busy_seconds=0.2, read_only=read_only) as store:
            with pytest.raises(StoreError, match=f"w\\.db{end} beside the database cannot be used"), store.reading():
                pytest.fail("it was opened")
            with pytest.raises(StoreError, match="beside"):
                store.glance(START, lambda known: None)
    with pytest.raises(StoreError, match="beside"):
        examine(url(database))
    assert untouched(precious)
    assert not precious.with_name("new").exists()
