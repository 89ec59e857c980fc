"""A database file without SQLAlchemy: a connection that only reads, a safe copy, and a lock beside the file."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO
from urllib.parse import quote

from watcher.errors import StoreError


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

    The target exists whole or not at all, replaces an older file, and has the database's permissions.

    Raises:
        StoreError: the database is damaged, or the copy cannot be written.
    """
    part = target.with_name(f"{target.name}.part")
    try:
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, source.stat().st_mode & 0o666))
        with closing(read_only(source)) as before, closing(sqlite3.connect(part)) as after:
            before.backup(after)
            whole = after.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
        if not whole:
            advice = "Restore an older one, or move it away to start anew."
            raise StoreError(f"The database {source} is damaged, so there is no copy of it. {advice}")
        _flush(part)
        part.replace(target)
        _flush(target.parent)
    except (sqlite3.Error, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StoreError(f"The database {source} cannot be copied to {target}: {reason}.") from error
    finally:
        with suppress(OSError):
            part.unlink()
    return target


def _flush(path: Path) -> None:
    """Have the disk hold the file or folder, so that a power cut cannot lose it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path, database: Path) -> Iterator[None]:
    """Lock a file beside the database until the block ends. Raises StoreError."""
    try:
        file = _open_lock(path, database)
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        raise StoreError(f"The lock {path} beside the database cannot be used: {error.strerror}.") from error
    with file:
        yield


def _open_lock(path: Path, database: Path) -> IO[str]:
    """Open a file to lock, with the database's permissions, and its owner where root creates it."""
    try:
        file = path.open("a")
    except PermissionError:
        return path.open()  # somebody else left it behind, and reading is enough to lock it
    with suppress(OSError):
        owner, ours = database.stat(), os.fstat(file.fileno())
        if os.geteuid() == 0 and (owner.st_uid, owner.st_gid) != (ours.st_uid, ours.st_gid):
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        if ours.st_mode & 0o666 != owner.st_mode & 0o666:
            os.fchmod(file.fileno(), owner.st_mode & 0o666)
    return file
