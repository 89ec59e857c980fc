"""A lock beside the database that says whether `watcher run` uses it. The kernel frees it with the process."""

import fcntl
import os
from pathlib import Path

from watcher.files import open_to_lock

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def mark_running(database: Path) -> int | None:
    """Return the descriptor of a lock that says so until it is closed; None if there can be none."""
    try:
        mark = open_to_lock(_path(database), database)
    except OSError:
        return None
    try:
        fcntl.flock(mark, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        os.close(mark)
        return None
    return mark


def is_running(database: Path) -> bool:
    """Whether a process holds the lock."""
    try:
        mark = os.open(_path(database), _FLAGS)
    except OSError:
        return False
    try:
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(mark)
    return False


def _path(database: Path) -> Path:
    return database.with_name(f"{database.name}.running")
