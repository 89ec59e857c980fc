"""The clocks of the daemon, and waiting by them."""

import threading
import time
from datetime import UTC, datetime

LONGEST_SLEEP = 30.0
"""Seconds after which a wait ends anyway: the kernel does not count the time that the machine slept."""


class Clock:
    """The time. Tests have a clock that they move themselves."""

    def now(self) -> datetime:
        """Return the time (UTC), which somebody may set while the daemon runs."""
        return datetime.now(UTC)

    def elapsed(self) -> float:
        """Return seconds that nobody can set, with those that the machine slept: they say when work is due."""
        return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))

    def awake(self) -> float:
        """Return seconds that nobody can set, without those that the machine slept: they say whether work hangs."""
        return time.monotonic()

    def wait(self, event: threading.Event, seconds: float) -> None:
        """Wait for the event, but no longer than `seconds`; it may return early."""
        event.wait(min(seconds, LONGEST_SLEEP))
