"""Progress on a terminal, for what takes longer than a second."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 1.0
"""Seconds without a word."""
_EVERY = 0.2


def progress(items: Iterable[T], what: str) -> Iterator[T]:
    """Yield the items, counting them on a line of stderr if that is a terminal and it takes longer than a second."""
    if not sys.stderr.isatty():
        yield from items
        return
    start = shown = time.monotonic()
    number = 0
    for number, item in enumerate(items, start=1):
        now = time.monotonic()
        if now - start > PATIENCE and now - shown > _EVERY:
            sys.stderr.write(f"\r{number:,} {what} …")
            sys.stderr.flush()
            shown = now
        yield item
    if shown != start:
        sys.stderr.write(f"\r{number:,} {what}   \n")
