"""Recorded snapshots of the list, in the order of time: from a folder, a tar, or the history of a file in git.

An archive is planned before it is read. The plan (when, where, how large) comes from names alone, so it is small,
and once it is sorted the bodies stream past one at a time.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

from watcher.upstream.archive.folders import read_folder
from watcher.upstream.archive.git import read_history
from watcher.upstream.archive.members import Capture, Problem, Skipped
from watcher.upstream.archive.tars import read_tar
from watcher.upstream.errors import ArchiveError, excerpt

__all__ = ["MAX_CAPTURE", "Capture", "read_archive"]

MAX_CAPTURE = 64 * 1024 * 1024
"""Bytes of the largest capture that is read: what the client takes from the live API, too."""

_log = logging.getLogger(__name__)


def read_archive(name: str, *, on_problem: Problem = _log.warning) -> Iterator[Capture]:
    """The captures of an archive, oldest first, each time once.

    Args:
        name: a folder or a tar (plain or compressed with xz, gzip or zstd, whatever it is called) with members named
            by their UTC time, such as `2026-01-04T19-13-29Z.json`, in any folders (hidden ones are not looked into); or
            `git+PATH#FILE`, the history of FILE, a path from the top of the git repository at PATH.
        on_problem: gets a line for each member that is skipped, and why; one line where there are many of a kind. Of
            members with the same time the first counts.

    Raises:
        ArchiveError: there is no such archive, nothing in it is a capture, or it is damaged as a whole. All but
            damage that only shows while reading is raised at once, before the first capture is asked for.
    """
    if not name:
        raise ArchiveError("an archive without a name is none; name a folder, a tar file or git+PATH#FILE")
    skipped = Skipped(on_problem, MAX_CAPTURE)
    if name.startswith("git+"):
        return read_history(name, skipped)
    path = Path(name)
    try:
        if path.is_dir():
            return read_folder(path, skipped)
        if path.is_file():
            return read_tar(path, skipped, on_problem)
        reason = "is neither a folder nor a file" if path.exists() else "does not exist"
    except ValueError:  # a NUL in the name
        reason = "is no possible path"
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
    raise ArchiveError(f"{excerpt(name, 200)}: {reason}; give a folder, a tar, or git+PATH#FILE")
