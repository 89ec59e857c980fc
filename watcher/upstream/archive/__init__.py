"""Recorded snapshots of the list, oldest first: from a folder, a tar, or the history of a file in git.

An archive is planned before it is read. The plan (time, place and size of each member) is small and can be sorted; then
the bodies are read one at a time.
"""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

from watcher.upstream.archive.git import read_history
from watcher.upstream.archive.members import EXAMPLE, Capture, Planned, Problem, Skipped, in_order
from watcher.upstream.archive.tars import read_tar
from watcher.upstream.errors import ArchiveError, excerpt

__all__ = ["MAX_CAPTURE", "Capture", "read_archive"]

MAX_CAPTURE = 64 * 1024 * 1024
"""Bytes of the largest capture that is read; the limit for the live API is the same."""

_log = logging.getLogger(__name__)


def read_archive(name: str, *, on_problem: Problem = _log.warning) -> Iterator[Capture]:
    """Return the captures of an archive, oldest first. Of several with the same time, the first counts.

    Args:
        name: a folder or a tar (plain, xz, gzip or zstd), with members named by their UTC time, such as
            `2026-01-04T19-13-29Z.json`, in any folders that are not hidden; or `git+PATH#FILE`, the history of FILE in
            the git repository at PATH.
        on_problem: gets a line for each member that is skipped, or one line for many of a kind.

    Raises:
        ArchiveError: there is no such archive, it has no captures, or it is damaged. This is raised at once, except
            for damage that only shows while reading.
    """
    if not name:
        raise ArchiveError("the name of the archive is empty; give a folder, a tar file or git+PATH#FILE")
    skipped = Skipped(on_problem, MAX_CAPTURE)
    if name.startswith("git+"):
        return read_history(name, skipped)
    path = Path(name)
    try:
        if path.is_dir():
            return _read_folder(path, skipped)
        if path.is_file():
            return read_tar(path, skipped, on_problem)
        reason = "is neither a folder nor a file" if path.exists() else "does not exist"
    except ValueError:  # a NUL in the name
        reason = "is not a possible path"
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
    raise ArchiveError(f"{excerpt(name, 200)}: {reason}; give a folder, a tar, or git+PATH#FILE")


def _read_folder(folder: Path, skipped: Skipped) -> Iterator[Capture]:
    """Return the captures of a folder, in order. Raises ArchiveError if it has none."""
    plan = in_order(str(folder), _plan_folder(folder, skipped), skipped, f"member named like {EXAMPLE}")

    def captures() -> Iterator[Capture]:
        with skipped:
            for member in plan:
                try:
                    body = (folder / member.name).read_bytes()
                except OSError as error:
                    skipped.add(member.name, "cannot be read: {}", error.strerror)
                else:
                    yield Capture(member.at, body, member.name)

    return captures()


def _plan_folder(folder: Path, skipped: Skipped) -> Iterator[Planned]:
    def unreadable(error: OSError) -> None:
        skipped.add(str(error.filename), "cannot be read: {}", error.strerror)

    for parent, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in sorted(files):
            path = Path(parent, file)
            name = str(path.relative_to(folder))
            if (at := skipped.time(name)) is None:
                continue
            try:
                regular, size = path.is_file(), path.stat().st_size
            except OSError as error:
                skipped.add(name, "cannot be read: {}", error.strerror)
                continue
            if not regular:  # opening a pipe would wait for a writer
                skipped.add(name, "is not a regular file")
            elif skipped.takes(name, size):
                yield Planned(at, name, size)
