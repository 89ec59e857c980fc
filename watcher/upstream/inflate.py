"""Decompressing an HTTP body with a bound on memory.

httpx's own decoder hands out chunks of any size (a gzip bomb of 500 MB took 1 GB of memory). So its raw bytes are
decompressed here, a piece at a time.
"""

import zlib
from collections.abc import Iterable, Iterator
from itertools import chain

PIECE = 256 * 1024  # bytes: small against the limit of a body, large against the cost of a call

_MAGIC = b"\x1f"  # no text begins with it
_GZIP = zlib.MAX_WBITS | 16


def inflate(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a body in pieces, decompressed if its first byte is that of gzip; the headers are not asked.

    Raises zlib.error if the gzip data is damaged, and EOFError if it ends too early.
    """
    chunks = iter(chunks)
    start = next(filter(None, chunks), b"")
    if not start.startswith(_MAGIC):
        yield start
        yield from chunks
        return
    stream = zlib.decompressobj(_GZIP)
    for data in chain([start], chunks):
        piece = b""
        while data or len(piece) == PIECE:  # after a full piece there may be more output, even without more input
            if stream.eof:
                data = data.lstrip(b"\0")  # noqa: PLW2901 - gzip(1) skips zeros after the end, too
                if not data:
                    break
                stream = zlib.decompressobj(_GZIP)  # a gzip file may have several members
            piece = stream.decompress(data, PIECE)
            data = stream.unconsumed_tail or stream.unused_data  # noqa: PLW2901
            yield piece
    if not stream.eof:
        raise EOFError
