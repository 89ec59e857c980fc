"""SQLite: a file of one's own, the default."""

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool

from watcher.errors import StoreError
from watcher.store.backend import DAMAGED, FULL, LOCKED, WRITES
from watcher.store.backup import copy_database, read_only
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


class Sqlite:
    """A `Backend`."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self.name = url.database or ":memory:"
        self._busy_seconds = 0.0

    def engine(self, busy_seconds: float) -> Engine:
        """Return an engine as `Backend` says."""
        self._busy_seconds = busy_seconds
        # A file is open only while it is used: what lies there can be put in order, moved or replaced in between, and
        # no log is left that would be taken for that of another file.
        kept = {} if self.file is None else {"poolclass": NullPool}
        engine = create_engine(self._url, connect_args={"timeout": busy_seconds}, **kept)
        event.listen(engine, "connect", _on_connect)
        event.listen(engine, "begin", _on_begin)
        return engine

    def read_only_engine(self) -> Engine:
        """Return an engine that cannot write. Raises StoreError if there is no such file."""
        path = self.file
        if path is None or not path.is_file():
            raise StoreError(f"The database {self.name} does not exist.")
        engine = create_engine("sqlite://", creator=lambda: read_only(path), poolclass=NullPool)
        event.listen(engine, "begin", _on_begin)
        return engine

    @property
    def file(self) -> Path | None:
        """The file; None if it is in memory or has an address of SQLite's own kind."""
        path = self._url.database
        return Path(path) if path and path != ":memory:" and not path.startswith("file:") else None

    def create_folder(self) -> bool:
        """Make the folder of the file, and return whether the file is there. Raises StoreError."""
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
    def making(self) -> Iterator[datetime | None]:
        """Be the only process that makes a database in the folder; yields when the file, if any, was last written."""
        if self.file is None:
            yield None
            return
        import fcntl

        with ExitStack() as stack:
            with suppress(OSError):  # a file system without locks, or a folder that we may not list
                folder = os.open(self.file.parent, os.O_RDONLY)
                stack.callback(os.close, folder)
                fcntl.flock(folder, fcntl.LOCK_EX)
            try:
                written = datetime.fromtimestamp(self.file.stat().st_mtime, UTC)
            except OSError:
                written = None
            yield written

    def tables(self, connection: Connection) -> set[str]:
        """Return the names of the tables."""
        return set(connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars())

    def check(self, connection: Connection) -> None:
        """Read every page. Raises DamagedError."""
        check_pages(connection)

    def prepare_migration(self, engine: Engine) -> None:
        """Have the database keep a write-ahead log."""
        until = time.monotonic() + self._busy_seconds
        with closing(engine.raw_connection()) as raw:
            while True:
                try:
                    raw.cursor().execute("PRAGMA journal_mode = WAL")  # kept in the file; not allowed in a transaction
                    return
                except sqlite3.OperationalError as error:
                    # Where another process does the same at this moment, SQLite does not wait.
                    if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > until:
                        raise
                    time.sleep(0.02)

    def copy(self, suffix: str) -> Path | None:
        """Copy the file beside itself. Raises StoreError."""
        return None if self.file is None else copy_database(self.file, self.file.with_name(self.file.name + suffix))

    def vacuum(self, engine: Engine) -> None:
        """Write the file anew without its free pages. Nobody can write meanwhile."""
        with closing(engine.raw_connection()) as connection:  # not inside a transaction
            connection.cursor().execute("VACUUM")
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def size(self, engine: Engine) -> int | None:
        """Return the bytes on the disk, with the log of what was written last."""
        if self.file is None:
            return None
        files = (self.file, self.file.with_name(f"{self.file.name}-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def advice(self, error: BaseException) -> str | None:
        """Return what an error means and what to do."""
        code = str(getattr(error, "sqlite_errorname", "") or "")
        if code.startswith("SQLITE_IOERR") and _is_full(Path(self.name).parent):
            code = "SQLITE_FULL"  # with a write-ahead log, the log's index fails first, and SQLite cannot tell why
        known = (advice for prefix, advice in _ADVICE.items() if code.startswith(prefix))
        return next(known, f"cannot be used: {error}" if isinstance(error, sqlite3.Error) else None)


def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver must not begin transactions of its own: it does so too late
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")


def _on_begin(connection: Connection) -> None:
    # A transaction that begins as a reader and then writes fails at once when another process wrote in between,
    # whatever the timeout; one that begins as a writer waits.
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _LEAST_ROOM
    except OSError:
        return False
