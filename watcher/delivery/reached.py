"""Which targets of a channel have which events already, while others of its targets are tried again.

Apprise's plugins skip a target that their tracker has, and add those that accept a message. The outbox keeps the memory
of this process in the database, for later ones. A target is known by a digest, since it can be a secret.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import blake2b
from threading import Lock

_MOST = 10_000
_reached: dict[str, frozenset[str]] = {}
"""Event → digests of targets, of any channel."""
_changing = Lock()


class _Targets(set[str]):
    """The targets behind a URL, as Apprise names them: it adds them, and asks for them."""

    def __init__(self, url: str, digests: frozenset[str]) -> None:
        super().__init__(digests)
        self._url = url
        self.ever = set(digests)
        """Those that it had at any time."""

    def __contains__(self, target: object) -> bool:
        return super().__contains__(self._digest(target))

    def add(self, target: object) -> None:
        self.ever.add(digest := self._digest(target))
        super().add(digest)

    def _digest(self, target: object) -> str:
        return blake2b(f"{self._url}\n{target!r}".encode(errors="replace"), digest_size=8).hexdigest()


@contextmanager
def tracked(url: str, events: Sequence[str]) -> Iterator[set[str]]:
    """Let plugins skip the targets behind the URL that have all these events, and yield the set of those that do.

    What it holds in the end is remembered. Clear it where nothing has to be.
    """
    import apprise.plugins.base

    known = [_reached.get(event, frozenset()) for event in events]
    targets = _Targets(url, frozenset.intersection(*known) if known else frozenset())
    # Not public: without it all targets are tried again, and nothing else changes.
    tracker = getattr(apprise.plugins.base, "_delivery_tracker", None) or ContextVar("unused")
    token = tracker.set(targets)
    try:
        yield targets
    finally:
        tracker.reset(token)
        recall(dict.fromkeys(events, targets), instead_of=targets.ever)


def recall(reached: Mapping[str, Collection[str]], instead_of: Collection[str] = ()) -> None:
    """Remember targets that have an event, `instead_of` others."""
    with _changing:
        for event, targets in reached.items():
            if known := _reached.pop(event, frozenset()).difference(instead_of).union(targets):
                _reached[event] = known
        while len(_reached) > _MOST:
            del _reached[next(iter(_reached))]


def targets_with(event: str) -> frozenset[str]:
    """Return the targets that have an event, while others of their channels do not."""
    return _reached.get(event, frozenset())
