"""Archives that are tars, plain or compressed.

A compressed tar is decompressed twice, to plan and to read (0.1 s for the 134 MB of the recorded archive): only the
plan shows whether its members are in order of time. If they are not, the tar is copied without its compression to a
temporary file, which can be read in any order.
"""

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, cast

from watcher.upstream.archive.members import EXAMPLE, Capture, Planned, Problem, Skipped, in_order, refuse
from watcher.upstream.errors import ArchiveError, excerpt


def read_tar(path: Path, skipped: Skipped, on_problem: Problem) -> Iterator[Capture]:
    """Return the captures of a tar, in order. Raises ArchiveError if there is none, or it is damaged."""
    with _decompressed(path) as file:
        plan = in_order(str(path), _plan(path, file, skipped, on_problem), skipped, f"member named like {EXAMPLE}")
    any_order = any(b.offset < a.offset for a, b in pairwise(plan))

    def captures() -> Iterator[Capture]:
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(_decompressed(path))
            if any_order:
                spool = stack.enter_context(tempfile.TemporaryFile(prefix="openrouter-watcher-"))
                with _refuse_damage(path):
                    shutil.copyfileobj(file, spool, 1024 * 1024)
                file = spool
            for member in plan:
                with _refuse_damage(path):
                    file.seek(member.offset)
                    body = file.read(member.size)
                if len(body) != member.size:
                    refuse(str(path), "has changed while it was read; run this again")
                yield Capture(member.at, body, member.name)

    return captures()


def _plan(path: Path, file: IO[bytes], skipped: Skipped, on_problem: Problem) -> Iterator[Planned]:
    import tarfile

    with _refuse_damage(path), tarfile.open(fileobj=file, mode="r:") as tar:
        last = -1
        while (member := tar.next()) is not None:
            tar.members.clear()  # type: ignore[attr-defined] # it would keep them all in memory
            if member.offset <= last or member.size < 0:  # on those, Python before 3.13.6 never ends
                refuse(str(path), "is damaged: a member has an impossible size; fetch it again")
            last = member.offset
            if member.isdir() or (at := skipped.time(member.name)) is None:
                continue
            if not member.isreg() or member.issparse():
                skipped.add(member.name, "is not a regular file")
            elif skipped.takes(member.name, member.size):
                yield Planned(at, member.name, member.size, member.offset_data)
        # tarfile takes a damaged header for the end of the tar, so check what follows.
        beyond = file.tell() - tar.offset
        if 0 < beyond < tarfile.BLOCKSIZE or any(file.read(_PADDING)):
            refuse(str(path), "is damaged or was cut off: it breaks off inside a member; fetch it again")
        if not beyond:
            on_problem(f"{excerpt(str(path), 200)} has no end mark and may have been cut off: read as far as it goes")


_PADDING = 1024 * 1024  # bytes; tars end in about 10 KiB of zeros

# By the first bytes, the module that decompresses.
_MAGIC = {b"\xfd7zXZ\x00": "lzma", b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}


@contextlib.contextmanager
def _decompressed(path: Path) -> Iterator[IO[bytes]]:
    """Open the tar without its compression. It may only be possible to seek forward."""
    with _refuse_damage(path), contextlib.ExitStack() as stack:
        raw: Any = stack.enter_context(path.open("rb"))
        start = raw.read(6)
        raw.seek(0)
        kind = next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)
        if kind == "zstd":
            raw = stack.enter_context(_zstd(raw))
        elif kind is not None:
            raw = stack.enter_context(import_module(kind).open(raw))
        yield raw


def _zstd(raw: IO[bytes]) -> IO[Any]:
    if sys.version_info >= (3, 14):
        from compression import zstd

        return zstd.open(raw)
    import zstandard

    return cast("IO[Any]", zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True))


@contextlib.contextmanager
def _refuse_damage(path: Path) -> Iterator[None]:
    try:
        yield
    except ArchiveError:
        raise
    except Exception as error:  # the libraries raise many types on damaged files
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        refuse(str(path), f"cannot be read as a tar: {excerpt(reason)}; if it is one, fetch it again")
