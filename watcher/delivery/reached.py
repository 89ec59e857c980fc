"""Which targets of a channel have which events already, while others of its targets are tried again.

Apprise's plugins skip a target that their tracker has, and add those that accept a message. The memory is that of the
process: a later one knows of events, not of targets.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import blake2b
from threading import Lock
from typing import Any

Target = tuple[int | None, Any]
"""As Apprise names it."""

_MOST = 10_000
_reached: OrderedDict[bytes, frozenset[Target]] = OrderedDict()
_changing = Lock()


@contextmanager
def tracked(url: str, events: Sequence[str]) -> Iterator[set[Target]]:
    """Let plugins skip the targets behind the URL that have all these events, and yield the set of those that do.

    What it holds in the end is remembered. Clear it where nothing has to be.
    """
    import apprise.plugins.base

    keys = [blake2b(f"{url}\n{event}".encode(errors="replace"), digest_size=16).digest() for event in events]
    known = [_reached.get(key, frozenset()) for key in keys]
    targets: set[Target] = set(frozenset.intersection(*known)) if known else set()
    # Not public: without it all targets are tried again, and nothing else changes.
    tracker = getattr(apprise.plugins.base, "_delivery_tracker", None) or ContextVar("unused")
    token = tracker.set(targets)
    try:
        yield targets
    finally:
        tracker.reset(token)
        with _changing:
            for key, before in zip(keys, known, strict=True):
                _reached.pop(key, None)
                if targets:
                    _reached[key] = before | targets
            while len(_reached) > _MOST:
                _reached.popitem(last=False)
