"""Waiting that signals and threads end, whenever they come."""

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from watcher.daemon import wake as module
from watcher.daemon.wake import Wake, seconds_awake_or_not

LONG = 30.0


@pytest.fixture
def wake() -> Iterator[Wake]:
    with Wake() as wake:
        yield wake


def took(wake: Wake, seconds: float) -> float:
    start = time.monotonic()
    wake.wait(seconds)
    return time.monotonic() - start


def test_a_poke_before_the_wait_ends_it_at_once_and_only_that_one(wake: Wake) -> None:
    for _ in range(3):
        wake.poke()
    assert took(wake, LONG) < LONG / 2
    assert took(wake, 0.05) >= 0.04


def test_a_poke_by_a_thread_ends_the_wait(wake: Wake) -> None:
    poker = threading.Timer(0.05, wake.poke)
    poker.start()
    assert took(wake, LONG) < LONG / 2
    poker.join()


def test_a_signal_acts_and_ends_the_wait(wake: Wake) -> None:
    seen: list[str] = []
    wake.on(signal.SIGUSR1, lambda: seen.append("usr1"))
    killer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))
    killer.start()
    assert took(wake, LONG) < LONG / 2
    killer.join()
    assert seen == ["usr1"]


def test_a_signal_that_another_thread_takes_ends_the_wait(wake: Wake) -> None:
    seen: list[str] = []
    wake.on(signal.SIGUSR1, lambda: seen.append("usr1"))
    killer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))
    killer.start()
    # As where it comes in the moment before the wait: the system's call is not interrupted.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    try:
        assert took(wake, LONG) < LONG / 2
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
    killer.join()
    assert seen == ["usr1"]


@pytest.mark.parametrize("seconds", [0.0, -5.0])
def test_what_is_overdue_is_not_waited_for(wake: Wake, seconds: float) -> None:
    assert took(wake, seconds) < LONG / 2


def test_no_wait_is_longer_than_a_machine_may_sleep_unnoticed(wake: Wake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 0.05)
    assert took(wake, float("inf")) < LONG / 2


def test_any_number_of_pokes_neither_blocks_nor_fails(wake: Wake) -> None:
    for _ in range(70_000):
        wake.poke()
    wake.wait(0)
    assert took(wake, 0) < LONG / 2


def test_handlers_are_put_back_and_descriptors_closed() -> None:
    before = signal.getsignal(signal.SIGUSR1)
    with Wake() as wake:
        wake.on(signal.SIGUSR1, lambda: None)
        wake.on(signal.SIGUSR1, lambda: None)
        descriptors = (wake._reader, wake._writer)
        assert not any(os.get_inheritable(descriptor) for descriptor in descriptors)
    assert signal.getsignal(signal.SIGUSR1) == before
    assert signal.set_wakeup_fd(-1) == -1
    for descriptor in descriptors:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)


def test_a_late_poke_writes_into_no_file_that_was_opened_since() -> None:
    wake = Wake()
    wake.close()
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    wake.poke()
    with pytest.raises(BlockingIOError):
        os.read(reader, 1)
    os.close(reader)
    os.close(writer)


def test_the_clock_never_goes_back() -> None:
    times = [seconds_awake_or_not() for _ in range(100)]
    assert times == sorted(times)


def test_the_clock_counts_the_time_that_the_machine_slept() -> None:
    if not hasattr(time, "CLOCK_BOOTTIME"):
        pytest.skip("this system has no clock that does")
    assert abs(seconds_awake_or_not() - time.clock_gettime(time.CLOCK_BOOTTIME)) < LONG
