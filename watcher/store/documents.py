"""Documents as they lie in the database: compressed JSON."""

import zlib
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_NULL = msgspec.Raw(b"null")
_LEVEL = 9  # a document is written once and kept for years


class DamagedError(ValueError):
    """What lies in the database is not what was put there; `Store` makes a `StoreError` of it."""


def pack(document: Any) -> bytes:
    """Return the document as compressed JSON."""
    return zlib.compress(msgspec.json.encode(document), _LEVEL)


def unpack(data: bytes, kind: type[T]) -> T:
    """Return the document in compressed JSON as an instance of `kind`.

    Raises:
        DamagedError: there is none.
    """
    try:
        return msgspec.json.decode(decompress(data), type=kind)
    except msgspec.MsgspecError as error:
        raise DamagedError(str(error)) from error


def split_benchmarks(raw: bytes) -> tuple[bytes, bytes | None]:
    """Return a model's raw document without its benchmarks, and its benchmarks packed.

    Benchmarks move all the time: kept in every version they would be most of the database.
    """
    if b'"benchmarks"' not in raw:
        return raw, None
    document = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])  # every value stays spelled as it came
    benchmarks = document.pop("benchmarks", None)
    return msgspec.json.encode(document), None if benchmarks in (None, _NULL) else pack(benchmarks)


def compress(raw: bytes) -> bytes:
    """Return JSON as it came, compressed."""
    return zlib.compress(raw, _LEVEL)


def decompress(data: bytes) -> bytes:
    """Return what `compress` was given.

    Raises:
        DamagedError: the data is not what it returned.
    """
    try:
        return zlib.decompress(data)
    except zlib.error as error:
        raise DamagedError(str(error)) from error
