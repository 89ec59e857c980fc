"""The files of a tree that a scan reads: no links, nothing that git would ignore, nothing binary, nothing huge."""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pathspec import GitIgnoreSpec

LARGEST = 2_000_000
"""Bytes of a file that is read."""
_BEGINNING = 8_000
"""Bytes in which a binary file shows a zero, as for git."""
_MOST_RULES = 100_000
_NEVER = frozenset({".git", ".hg", ".svn", "node_modules"})
_MOST_STARS, _MOST_IN_A_NAME = 10, 3
"""A pattern with more stars can take for ever to match."""
_UTF_16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


class File(NamedTuple):
    """A file that was read."""

    path: str
    project: str
    """The folder of its repository, or the one that the scan started from."""
    data: bytes


class Tree:
    """Reads the files below paths. What cannot be read is a problem; what need not be read is not."""

    def __init__(self, exclude: Sequence[str] = (), is_late: Callable[[], bool] = lambda: False) -> None:
        """`exclude` are patterns as in `.gitignore`; `is_late` ends the reading. Raises ValueError for a pattern."""
        self.problems: list[str] = []
        self.files = 0
        self._exclude = GitIgnoreSpec.from_lines(exclude)
        self._is_late = is_late
        self._folders: set[tuple[int, int]] = set()

    def read(self, path: Path) -> Iterator[File]:
        """Yield the files at or below a path, in a stable order. One that is named itself is read though ignored."""
        top, named = os.path.realpath(path), str(path)
        before, found = len(self.problems), self.files
        try:
            status = Path(top).stat()
            was_read = (status.st_dev, status.st_ino) in self._folders and os.listdir(top)  # noqa: PTH208
        except OSError as error:
            self._problem(named, error)
            return
        if not stat.S_ISDIR(status.st_mode):
            if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
                self.problems.append(f"cannot be read (no file, or over {LARGEST // 10**6} MB): {shown(path)}")
            yield from self._file(top, named, str(Path(top).parent))
            return
        yield from self._below(top, "" if named == "." else named)
        if self.files == found and not was_read and len(self.problems) == before:
            self.problems.append(f"there is no file that could be read in {shown(path)}")

    def _below(self, top: str, named: str) -> Iterator[File]:
        rules, start = _rules_above(top), len(top.rstrip("/")) + 1
        stack = [(top, top, () if _is_ignored(top, True, rules) else rules)]
        while stack:
            folder, project, rules = stack.pop()
            try:
                found = Path(folder).stat()
                if (found.st_dev, found.st_ino) in self._folders:
                    continue
                self._folders.add((found.st_dev, found.st_ino))
                with os.scandir(folder) as listed:
                    entries = sorted(listed, key=lambda entry: entry.name)
                is_folder = {entry: entry.is_dir(follow_symlinks=False) for entry in entries}
                regular = [entry for entry in entries if is_folder[entry] or entry.is_file(follow_symlinks=False)]
            except OSError as error:
                self._problem((named or ".") + folder[len(top) :], error)
                continue
            names = {entry.name for entry in entries}
            project = folder if ".git" in names else project
            rules = (*rules, *_rules(folder)) if ".gitignore" in names else rules
            below = []
            for entry in regular:  # neither links nor pipes and devices
                shown_path = os.path.join(named, entry.path[start:])  # noqa: PTH118 - ten thousand times
                excluded = self._exclude.match_file(entry.path[start:] + "/" * is_folder[entry])
                if excluded or entry.name in _NEVER or _is_ignored(entry.path, is_folder[entry], rules):
                    continue
                if is_folder[entry]:
                    below.append((entry.path, project, rules))
                    continue
                if self._is_late():
                    self.problems.append(f"there was not enough time to read all of {shown(named or '.')}")
                    return
                yield from self._file(entry.path, shown_path, project)
            stack += reversed(below)

    def _file(self, path: str, named: str, project: str) -> Iterator[File]:
        try:
            data = _read(path, LARGEST)
        except OSError as error:
            self._problem(named, error)
            return
        self.files += 1
        if data is None:
            return
        if encoding := _UTF_16.get(data[:2]):
            data = data.decode(encoding, "replace").encode()
        if b"\0" not in data[:_BEGINNING]:
            yield File(shown(named), project, data.replace(b"\\/", b"/") if b"\\/" in data else data)

    def _problem(self, path: str, error: OSError) -> None:
        self.problems.append(f"cannot be read ({error.strerror}): {shown(path)}")


_Rules = tuple[tuple[str, GitIgnoreSpec], ...]
"""The folder of each `.gitignore`, and its patterns; the deepest last."""


def shown(path: str | Path) -> str:
    """Return a path as text, whatever its bytes are."""
    return os.fsencode(path).decode("utf-8", "replace")


def _read(path: str, most: int) -> bytes | None:
    """Return the bytes of a file; None: it is larger than `most`, or no file. Raises OSError."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb", 0) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_size > most:
            return None
        return file.read(found.st_size) or b""


def _rules_above(top: str) -> _Rules:
    """Return the rules of the folders above, up to the one of the repository; none outside of a repository."""
    found: list[str] = []
    for folder in (Path(top), *Path(top).parents):
        if str(folder) != top:
            found.insert(0, str(folder))
        if (folder / ".git").exists():
            return tuple(rule for each in found for rule in _rules(each))
    return ()


def _rules(folder: str) -> _Rules:
    try:
        lines = (_read(f"{folder}/.gitignore", _MOST_RULES) or b"").decode("utf-8-sig", "replace").splitlines()
    except OSError:
        return ()
    try:
        return ((folder, GitIgnoreSpec.from_lines(filter(_is_quick, lines))),)
    except ValueError:  # git passes over a line that is no pattern, too; here it takes the others with it
        return ()


def _is_quick(pattern: str) -> bool:
    return pattern.count("*") <= _MOST_STARS and all(name.count("*") <= _MOST_IN_A_NAME for name in pattern.split("/"))


def _is_ignored(path: str, is_folder: bool, rules: _Rules) -> bool:
    for folder, spec in reversed(rules):
        decided = spec.check_file(path[len(folder.rstrip("/")) + 1 :] + "/" * is_folder).include
        if decided is not None:
            return bool(decided)
    return False
