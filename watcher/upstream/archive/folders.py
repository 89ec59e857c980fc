"""Archives that are folders of files."""

import os
from collections.abc import Iterator
from pathlib import Path

from watcher.upstream.archive.members import EXAMPLE, Capture, Planned, Skipped, in_order


def read_folder(folder: Path, skipped: Skipped) -> Iterator[Capture]:
    """Return the captures of a folder, in order. Raises ArchiveError if it has none."""
    plan = in_order(str(folder), _plan(folder, skipped), skipped, f"member named like {EXAMPLE}")

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


def _plan(folder: Path, skipped: Skipped) -> Iterator[Planned]:
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
                skipped.add(name, "is no regular file")
            elif skipped.takes(name, size):
                yield Planned(at, name, size)
