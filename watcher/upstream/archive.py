"""Recorded snapshots of the list, in the order of time: from a folder, a tar, or the history of a file in git.

An archive is planned before it is read. The plan (when, where, how large) comes from names alone, so it is small,
and once it is sorted the bodies stream past one at a time. For a compressed tar that means decompressing twice
(0.1 s for the 134 MB of the recorded archive): a single pass cannot work, because a member that turns out to be older
than one already handed on cannot be put before it any more. A compressed tar whose members are *not* in order of time
is decompressed once more, into an unnamed temporary file, as only that can be read in any order.
"""

import contextlib
import logging
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn, cast

from msgspec import Struct

from watcher.upstream.errors import ArchiveError, excerpt

if TYPE_CHECKING:
    import subprocess

MAX_CAPTURE = 64 * 1024 * 1024  # bytes; what the client takes from the live API, too

_NAME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ)\.json", re.ASCII)
_EXAMPLE = "2026-01-04T19-13-29Z.json"
_log = logging.getLogger(__name__)

Problem = Callable[[str], None]


class Capture(Struct, frozen=True):
    """One recorded response body; `at` is when it was captured, in UTC, `name` says where it comes from."""

    at: datetime
    body: bytes
    name: str


class _Planned(Struct, frozen=True):
    at: datetime
    name: str
    size: int
    offset: int = 0
    """Of the body in the decompressed tar."""


def read_archive(name: str, *, on_problem: Problem = _log.warning) -> Iterator[Capture]:
    """The captures of an archive, oldest first, each time once.

    Args:
        name: a folder or a tar (plain or compressed with xz, gzip or zstd, whatever it is called) with members named
            by their UTC time, such as `2026-01-04T19-13-29Z.json`, in any folders (hidden ones are not looked into); or
            `git+PATH#FILE`, the history of FILE, a path from the top of the git repository at PATH.
        on_problem: gets one line for each member that is skipped, and why. Of members with the same time the
            first counts.

    Raises:
        ArchiveError: there is no such archive, nothing in it is a capture, or it is damaged as a whole. All but
            damage that only shows while reading is raised at once, before the first capture is asked for.
    """
    if not name:
        raise ArchiveError("an archive without a name is none; name a folder, a tar file or git+PATH#FILE")
    if name.startswith("git+"):
        return _read_git(name, on_problem)
    path = Path(name)
    try:
        if path.is_dir():
            return _read_folder(path, on_problem)
        if path.is_file():
            return _read_tar(path, on_problem)
        reason = "is neither a folder nor a file" if path.exists() else "does not exist"
    except ValueError:  # a NUL in the name
        reason = "is no possible path"
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
    raise ArchiveError(f"{excerpt(name, 200)}: {reason}; give a folder, a tar, or git+PATH#FILE")


# Folders


def _read_folder(folder: Path, on_problem: Problem) -> Iterator[Capture]:
    plan = _in_order(str(folder), _plan_folder(folder, on_problem), on_problem)

    def captures() -> Iterator[Capture]:
        for member in plan:
            try:
                with (folder / member.name).open("rb") as file:
                    body = file.read(MAX_CAPTURE + 1)
            except OSError as error:
                _skip(on_problem, member.name, f"cannot be read: {error.strerror}")
                continue
            if _is_acceptable(member.name, len(body), on_problem):
                yield Capture(member.at, body, member.name)

    return captures()


def _plan_folder(folder: Path, on_problem: Problem) -> Iterator[_Planned]:
    def unreadable(error: OSError) -> None:
        _skip(on_problem, str(error.filename), f"cannot be read: {error.strerror}")

    for parent, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in sorted(files):
            path = Path(parent, file)
            name = str(path.relative_to(folder))
            at = _time(name, on_problem)
            if at is None:
                continue
            try:
                regular, size = path.is_file(), path.stat().st_size  # opening a pipe would wait for a writer
            except OSError as error:
                _skip(on_problem, name, f"cannot be read: {error.strerror}")
                continue
            if not regular:
                _skip(on_problem, name, "is no regular file")
            elif _is_acceptable(name, size, on_problem):
                yield _Planned(at, name, size)


# Tars


def _read_tar(path: Path, on_problem: Problem) -> Iterator[Capture]:
    with _decompressed(path) as file:
        plan = _in_order(str(path), _plan_tar(path, file, on_problem), on_problem)
    any_order = any(b.offset < a.offset for a, b in pairwise(plan)) and _compression(path) is not None

    def captures() -> Iterator[Capture]:
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(_decompressed(path))
            if any_order:
                file = stack.enter_context(_spooled(path, file))
            for member in plan:
                with _damage_told(path):
                    file.seek(member.offset)
                    body = file.read(member.size)
                if len(body) != member.size:
                    _refuse(str(path), "has changed while it was read; run this again")
                yield Capture(member.at, body, member.name)

    return captures()


