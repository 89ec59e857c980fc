"""A daemon in a world of the test's own: its clock, its source, its channels, its supervisor."""

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from tests.store.samples import START, body, document
from watcher.catalog.model import Event
from watcher.catalog.policy import Policy
from watcher.config.secret import DatabaseURL
from watcher.config.settings import Channel, Config, DeliverySettings, SourceSettings, StoreSettings
from watcher.daemon.clock import Clock
from watcher.daemon.health_ping import Pings
from watcher.daemon.main import GRACE, Daemon
from watcher.daemon.setup import Setup
from watcher.daemon.systemd import Notify
from watcher.delivery.channel import Result
from watcher.errors import SourceError, WatcherError
from watcher.store.store import Store

SECONDS = 30
"""Until a test gives up on what must come."""
IN_A_FILE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
A, B, C = document("a/a"), document("b/b"), document("c/c")
HOUR = 3600
THREADS = {f"watcher-{name}" for name in ("main", "polling", "sending", "loading")}


class Listing(Struct):
    pages: tuple[bytes, ...]
    max_age: int | None = None
    age: int | None = None


class MovedClock(Clock):
    """A clock that the test moves, once all threads of the daemon wait for it or are held at a gate."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept = 0.0
        self.wrong = timedelta(0)
        self.changed = threading.Condition()
        self.waiting: dict[str, tuple[threading.Event, float]] = {}
        self.held = set[str]()

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds) + self.wrong

    def elapsed(self) -> float:
        return self.seconds

    def awake(self) -> float:
        return self.seconds - self.slept

    def wait(self, event: threading.Event, seconds: float) -> None:
        name = threading.current_thread().name
        with self.changed:
            self.waiting[name] = (event, self.seconds + seconds)
            self.changed.notify_all()
        assert event.wait(SECONDS)
        with self.changed:
            del self.waiting[name]

    @property
    def next(self) -> float:
        """When the first of the threads asked to be woken."""
        return min(until for _, until in self.waiting.values())

    def settles(self) -> None:
        """Wait until nothing is in hand but what is held at a gate."""
        end = time.monotonic() + SECONDS
        with self.changed:
            while not self._idle():
                assert time.monotonic() < end, f"at work: {set(self.waiting)}, held: {self.held}"
                self.changed.wait(0.01)  # not longer: a thread that ends does not say so

    def moves_to(self, seconds: float) -> None:
        """Show this time, and wake those who waited for it."""
        with self.changed:
            self.seconds = seconds
            for event, until in self.waiting.values():
                if until <= seconds:
                    event.set()
        self.settles()

    def _idle(self) -> bool:
        names = THREADS & {thread.name for thread in threading.enumerate()}
        waits = {name for name, (event, _) in self.waiting.items() if not event.is_set()}
        return names <= waits | self.held


class Gate:
    """Where threads are held until they are let through."""

    def __init__(self, clock: MovedClock) -> None:
        self._clock = clock
        self._opened = threading.Event()
        self._holds = set[str]()

    def hold(self) -> None:
        name = threading.current_thread().name
        with self._clock.changed:
            if not self._opened.is_set():
                self._holds.add(
                    name if name in THREADS else "watcher-sending"
                )  # its channels have threads of their own
                self._clock.held |= self._holds
                self._clock.changed.notify_all()
        assert self._opened.wait(SECONDS)

    def open(self) -> None:
        with self._clock.changed:
            self._opened.set()
            self._clock.held -= self._holds


class Supervisor(Notify):
    """A supervisor that keeps what it is told."""

    def __init__(self, watchdog: float | None = None) -> None:
        super().__init__({})
        self.watchdog = watchdog
        self.lines: list[str] = []
        self.fed = 0
        self.became_ready = threading.Event()

    def ready(self, status: str) -> None:
        self.lines.append(f"ready: {status}")
        self.became_ready.set()

    def reloading(self) -> None:
        self.became_ready.clear()
        self.lines.append("reloading")

    def status(self, text: str) -> None:
        self.lines.append(f"status: {text}")

    def feed_watchdog(self) -> None:
        self.fed += 1

    def stopping(self) -> None:
        self.lines.append("stopping")

    @property
    def last_status(self) -> str:
        return [line for line in self.lines if line.startswith("status: ")][-1].removeprefix("status: ")


class World:
    """The source, the channels, the supervisor and the clock of one daemon."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder = folder
        self.database = database
        self.config = self.configured("w.db")
        self.clock = MovedClock()
        self.shown: list[Mapping[str, Any]] = [A, B]
        self.shown_elsewhere: dict[str, list[Mapping[str, Any]]] = {}
        self.max_age: int | None = None
        self.error: Exception | None = None
        self.feed_error = SourceError("nobody asked for it")
        self.polled_at: list[float] = []
        self.source_gate: Gate | None = None
        self.channel_gate: Gate | None = None
        self.dice = 0.5
        self.sent: list[tuple[float, str, tuple[str, ...]]] = []
        self.result = Result(True, "sent")
        self.loaded: Config | Exception | None = None
        self.make_store = Store
        self.sources: list[FakeSource] = []
        self.supervisor = Supervisor()
        self.pings = Pings({}, logging.getLogger("watcher").warning)
        self.grace = GRACE
        self.ended: bool | None = None
        self.failed: WatcherError | None = None
        self.thread = threading.Thread()

    def configured(self, database: str, **more: Any) -> Config:
        settings: dict[str, Any] = {
            "path": None,
            "source": SourceSettings(rss=False, interval=timedelta(minutes=5)),
            "store": StoreSettings(
                DatabaseURL(self.database if database == "w.db" else f"sqlite:///{self.folder / database}")
            ),
            "announce": Policy(settle=timedelta(0), settle_changed=timedelta(0)),
            "channels": (Channel("team"),),
            "delivery": DeliverySettings(retry_first=timedelta(minutes=10), retry_most=timedelta(minutes=10)),
            **more,
        }
        return Config(**settings)

    def gate(self) -> Gate:
        return Gate(self.clock)

    # What the daemon is given

    def load(self) -> Setup:
        if isinstance(self.loaded, Exception):
            raise self.loaded
        config = self.loaded or self.config
        self.sources.append(FakeSource(self, config))
        return Setup(config, self.sources[-1], self.make_store(config.store.url.reveal()), self.send)

    def send(self, channel: Channel, events: Sequence[Event]) -> Result:
        if self.channel_gate is not None:
            self.channel_gate.hold()
        self.sent.append((self.seconds, channel.name, tuple(str(event.model) for event in events)))
        return self.result

    # What the test does

    def now(self) -> datetime:
        return self.clock.now()

    @property
    def seconds(self) -> float:
        return self.clock.seconds

    @property
    def asked(self) -> float:
        """Seconds until the daemon wakes by itself."""
        return self.clock.next - self.seconds

    def start(self, *, settles: bool = True) -> "World":
        self.daemon = Daemon(
            self.load, self.supervisor, self.pings, self.clock, dice=lambda: self.dice, grace=self.grace
        )
        self.thread = threading.Thread(target=self._run, name="watcher-main", daemon=True)
        self.thread.start()
        if settles:
            self.clock.settles()
        return self

    def _run(self) -> None:
        try:
            self.ended = self.daemon.run()
        except WatcherError as error:
            self.failed = error

    def leaps(self, seconds: float) -> None:
        """All at once, as when the machine slept."""
        self.clock.moves_to(self.seconds + seconds)

    def passes(self, seconds: float) -> None:
        """As time goes: each thread wakes when it asked to."""
        until = self.seconds + seconds
        while self.seconds < until:
            self.clock.moves_to(min(max(self.clock.next, self.seconds + 0.001), until))

    def polls(self) -> None:
        """A poll is asked for, and happens."""
        self.daemon.poll_now()
        self.clock.settles()

    def shows(self, *documents: Mapping[str, Any]) -> None:
        """The source has these, and they are polled."""
        self.shown = [*documents]
        self.polls()

    def reloads(self, config: Config | Exception) -> None:
        self.loaded = config
        self.daemon.reload()
        self.clock.settles()

    def stops(self) -> bool | None:
        self.daemon.stop()
        return self.ends()

    def ends(self) -> bool | None:
        self.thread.join(SECONDS)
        assert not self.thread.is_alive()
        return self.ended

    def frees(self, gate: Gate) -> None:
        """Let through what is held, and wait until all is idle."""
        self.source_gate = self.channel_gate = None
        gate.open()
        self.clock.settles()

    def close(self) -> None:
        for gate in (self.source_gate, self.channel_gate):
            if gate is not None:
                gate.open()
        if self.thread.is_alive():
            self.stops()
        for thread in threading.enumerate():
            if thread.name in THREADS:
                thread.join(SECONDS)


class FakeSource:
    def __init__(self, world: World, config: Config) -> None:
        self.world = world
        self.config = config
        self.closed = False

    def models(self) -> Listing:
        world = self.world
        world.polled_at.append(world.seconds)
        shown = world.shown_elsewhere.get(self.config.source.url.reveal(), world.shown)
        if world.source_gate is not None:
            world.source_gate.hold()
        if world.error is not None:
            raise world.error
        return Listing((body(shown),), world.max_age)

    def feed(self, chat_links: bool = False) -> bytes:
        assert self.config.source.rss, "nobody asked for it"
        raise self.world.feed_error

    def count(self) -> int:
        raise SourceError("no count")

    def close(self) -> None:
        self.closed = True


def lines(caplog: pytest.LogCaptureFixture, least: int = logging.INFO) -> list[str]:
    """What was logged, and forget it."""
    found = [record.getMessage() for record in caplog.records if record.levelno >= least]
    caplog.clear()
    return found
