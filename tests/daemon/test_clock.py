"""The daemon's clock, and waiting by it."""

import threading
import time

import pytest

from watcher.daemon import clock as module
from watcher.daemon.clock import Clock

LONG = 30.0


def took(seconds: float, event: threading.Event) -> float:
    start = time.monotonic()
    Clock().wait(event, seconds)
    return time.monotonic() - start


def test_a_wait_takes_as_long_as_it_should() -> None:
    assert 0.04 <= took(0.05, threading.Event()) < LONG / 2


@pytest.mark.parametrize("seconds", [0.0, -5.0])
def test_what_is_overdue_is_not_waited_for(seconds: float) -> None:
    assert took(seconds, threading.Event()) < LONG / 2


def test_an_event_ends_a_wait_also_one_that_came_before_it() -> None:
    event = threading.Event()
    timer = threading.Timer(0.05, event.set)
    timer.start()
    assert took(LONG, event) < LONG / 2
    timer.join()
    assert took(LONG, event) < LONG / 2


def test_no_wait_is_longer_than_a_machine_may_sleep_unnoticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_SLEEP", 0.05)
    assert took(float("inf"), threading.Event()) < LONG / 2


def test_the_clocks_never_go_back() -> None:
    clock = Clock()
    for read in (clock.elapsed, clock.awake):
        times = [read() for _ in range(100)]
        assert times == sorted(times)


def test_one_clock_counts_the_time_that_the_machine_slept() -> None:
    if not hasattr(time, "CLOCK_BOOTTIME"):
        pytest.skip("this system has no clock that does")
    assert abs(Clock().elapsed() - time.clock_gettime(time.CLOCK_BOOTTIME)) < LONG
