"""What keeps a process small that runs for years and is mostly at rest.

    start → one heap, nothing collected twice → … news, sending → what is free goes back to the system

glibc gives each thread a heap of its own, and keeps what is freed in it: after a poll with news 10 MB that nobody uses
until the next. With another C library `settle_in` and `give_back` do what Python alone can.
"""

import gc
from contextlib import suppress
from typing import Any

_ARENA_MAX, _MMAP_THRESHOLD, _TRIM_THRESHOLD = -8, -3, -1  # of mallopt(3)
_LARGE = 256 * 1024
"""Bytes from which a piece (the body of a list) has pages of its own, which go back as soon as it is freed. Left alone,
glibc takes the largest piece that was ever freed for this bound."""

_SPARE = 4 * 1024 * 1024
"""Bytes that are free and kept all the same: what one poll needs in small pieces, the next one does, too."""


def settle_in() -> None:
    """Prepare for a long run: to be called when all is loaded that stays, and before there are threads.

    What is there by then is left out of every collection from now on.
    """
    if _libc is not None:
        _libc.mallopt(_ARENA_MAX, 1)  # only one thread at a time runs Python, so they do not wait for each other
        _libc.mallopt(_MMAP_THRESHOLD, _LARGE)
        _libc.mallopt(_TRIM_THRESHOLD, _SPARE)
    gc.collect()
    gc.freeze()


def give_back() -> None:
    """Give back what is free. It takes some milliseconds, so it is for when more was done than usual."""
    gc.collect()
    if _libc is not None:
        _libc.malloc_trim(0)


def _find_libc() -> Any:
    with suppress(ImportError, OSError, AttributeError, TypeError):
        import ctypes

        libc = ctypes.CDLL(None)
        return libc if libc.malloc_trim and libc.mallopt else None
    return None


_libc = _find_libc()
