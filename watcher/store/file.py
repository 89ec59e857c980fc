"""A database file without SQLAlchemy: a connection that only reads, a safe copy, and the locks beside the file."""

import errno
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from watcher.errors import BusyError, StoreError
from watcher.files import NO_FILE, LockedError, create_for_users_of, is_open_twice, is_plain, locked, open_to_lock


def file_of(url: str) -> Path | None:
    """Return the file of a `[store] url`; None for a server, for memory, and for an address in SQLite's own form."""
    if not url.startswith("sqlite:///"):
        return None
    path = url.removeprefix("sqlite:///").partition("?")[0]
    return None if path in ("", ":memory:") or path.startswith("file:") else Path(path)


def check_neighbours(database: Path) -> None:
    """Raise StoreError if one of SQLite's files beside a database is a link or a pipe: it would write there or hang."""
    for end in ("-wal", "-shm", "-journal"):
        path = f"{os.path.realpath(database)}{end}"
        with suppress(OSError):
            if not is_plain(os.lstat(path)):
                raise StoreError(f"The file {path} beside the database cannot be used: {NO_FILE}.")


def connect_read_only(path: Path, seconds: float = 30.0) -> sqlite3.Connection:
    """Return a connection that can neither write nor create a database. `seconds`: how long to wait for a lock."""
    check_neighbours(path)
    # With mode=ro, SQLite leaves an empty log behind where nobody uses the database; without it, SQLite would work the
    # log of a dead process into the database when it closes.
    log = path.with_name(f"{path.name}-wal")
    may_write = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    if log.exists() or may_write:
        connection = _connect(path, "ro" if log.exists() else "rw", seconds)
        try:
            connection.execute("SELECT 1 FROM sqlite_master").close()
        except sqlite3.Error as error:
            full = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL)
            if not full or (log.exists() and log.stat().st_size):
                return connection  # whatever it is, a query says so again
            connection.close()
        else:
            return connection
    return _connect(path, "ro&immutable=1", seconds)  # there is no room for a log, or no right to make one


def _connect(path: Path, mode: str, seconds: float) -> sqlite3.Connection:
    address = f"file:{quote(str(path))}?mode={mode}"
    connection = sqlite3.connect(address, uri=True, timeout=seconds, isolation_level=None)
    connection.execute("PRAGMA query_only = ON")
    return connection


def model_ids(url: str, seconds: float, start: str, most: int) -> list[str]:
    """Return the ids of known models that begin with `start`, sorted, at most `most` of them.

    Raises sqlite3.Error, and ValueError if the database is not a file.
    """
    path = file_of(url)
    if path is None:
        raise ValueError(f"{url} is not a file")
    with closing(connect_read_only(path, seconds)) as connection:
        query = "SELECT id FROM models WHERE substr(id, 1, ?) = ? ORDER BY id LIMIT ?"
        return [row[0] for row in connection.execute(query, (len(start), start, most))]


def copy_database(source: Path, target: Path) -> Path:
    """Copy a database as of one moment, while others use it, and return `target`.

    The target exists whole or not at all, replaces an older file, and is for the users of the database. Raises
    StoreError if the database is damaged, or the copy cannot be written.
    """
    part = target.with_name(f"{target.name}.part")
    try:
        part.unlink(missing_ok=True)
        with os.fdopen(create_for_users_of(part, source), "wb") as made:
            with closing(connect_read_only(source)) as before, closing(sqlite3.connect(part)) as after:
                if not is_open_twice(made.fileno()):  # SQLite opens it by its name, and follows links
                    raise OSError(errno.ESTALE, f"somebody put another file in the place of {part}")
                before.backup(after)
                whole = after.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
            os.fsync(made)
        if not whole:
            advice = "Restore an older one, or move it away to start anew."
            raise StoreError(f"The database {source} is damaged, so there is no copy of it. {advice}")
        part.replace(target)
        _flush(target.parent)
    except (sqlite3.Error, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StoreError(f"The database {source} cannot be copied to {target}: {reason}.") from error
    finally:
        with suppress(OSError):
            part.unlink()
    return target


def move_aside(path: Path, target: Path) -> Path:
    """Move a database with its log to another name, and return that. Raises StoreError."""
    try:
        for suffix in ("-wal", "-shm", ""):  # a log must not stay beside another database
            with suppress(FileNotFoundError):
                path.with_name(path.name + suffix).rename(target.with_name(target.name + suffix))
    except OSError as error:
        raise StoreError(f"The database {path} cannot be moved to {target}: {error.strerror}.") from error
    return target


def restore_database(source: Path, target: Path, like: Path) -> None:
    """Write the contents of a backup over a database, in one transaction. Raises StoreError.

    SQLite writes, not the file system: it waits for other processes, and no log that they left can undo it. Where there
    is no database, it makes one for the users of the file `like`.
    """
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_neighbours(target)
        with suppress(FileExistsError):
            os.close(create_for_users_of(target, like))
        with closing(connect_read_only(source)) as before, closing(sqlite3.connect(target, timeout=30)) as after:
            after.execute("BEGIN IMMEDIATE")  # a backup would wait for ever
            after.rollback()
            before.backup(after)
            after.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except (sqlite3.Error, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StoreError(
            f"The database {target} cannot be restored from {source}: {reason}; it is as it was."
        ) from error


def _flush(folder: Path) -> None:
    """Have the disk hold the names in a folder, so that a power cut cannot lose them."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def sending_lock(database: Path, seconds: float) -> Iterator[None]:
    """Hold the lock of those who send from a database until the block ends. Raises StoreError and BusyError."""
    path = database.with_name(f"{database.name}.sending")
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(path, database, seconds))
        except LockedError as error:
            raise BusyError(
                f"The database {database} is being sent from, and has been for {seconds:g} s: {error}. Nothing is lost,"
                " and the next check sends what is due."
            ) from None
        except OSError as error:
            raise StoreError(f"The lock {path} beside the database cannot be used: {error.strerror}.") from error
        yield


def mark_running(database: Path) -> int | None:
    """Lock a file that says that `watcher run` uses a database, until the returned descriptor is closed.

    None: there can be no such file.
    """
    try:
        mark = open_to_lock(_running(database), database)
    except OSError:
        return None
    with suppress(OSError):  # a file system without locks
        fcntl.flock(mark, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return mark


def is_running(database: Path) -> bool:
    """Whether a process holds the lock of `mark_running`."""
    try:
        mark = os.open(_running(database), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(mark)
    return False


def _running(database: Path) -> Path:
    return database.with_name(f"{database.name}.running")