def _plan_tar(path: Path, file: IO[bytes], on_problem: Problem) -> Iterator[_Planned]:
    import tarfile

    with _damage_told(path), tarfile.open(fileobj=file, mode="r:") as tar:
        last = -1
        while (member := tar.next()) is not None:
            tar.members.clear()  # type: ignore[attr-defined] # it would keep them all
            if member.offset <= last or member.size < 0:  # Python before 3.13.6 goes round in circles on those
                _refuse(str(path), "is damaged: a member has an impossible size; fetch it again")
            last = member.offset
            if member.isdir():
                continue
            at = _time(member.name, on_problem)
            if at is None:
                continue
            if not member.isreg() or member.issparse():
                _skip(on_problem, member.name, "is no regular file")
            elif _is_acceptable(member.name, member.size, on_problem):
                yield _Planned(at, member.name, member.size, member.offset_data)
        # To tarfile a damaged header is the end of the tar like any other, so look whether it is one.
        beyond = file.tell() - tar.offset
        if 0 < beyond < tarfile.BLOCKSIZE or any(file.read(_PADDING)):
            _refuse(str(path), "is damaged or was cut off: it breaks off inside a member; fetch it again")
        if not beyond:
            _skip(on_problem, str(path), "has no end mark and may have been cut off", "read as far as it goes")


_PADDING = 1024 * 1024  # bytes; tars are filled up with zeros to 10 KiB or so

_MAGIC = {b"\xfd7zXZ\x00": "xz", b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}


def _compression(path: Path) -> str | None:
    """How a file is compressed, told by its first bytes; None when it is not."""
    with path.open("rb") as file:
        start = file.read(6)
    return next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)


@contextlib.contextmanager
def _decompressed(path: Path) -> Iterator[IO[bytes]]:
    """The tar without its compression. Seeking forward is cheap, seeking back may not be possible."""
    with _damage_told(path), contextlib.ExitStack() as stack:
        kind = _compression(path)
        raw: Any = stack.enter_context(path.open("rb"))
        if kind == "xz":
            import lzma

            raw = stack.enter_context(lzma.open(raw))
        elif kind == "gzip":
            import gzip

            raw = stack.enter_context(gzip.open(raw))
        elif kind == "zstd":
            raw = stack.enter_context(_zstd(raw))
        yield raw


def _zstd(raw: IO[bytes]) -> IO[Any]:
    if sys.version_info >= (3, 14):
        from compression import zstd

        return zstd.open(raw)
    import zstandard

    return cast("IO[Any]", zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True))


@contextlib.contextmanager
def _spooled(path: Path, file: IO[bytes]) -> Iterator[IO[bytes]]:
    import tempfile

    with tempfile.TemporaryFile(prefix="openrouter-watcher-") as spool:
        with _damage_told(path):
            shutil.copyfileobj(file, spool, 1024 * 1024)
        yield spool


@contextlib.contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    try:
        yield
    except _damage() as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        _refuse(str(path), f"is no tar that can be read: {excerpt(reason)}; if it is one, fetch it again")


def _damage() -> tuple[type[Exception], ...]:
    """What reading a damaged tar raises. Only asked for when something was raised."""
    import lzma
    import tarfile
    import zlib

    if sys.version_info >= (3, 14):
        from compression.zstd import ZstdError
    else:
        from zstandard import ZstdError
    return (OSError, EOFError, ValueError, tarfile.TarError, lzma.LZMAError, zlib.error, ZstdError)


# Git


def _read_git(name: str, on_problem: Problem) -> Iterator[Capture]:
    repository, mark, file = name.removeprefix("git+").rpartition("#")
    if not mark or not repository or not file:
        _refuse(name, "names no repository and file; write it like git+/path/to/repository#models.json")
    if not file.isprintable():
        _refuse(name, "has a file name with control characters in it, which git cannot be asked for")
    if repository.startswith("~/"):  # no shell expands it after `git+`
        repository = str(Path(repository).expanduser())
    if not Path(repository).is_dir():
        _refuse(name, f"{repository!r} is no folder; give the path of a local clone")
    plan = _in_order(name, _plan_git(name, repository, file, on_problem), on_problem)
    return _git_captures(name, repository, file, plan, on_problem)


