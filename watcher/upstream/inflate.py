"""Decompressing an HTTP body with a bound on what comes out of it.

httpx's own decoding hands out chunks of any size (a gzip bomb of 500 MB took 1 GB of memory), so we take its raw
bytes and inflate them here, a piece at a time.
"""

import zlib
from collections.abc import Iterator

ACCEPTED = "gzip, deflate"
"""The value of Accept-Encoding: what `Inflate` can undo, and nothing else."""

PIECE = 256 * 1024  # bytes handed out at a time: small against the body cap, large against the cost of a call

_COMPRESSIONS = {"gzip", "x-gzip", "deflate", "br", "zstd", "compress", "x-compress", "dcb", "dcz"}
"""Codings that change the bytes; any other word (`identity`, `aws-chunked`, `utf-8`) leaves them plain."""


class Inflate:
    """One body in a Content-Encoding of `gzip`, `x-gzip` or `deflate` (zlib or, as some send, raw), or a plain one.

    Raises:
        ValueError: it is compressed in another way, or twice.
    """

    def __init__(self, encoding: str) -> None:
        compressions = [word for word in map(str.strip, encoding.lower().split(",")) if word in _COMPRESSIONS]
        self._kind = "gzip" if compressions == ["x-gzip"] else ", ".join(compressions)
        if self._kind not in ("", "gzip", "deflate"):
            raise ValueError(encoding)
        self._stream = zlib.decompressobj(zlib.MAX_WBITS | 16) if self._kind == "gzip" else None
        self._head = b""

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """What `data` adds to the body, in pieces of at most `PIECE` bytes. Raises zlib.error when it is damaged."""
        if not self._kind:
            yield data
            return
        if self._stream is None:
            data = self._head = self._head + data
            if len(data) < 2:
                return
            is_zlib = data[0] & 0x0F == 8 and int.from_bytes(data[:2]) % 31 == 0
            self._stream = zlib.decompressobj(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)
        piece = b""
        while data or len(piece) == PIECE:  # a full piece may leave output behind even when all input is used up
            if self._stream.eof and data:
                if self._kind != "gzip":
                    return  # what follows a deflate stream is no part of it
                data = data.lstrip(b"\0")  # gzip(1) reads over what a file was filled up with
                if not data:
                    return
                self._stream = zlib.decompressobj(zlib.MAX_WBITS | 16)  # the next member of the same file
            piece = self._stream.decompress(data, PIECE)
            data = self._stream.unconsumed_tail or self._stream.unused_data
            if piece:
                yield piece

    @property
    def complete(self) -> bool:
        """Whether the compressed stream has come to its own end; False means that the body was cut off."""
        if not self._kind:
            return True
        return self._stream is not None and self._stream.eof
