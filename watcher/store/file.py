"""A database file without SQLAlchemy: a connection that only reads, a safe copy, and a lock beside the file."""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from watcher.errors import BusyError, StoreError
from watcher.files import LockedError, create_for_users_of, is_open_twice, locked


def file_of(url: str) -> Path | None:
    """Return the file of a `[store] url`; None for a server, for memory, and for an address in SQLite's own form."""
    if not url.startswith("sqlite:///"):
        return None
    path = url.removeprefix("sqlite:///").partition("?")[0]
    return None if path in ("", ":memory:") or path.startswith("file:") else Path(path)


def read_only(path: Path, seconds: float = 30.0) -> sqlite3.Connection:
    """Return a connection that can neither write nor create a database. `seconds`: how long to wait for a lock."""
    # With mode=ro, SQLite leaves an empty log behind where nobody uses the database; without it, SQLite would work the
    # log of a dead process into the database when it closes.
    mode = "ro" if path.with_name(f"{path.name}-wal").exists() else "rw"
    if mode == "rw" and not os.access(path.parent, os.W_OK):
        mode = "ro&immutable=1"  # nobody writes, since there is no log, and this user cannot create one to read beside
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
    with closing(read_only(path, seconds)) as connection:
        query = "SELECT id FROM models WHERE substr(id, 1, ?) = ? ORDER BY id LIMIT ?"
        return [row[0] for row in connection.execute(query, (len(start), start, most))]


def copy_database(source: Path, target: Path) -> Path:
    """Copy a database as of one moment, while others use it, and return `target`.

    The target exists whole or not at all, replaces an older file, and is for the users of the database.

    Raises:
        StoreError: the database is damaged, or the copy cannot be written.
    """
    part = target.with_name(f"{target.name}.part")
    try:
        part.unlink(missing_ok=True)
        with os.fdopen(create_for_users_of(part, source), "wb") as made:
            with closing(read_only(source)) as before, closing(sqlite3.connect(part)) as after:
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
