"""Making and locking files, where somebody else may have put something under their name.

Whoever may write to a folder can put a link or a pipe there. So no file that we make is opened through a link, what was
there already keeps its owner and mode, and nothing here waits without end.
"""

import errno
import fcntl
import os
import select
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_STEP = 0.05
"""Seconds between two attempts to take a lock."""
_PIPE_SECONDS = 5.0
"""Seconds to wait for the first of what comes through a pipe."""
_SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Follow no link, and do not wait for the other end of a pipe."""

NO_FILE = "it is a link, or not a file; see who put it there, and remove it"


class LockedError(Exception):
    """Somebody else keeps a lock; the message says who."""


def create(path: Path, mode: int) -> int:
    """Make a file of this mode where there is none, and return its descriptor, to write. Raises OSError."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFELY, 0o600)
    try:
        os.fchmod(file, mode)
    except BaseException:
        os.close(file)
        raise
    return file


def open_to_read(path: Path) -> BinaryIO:
    """Open a file to read, or a pipe, but do not wait without end for what comes through it.

    Raises OSError, and ValueError if it is no path.
    """
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    try:
        if stat.S_ISFIFO(os.fstat(file.fileno()).st_mode) and not select.select([file], [], [], _PIPE_SECONDS)[0]:
            raise OSError(errno.ETIMEDOUT, "it is a pipe, and nothing comes through it")
        os.set_blocking(file.fileno(), True)
    except BaseException:
        file.close()
        raise
    return file


@contextmanager
def locked(path: Path, like: Path, seconds: float) -> Iterator[None]:
    """Lock a file until the block ends, and make it where there is none, for the same users as the file `like`.

    Raises:
        LockedError: somebody else had it locked for so many seconds.
        OSError: it cannot be opened, or it is a link or no file at all.
    """
    until = time.monotonic() + seconds
    while True:
        file = open_to_lock(path, like)
        try:
            lock(file, until - time.monotonic())
            if _is_at(file, path):  # it may have been deleted meanwhile, and another one locked in its place
                yield
                return
        finally:
            os.close(file)


def lock(file: int, seconds: float) -> None:
    """Lock an open file or folder until it is closed, and wait so long at most. Raises LockedError and OSError."""
    until = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= until:
                raise LockedError(f"{_holder(file)} holds it") from None
            time.sleep(_STEP)


def is_open_twice(file: int) -> bool:
    """Whether this process has opened an open file once more, as far as the system tells."""
    open_files = Path("/proc/self/fd")
    if not open_files.is_dir():
        return True
    found, count = os.fstat(file), 0
    for entry in open_files.iterdir():
        with suppress(OSError):
            count += os.path.samestat(found, os.fstat(int(entry.name)))
    return count > 1


def is_plain(found: os.stat_result) -> bool:
    """Whether this is a file with one name."""
    return stat.S_ISREG(found.st_mode) and found.st_nlink <= 1


def open_to_lock(path: Path, like: Path) -> int:
    """Open a file to lock it; where there is none, make it for the users of the file `like`. Raises OSError."""
    while True:
        try:
            file = os.open(path, os.O_RDWR | _SAFELY)
        except FileNotFoundError:
            try:
                return create_for_users_of(path, like)
            except FileExistsError:
                continue
        except PermissionError:  # somebody else left it behind, and reading is enough to lock it
            file = os.open(path, os.O_RDONLY | _SAFELY)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise OSError(errno.ELOOP, NO_FILE) from None
        if is_plain(os.fstat(file)):
            return file
        os.close(file)
        raise OSError(errno.EMLINK, NO_FILE)


def create_for_users_of(path: Path, like: Path) -> int:
    """Make a file for the same users as the file `like`: mode, and owner too where root makes it. Raises OSError.

    Where there is no such file, it is for the owner of its folder.
    """
    try:
        model = like.stat()
        mode = model.st_mode & 0o666
    except FileNotFoundError:
        model, mode = like.parent.stat(), 0o600
    file = create(path, mode)
    if os.geteuid() == 0:
        os.fchown(file, model.st_uid, model.st_gid)
    return file


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.lstat())
    except FileNotFoundError:
        return False


def _holder(file: int) -> str:
    """Return who holds the lock of an open file, as far as the system tells."""
    inode = str(os.fstat(file).st_ino)
    try:
        for line in Path("/proc/locks").read_text().splitlines():  # 1: FLOCK ADVISORY WRITE 4711 00:1f:12345 0 EOF
            _, kind, _, _, pid, place, *_ = line.split()
            if kind == "FLOCK" and place.rpartition(":")[2] == inode and Path(f"/proc/{pid}").exists():
                name = Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
                return f"process {pid} ({name!r})"
    except (OSError, ValueError):
        pass
    return "another process"
