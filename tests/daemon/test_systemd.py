"""The notify protocol of systemd, as a supervisor hears it on its socket."""

import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.world import A, World
from watcher.daemon.clock import Clock
from watcher.daemon.main import Daemon
from watcher.daemon.systemd import Notify

SECONDS = 30


class Supervisor:
    """A socket as systemd has it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.settimeout(SECONDS)

    def hears(self) -> dict[str, str]:
        """The next datagram."""
        lines = self.socket.recv(65536).decode().split("\n")
        return dict(line.split("=", 1) for line in lines)

    def hears_until(self, key: str) -> dict[str, str]:
        while key not in (heard := self.hears()):
            pass
        return heard

    def hears_nothing_for(self, seconds: float, key: str) -> bool:
        end = time.monotonic() + seconds
        try:
            while (left := end - time.monotonic()) > 0:
                self.socket.settimeout(left)
                if key in self.hears():
                    return False
        except TimeoutError:
            pass
        finally:
            self.socket.settimeout(SECONDS)
        return True


@pytest.fixture(params=["path", "abstract"])
def supervisor(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervisor]:
    if request.param == "abstract":
        address = f"@watcher-test-{uuid.uuid4()}"
    else:
        address = str(tmp_path_factory.mktemp("n") / "s")
    supervisor = Supervisor(address)
    yield supervisor
    supervisor.socket.close()


def test_it_tells_what_it_does(supervisor: Supervisor) -> None:
    notify = Notify({"NOTIFY_SOCKET": supervisor.address})
    notify.ready("started")
    assert supervisor.hears() == {"READY": "1", "STATUS": "started"}
    notify.status("healthy")
    assert supervisor.hears() == {"STATUS": "healthy"}
    notify.feed_watchdog()
    assert supervisor.hears() == {"WATCHDOG": "1"}
    notify.stopping()
    assert supervisor.hears() == {"STOPPING": "1", "STATUS": "finishing what is in hand"}


def test_a_reload_says_when_it_began(supervisor: Supervisor) -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    Notify({"NOTIFY_SOCKET": supervisor.address}).reloading()
    heard = supervisor.hears()
    assert list(heard) == ["RELOADING", "MONOTONIC_USEC"]
    assert before <= int(heard["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


def test_a_status_cannot_say_more_than_a_status(supervisor: Supervisor) -> None:
    Notify({"NOTIFY_SOCKET": supervisor.address}).status(
        "down\nREADY=1\r\nMAINPID=1\ud800 \x1b[31mred\u2028x " + "y" * 9999
    )
    heard = supervisor.hears()
    assert list(heard) == ["STATUS"]
    assert heard["STATUS"].startswith("down READY=1 MAINPID=1 red x yyy")
    assert len(heard["STATUS"]) <= 500


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "@nobody-listens-here"}])
def test_where_nobody_listens_nothing_happens(environ: dict[str, str]) -> None:
    Notify(environ).ready("started")


@pytest.mark.parametrize("address", ["/nowhere/at/all", "/" + "x" * 300, "@" + "x" * 300, "vsock:2:1", "@"])
def test_an_address_that_cannot_be_is_no_reason_to_stop(address: str) -> None:
    Notify({"NOTIFY_SOCKET": address}).ready("started")


@pytest.mark.slow
def test_a_supervisor_that_does_not_read_is_not_waited_for(tmp_path: Path) -> None:
    supervisor = Supervisor(str(tmp_path / "s"))
    notify = Notify({"NOTIFY_SOCKET": supervisor.address})
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sender.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            sender.sendto(b"STATUS=full", supervisor.address)
    start = time.monotonic()
    notify.feed_watchdog()
    assert time.monotonic() - start < SECONDS / 2
    sender.close()
    supervisor.socket.close()


ME = str(os.getpid())


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": ME}, 1.5),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": ""}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_ours_alone(environ: dict[str, str], seconds: float | None) -> None:
    assert Notify(environ).watchdog == seconds


# A whole daemon under it


class StandingClock(Clock):
    """A clock by which the main part can be made to stand, as one that hangs does."""

    def __init__(self) -> None:
        self.stands = threading.Event()
        self.goes_on = threading.Event()

    def wait(self, event: threading.Event, seconds: float) -> None:
        if self.stands.is_set() and threading.current_thread().name == "watcher-main":
            self.goes_on.wait(SECONDS)
        super().wait(event, seconds)


def test_systemd_sees_start_life_reload_hang_and_end(supervisor: Supervisor, tmp_path: Path) -> None:
    world = World(tmp_path, f"sqlite:///{tmp_path / 'w.db'}")
    world.shown = [A]
    clock = StandingClock()
    environ = {"NOTIFY_SOCKET": supervisor.address, "WATCHDOG_USEC": "300000"}
    daemon = Daemon(world.load, Notify(environ), world.pings, clock)
    thread = threading.Thread(target=daemon.run, name="watcher-main", daemon=True)
    thread.start()
    assert supervisor.hears_until("READY") == {"READY": "1", "STATUS": "started"}
    assert "1 model" in supervisor.hears_until("STATUS")["STATUS"]
    for _ in range(3):
        supervisor.hears_until("WATCHDOG")

    daemon.reload()
    supervisor.hears_until("RELOADING")
    assert supervisor.hears_until("READY")["STATUS"] == "the configuration was reloaded"
    supervisor.hears_until("WATCHDOG")

    clock.stands.set()
    while not supervisor.hears_nothing_for(0.4, "WATCHDOG"):  # what was under way
        pass
    assert supervisor.hears_nothing_for(0.6, "WATCHDOG"), "systemd would end it now"
    clock.stands.clear()
    clock.goes_on.set()
    supervisor.hears_until("WATCHDOG")

    daemon.stop()
    supervisor.hears_until("STOPPING")
    thread.join(SECONDS)
    assert not thread.is_alive()
