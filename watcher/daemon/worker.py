"""A thread for what may wait for a network, so that the loop of `watcher run` does not."""

import threading
from collections.abc import Callable
from datetime import timedelta
from logging import getLogger

from watcher.daemon.wake import Wake

_log = getLogger("watcher")


class Worker:
    """One thing at a time, in a thread that pokes the loop when it is done.

    Args:
        name: what it does, as in "polling has not ended".
        wake: the loop's wait.
        awake: seconds, not counting those that the machine slept.
    """

    def __init__(self, name: str, wake: Wake, awake: Callable[[], float]) -> None:
        self.name = name
        self.busy = False
        self._wake = wake
        self._awake = awake
        self._thread: threading.Thread | None = None
        self._started = 0.0

    def hangs(self, bound: timedelta) -> bool:
        """Whether it has been at the same thing for longer."""
        return self.busy and self._awake() - self._started > bound.total_seconds()

    def start(self, work: Callable[[], None]) -> None:
        """Do this; nothing else may be in hand. What it raises is a bug, and logged as one."""

        def run() -> None:
            try:
                work()
            except Exception:
                _log.exception("this is a bug in openrouter-watcher")
            finally:
                self.busy = False  # before the poke: the thread itself lives a moment longer
                self._wake.poke()

        self._started = self._awake()
        self._thread = threading.Thread(target=run, name=f"watcher-{self.name}", daemon=True)
        self.busy = True
        self._thread.start()

    def join(self, seconds: float) -> None:
        """Wait for the end of what is in hand, but no longer than that."""
        if self._thread is not None:
            self._thread.join(seconds)
