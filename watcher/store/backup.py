"""A copy of an SQLite database, whole and of one moment, whoever else is using it."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from watcher.errors import StoreError

_DAMAGED = "is damaged, so there is no copy of it. Restore an older one, or move it away to start anew"


def copy_database(source: Path, target: Path) -> Path:
    """Copy a database with SQLite's own means and return `target`, which is there wholly or not at all.

    The copy can be read by whom the database can be read by. One that was there before is replaced.

    Raises:
        StoreError: the database is damaged, or the copy cannot be written.
    """
    part = target.with_name(f"{target.name}.part")
    try:
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, source.stat().st_mode & 0o666))
    except OSError as error:
        raise StoreError(f"The database {source} cannot be copied to {target}: {error.strerror}.") from error
    try:
        whole = _copy(source, part)
        if not whole:
            raise StoreError(f"The database {source} {_DAMAGED}.")
        _to_disk(part)
        part.replace(target)
        _to_disk(target.parent)
    except sqlite3.Error as error:
        raise StoreError(f"The database {source} cannot be copied to {target}: {error}.") from error
    except OSError as error:
        raise StoreError(f"The database {source} cannot be copied to {target}: {error.strerror}.") from error
    finally:
        part.unlink(missing_ok=True)
    return target


def _copy(source: Path, part: Path) -> bool:
    """Copy all pages, and return whether the copy is whole."""
    with closing(read_only(source)) as before, closing(sqlite3.connect(part)) as after:
        before.backup(after)
        return bool(after.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))


def read_only(path: Path, seconds: float = 30.0) -> sqlite3.Connection:
    """Return a connection that cannot write, nor make a database where there is none."""
    # With mode=ro an empty log is left behind where nobody uses the database; without it, a log that a process left
    # behind when it died would be worked into the database at the end.
    mode = "ro" if path.with_name(f"{path.name}-wal").exists() else "rw"
    if mode == "rw" and not os.access(path.parent, os.W_OK):
        mode = "ro&immutable=1"  # without a log nothing is being written, and this user can make none to read beside
    address = f"file:{quote(str(path))}?mode={mode}"
    connection = sqlite3.connect(address, uri=True, timeout=seconds, isolation_level=None)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
