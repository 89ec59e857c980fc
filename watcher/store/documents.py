"""Documents as they lie in the database: compressed JSON."""

import zlib
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_LEVEL = 9  # a document is written once and kept for years


def pack(document: Any) -> bytes:
    """Return the document as compressed JSON."""
    return zlib.compress(msgspec.json.encode(document), _LEVEL)


def unpack(data: bytes, kind: type[T]) -> T:
    """Return the document in compressed JSON as an instance of `kind`."""
    return msgspec.json.decode(zlib.decompress(data), type=kind)


def split_benchmarks(raw: bytes) -> tuple[bytes, bytes | None]:
    """Return a model's raw document without its benchmarks, and its benchmarks packed.

    Benchmarks move all the time: kept in every version they would be most of the database.
    """
    if b'"benchmarks"' not in raw:
        return raw, None
    document = msgspec.json.decode(raw)
    benchmarks = document.pop("benchmarks", None)
    return msgspec.json.encode(document), pack(benchmarks) if benchmarks else None


def compress(raw: bytes) -> bytes:
    """Return JSON as it came, compressed."""
    return zlib.compress(raw, _LEVEL)
