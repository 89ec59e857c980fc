"""What the daemon works with, as one value, so that a reload replaces all of it at once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct

from watcher.config.settings import Config
from watcher.delivery.outbox import Send
from watcher.store.store import Store
from watcher.upstream.client import Client


class Setup(Struct, frozen=True, eq=False):
    """A configuration, and the source, the database and the channels that it names."""

    config: Config
    upstream: Client
    store: Store
    send: Send


class Setups:
    """The current setup. A replaced setup is closed when its last use ends."""

    def __init__(self) -> None:
        self.current: Setup | None = None
        self._uses: dict[Setup, int] = {}
        self._lock = threading.Lock()

    @contextmanager
    def use(self) -> Iterator[Setup]:
        """Yield the current setup, which stays open until the block ends even if it is replaced meanwhile."""
        with self._lock:
            setup = self.current
            assert setup is not None
            self._uses[setup] += 1
        try:
            yield setup
        finally:
            with self._lock:
                self._uses[setup] -= 1
                self._close_unused()

    def replace(self, setup: Setup) -> None:
        """Make this the current setup."""
        with self._lock:
            self.current = setup
            self._uses[setup] = 0
            self._close_unused()

    def close(self) -> None:
        """Close everything at the end, except sources that still hang."""
        with self._lock:
            for setup, uses in self._uses.items():
                setup.store.close()
                if not uses:
                    setup.upstream.close()

    def _close_unused(self) -> None:
        for setup in [setup for setup, uses in self._uses.items() if not uses and setup is not self.current]:
            del self._uses[setup]
            setup.upstream.close()
            if all(setup.store is not other.store for other in self._uses):
                setup.store.close()
