"""Waiting that a signal or another thread can end, and that a suspended machine does not lengthen."""

import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Self

MOST = 30.0
"""Seconds after which a wait ends anyhow: the kernel's waits do not count the time that the machine slept."""


def seconds_awake_or_not() -> float:
    """Return a clock in seconds that never goes back and counts the time that the machine slept."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Wake:
    """A wait that `poke` ends; safe to poke from signal handlers and threads."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()  # not pipe2, which macOS lacks
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}
        self._wakeup_before: int | None = None
        self._closed = False

    def wait(self, seconds: float) -> None:
        """Wait so long, at most `MOST`, or until poked; a poke before the wait ends it at once."""
        ready, _, _ = select.select([self._reader], [], [], max(0.0, min(seconds, MOST)))
        if ready:
            os.read(self._reader, 1 << 16)  # all pokes: they are one

    def poke(self) -> None:
        """End the wait; after `close` it does nothing."""
        if self._closed:
            return
        with suppress(BlockingIOError):  # it was poked 65,536 times, that will do
            os.write(self._writer, b".")

    def on(self, number: signal.Signals, act: Callable[[], None]) -> None:
        """Call `act` at the signal, and end the wait."""

        def handle(_number: int, _frame: FrameType | None) -> None:
            act()
            self.poke()

        if self._wakeup_before is None:
            # Where the signal comes in the moment before a wait, the interpreter calls `handle` only after it. What the
            # system calls writes to this at once.
            self._wakeup_before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        before = signal.signal(number, handle)
        self._before.setdefault(number, signal.SIG_DFL if before is None else before)

    def close(self) -> None:
        """Put the signal handlers back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._wakeup_before is not None:
            signal.set_wakeup_fd(self._wakeup_before)
        self._closed = True
        os.close(self._reader)
        os.close(self._writer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
