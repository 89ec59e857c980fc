"""SQLite: a file of one's own, the default."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from pwd import getpwuid

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool

from watcher.errors import StoreError
from watcher.files import LockedError, lock
from watcher.store.backend import DAMAGED, FULL, LOCKED, WRITES, Backend
from watcher.store.file import connect_read_only
from watcher.store.maintenance import check_pages

_LEAST_ROOM = 64 * 1024
"""Bytes: SQLite makes the index of a write-ahead log in pieces of 32 KiB."""

_ADVICE = {
    "SQLITE_BUSY": LOCKED,
    "SQLITE_LOCKED": LOCKED,
    "SQLITE_READONLY": "is read-only for this user; check the owner and mode of the file and its folder",
    "SQLITE_CANTOPEN": "cannot be opened; check that its folder exists and this user may write there",
    "SQLITE_PERM": "may not be used by this user; check its owner and mode",
    "SQLITE_FULL": FULL,
    "SQLITE_IOERR_SHMSIZE": FULL,  # no room for the index of the log, which lies beside it
    "SQLITE_IOERR": "cannot be read or written: the disk reports an error",
    "SQLITE_CORRUPT": DAMAGED,
    "SQLITE_NOTADB": "is not an SQLite database; nothing was written. Check [store] url",
}


class Sqlite(Backend):
    """A file, or a database in memory."""

    def __init__(self, url: URL, file: Path | None) -> None:
        self._url = url if file is None else URL.create("sqlite", database=str(file))  # a % in a path is just that
        self.file = file
        self.name = self._url.database or ":memory:"
        self._busy_seconds = 0.0

    def engine(self, busy_seconds: float = 30.0, *, read_only: bool = False) -> Engine:
        path = self.file
        # A file is open only while it is used. So it can be repaired, moved or replaced in between, and no log is left
        # that SQLite would take for that of another file.
        pool = {} if path is None else {"poolclass": NullPool}
        if not read_only:
            engine = create_engine(self._url, connect_args={"timeout": busy_seconds}, **pool)
            self._busy_seconds = busy_seconds
            event.listen(engine, "connect", _on_connect)
        elif path is not None and path.is_file():
            engine = create_engine("sqlite://", creator=lambda: connect_read_only(path, busy_seconds), **pool)
        else:
            raise StoreError(f"The database {self.name} does not exist.")
        event.listen(engine, "begin", _on_begin)
        return engine

    def create_folder(self) -> bool:
        path = self.file
        if path is None:
            return True
        if path.is_dir():
            raise StoreError(f"The database {path} is a folder; name a file in it in [store] url.")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return path.exists()
        except OSError as error:
            reason = f"cannot make its folder: {error.strerror}"
            raise StoreError(f"The database {path} cannot be made: {reason}.") from error

    @contextmanager
    def creating(self, engine: Engine) -> Iterator[None]:
        """Lock the folder, and have the file keep a write-ahead log, which is not possible in a transaction."""
        with ExitStack() as stack:
            if self.file is not None:
                with suppress(OSError):  # a file system without locks, or a folder that this user may not list
                    folder = os.open(self.file.parent, os.O_RDONLY | os.O_DIRECTORY)
                    stack.callback(os.close, folder)
                    try:
                        lock(folder, self._busy_seconds)
                    except LockedError as error:
                        raise StoreError(f"The database {self.file} {LOCKED} ({error}).") from None
            with closing(engine.raw_connection()) as connection:
                connection.cursor().execute("PRAGMA journal_mode = WAL")
            yield

    def check(self, connection: Connection) -> None:
        check_pages(connection)

    def vacuum(self, engine: Engine) -> None:
        """Write the file anew without its free pages. Nobody can write meanwhile."""
        with closing(engine.raw_connection()) as connection:
            connection.cursor().execute("VACUUM")
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def size(self, connection: Connection) -> int | None:
        if self.file is None:
            return None
        files = (self.file, self.file.with_name(f"{self.file.name}-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def advice(self, error: BaseException) -> str | None:
        code = str(getattr(error, "sqlite_errorname", "") or "")
        if code.startswith("SQLITE_IOERR") and _is_full(Path(self.name).parent):
            code = "SQLITE_FULL"  # the index of the write-ahead log fails first, and SQLite cannot tell why
        whose = (
            _unwritable(Path(self.name))
            if code.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM"))
            else ""
        )
        known = (advice + whose for prefix, advice in _ADVICE.items() if code.startswith(prefix))
        return next(known, f"cannot be used: {error}" if isinstance(error, sqlite3.Error) else None)


def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver would begin transactions of its own, and too late
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")


def _on_begin(connection: Connection) -> None:
    # A transaction that begins as a reader and then writes fails at once if another process wrote in between, whatever
    # the timeout. One that begins as a writer waits.
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _unwritable(database: Path) -> str:
    """Return which of the database's files, or their folder, this user cannot write, and whose it is; or nothing."""
    names = (database.name, f"{database.name}-wal", f"{database.name}-shm")
    for path in (*map(database.with_name, names), database.parent):
        with suppress(OSError):
            uid = path.stat().st_uid
            if not os.access(path, os.W_OK):
                return f"; {path} belongs to {_user(uid)}, and this is {_user(os.getuid())}"
    return ""


def _user(uid: int) -> str:
    try:
        return getpwuid(uid).pw_name
    except KeyError:  # a container's user, or a service's that does not run
        return f"user {uid}"


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _LEAST_ROOM
    except OSError:
        return False