def _plan_git(name: str, repository: str, file: str, on_problem: Problem) -> Iterator[_Planned]:
    """Every commit that touched the file, oldest first. `rev-list` is plumbing: no configuration changes its output,
    and none makes it run a program, as `log.showSignature` does with `git log`."""
    arguments = ["rev-list", "--timestamp", "--full-history", "--no-merges", "--reverse", "HEAD", "--"]
    with _git(name, repository, [*arguments, f":(top,literal){file}"]) as git:
        output, complaint = git.communicate()
    if git.returncode:
        _refuse(name, f"git cannot read the history: {excerpt(complaint, 200)}")
    for line in output.decode("ascii").splitlines():
        seconds, _, commit = line.partition(" ")
        try:
            at = datetime.fromtimestamp(int(seconds), UTC)
        except (ValueError, OverflowError, OSError):
            _skip(on_problem, f"{commit}:{file}", "has an impossible commit time")
            continue
        yield _Planned(at, f"{commit}:{file}", 0)


def _git_captures(
    name: str, repository: str, file: str, plan: Iterable[_Planned], on_problem: Problem
) -> Iterator[Capture]:
    with _git(name, repository, ["cat-file", "--batch"]) as git:
        assert git.stdin
        assert git.stdout
        try:
            for member in plan:
                git.stdin.write(os.fsencode(member.name) + b"\n")
                git.stdin.flush()
                answer = git.stdout.readline()
                if answer.endswith(b" missing\n"):  # this commit deleted it
                    continue
                _, kind, size = answer.split()
                short = f"{member.name[:12]}:{file}"
                if kind == b"blob" and int(size) <= MAX_CAPTURE:
                    body = git.stdout.read(int(size))
                    if len(body) < int(size):
                        raise EOFError
                    git.stdout.read(1)  # the newline after it
                    if _is_acceptable(short, len(body), on_problem):
                        yield Capture(member.at, body, short)
                    continue
                left = int(size) + 1
                while left > 0 and (chunk := git.stdout.read(min(left, 1024 * 1024))):
                    left -= len(chunk)
                if kind == b"blob":
                    _is_acceptable(short, int(size), on_problem)
                else:
                    _skip(on_problem, short, "is no file")
        except (OSError, ValueError, EOFError):
            git.kill()
            complaint = git.stderr.read() if git.stderr else b""
            _refuse(
                name, f"git stopped while it was read: {excerpt(complaint, 200) or 'no reason given'}; run git fsck"
            )


@contextlib.contextmanager
def _git(name: str, repository: str, arguments: list[str]) -> "Iterator[subprocess.Popen[bytes]]":
    """A git process in that repository, and in no other: what the environment says of one is left out, the folders
    above it are not searched, nothing is fetched over the network. It is gone at the end, whatever happens."""
    import subprocess

    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")} | {
        "GIT_CEILING_DIRECTORIES": str(Path(repository).resolve().parent),
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }
    pipe = subprocess.PIPE
    try:
        git = subprocess.Popen(
            ["git", *arguments], cwd=repository, env=environment, stdin=pipe, stdout=pipe, stderr=pipe
        )
    except OSError as error:
        _refuse(name, f"git cannot be run: {error.strerror}; install git")
    try:
        yield git
    finally:
        git.kill()
        with contextlib.suppress(OSError):  # what stdin still holds
            git.__exit__(None, None, None)


# What all have in common


def _in_order(name: str, plan: Iterable[_Planned], on_problem: Problem) -> list[_Planned]:
    ordered: list[_Planned] = []
    for member in sorted(plan, key=lambda member: member.at):  # stable: of the same time, the first counts
        if ordered and ordered[-1].at == member.at:
            _skip(on_problem, member.name, f"has the same time as {excerpt(ordered[-1].name)}")
        else:
            ordered.append(member)
    if not ordered:
        what = "no version of that file" if name.startswith("git+") else f"no member named like {_EXAMPLE}"
        _refuse(name, f"there is {what} in it")
    return ordered


def _time(name: str, on_problem: Problem) -> datetime | None:
    found = _NAME.fullmatch(name.rpartition("/")[2])
    if found:
        with contextlib.suppress(ValueError):
            return datetime.strptime(found[1], "%Y-%m-%dT%H-%M-%SZ").replace(tzinfo=UTC)
    _skip(on_problem, name, f"is not named by a UTC time, like {_EXAMPLE}")
    return None


def _is_acceptable(name: str, size: int, on_problem: Problem) -> bool:
    if 0 < size <= MAX_CAPTURE:
        return True
    _skip(on_problem, name, f"has {size} bytes, more than the {MAX_CAPTURE} that are read" if size else "is empty")
    return False


def _skip(on_problem: Problem, name: str, why: str, consequence: str = "skipped") -> None:
    on_problem(f"{excerpt(name, 200)} {why}: {consequence}")


def _refuse(name: str, why: str) -> NoReturn:
    raise ArchiveError(f"{excerpt(name, 200)}: {why}") from None
