"""The loop of `watcher run`, with a clock that the test moves: when it polls, what it sends, and when it says so."""

import logging
import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace

from tests.store.samples import START, body, document
from watcher.catalog.model import Event
from watcher.catalog.policy import Policy
from watcher.config.secret import DatabaseURL, SourceURL
from watcher.config.settings import Channel, Config, DeliverySettings, SourceSettings, StoreSettings
from watcher.daemon import loop as module
from watcher.daemon.loop import Daemon
from watcher.daemon.systemd import Notify
from watcher.daemon.wake import Wake
from watcher.delivery.channel import Result
from watcher.errors import ConfigError, SourceError, StoreError
from watcher.store.backup import copy_database
from watcher.store.examine import examine
from watcher.store.store import Store
from watcher.upstream.errors import StatusError

SECONDS = 30
"""Until a test gives up on what must come."""
IN_A_FILE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
A, B, C = document("a/a"), document("b/b"), document("c/c")
HOUR = 3600


class Listing(Struct):
    pages: tuple[bytes, ...]
    max_age: int | None = None
    age: int | None = None


class Gate:
    """Where a thread is held until it is let through."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()

    def hold(self) -> None:
        self.reached.set()
        assert self.opened.wait(SECONDS)


class Told(Notify):
    """A supervisor that keeps what it is told."""

    def __init__(self, watchdog: float | None = None) -> None:
        super().__init__({})
        self.watchdog = watchdog
        self.lines: list[str] = []

    def _send(self, *lines: str) -> None:
        self.lines.append("\n".join(lines))

    def count(self, line: str) -> int:
        return self.lines.count(line)

    @property
    def last_status(self) -> str:
        told = [line for lines in self.lines for line in lines.splitlines() if line.startswith("STATUS=")]
        return told[-1].removeprefix("STATUS=")


class Steps(Wake):
    """A wait that ends when the test says so, and only where nothing is at work but what is held at a gate."""

    def __init__(self, world: "World") -> None:
        super().__init__()
        self.world = world
        self.idle: queue.Queue[float] = queue.Queue()
        self.go: queue.Queue[None] = queue.Queue()

    def wait(self, seconds: float) -> None:
        workers = (self.world.daemon._poller, self.world.daemon._postman)
        if any(worker.busy for worker in workers) and not self.world.held():
            super().wait(0.01 if self.world.gated() else SECONDS)
            return
        self.idle.put(seconds)
        self.go.get(timeout=SECONDS)


class World:
    """The source, the channels, the supervisor and the clock of one daemon."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder = folder
        self.database = database
        self.config = self.configured("w.db")
        self.seconds = 0.0
        self.slept = 0.0
        self.wrong = timedelta(0)
        self.shown: list[Mapping[str, Any]] = [A, B]
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
        self.sources: list[FakeSource] = []
        self.told = Told()
        self.ended: bool | None = None
        self.failed: StoreError | None = None
        self.wake = Steps(self)
        self.thread = threading.Thread(target=self.run, daemon=True)

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

    # What the daemon is given

    def load(self) -> Config:
        if isinstance(self.loaded, Exception):
            raise self.loaded
        assert self.loaded is not None
        return self.loaded

    def source(self, config: Config) -> "FakeSource":
        self.sources.append(FakeSource(self, config))
        return self.sources[-1]

    def sender(self, config: Config) -> Any:
        def send(channel: Channel, events: Sequence[Event]) -> Result:
            if self.channel_gate is not None:
                self.channel_gate.hold()
            self.sent.append((self.seconds, channel.name, tuple(str(event.model) for event in events)))
            return self.result

        return send

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds) + self.wrong

    # What the test does

    def held(self) -> bool:
        """Whether each thread that is at work stands at a gate."""
        pairs = ((self.daemon._poller, self.source_gate), (self.daemon._postman, self.channel_gate))
        return all(gate is not None and gate.reached.is_set() for worker, gate in pairs if worker.busy)

    def gated(self) -> bool:
        return self.source_gate is not None or self.channel_gate is not None

    def start(self) -> "World":
        self.daemon = Daemon(
            self,
            self.config,
            self.wake,
            self.told,
            clock=self.now,
            elapsed=lambda: self.seconds,
            awake=lambda: self.seconds - self.slept,
            dice=lambda: self.dice,
        )
        self.thread.start()
        self.asked = self.wake.idle.get(timeout=SECONDS)
        return self

    def run(self) -> None:
        try:
            self.ended = self.daemon.run()
        except StoreError as error:
            self.failed = error

    def leaps(self, seconds: float = 0) -> None:
        """All at once, as when the machine slept; or a poke, at 0."""
        self.seconds += seconds
        self.wake.go.put(None)
        self.asked = self.wake.idle.get(timeout=SECONDS)

    def passes(self, seconds: float) -> None:
        """As time goes: the loop wakes when it asked to."""
        until = self.seconds + seconds
        while self.seconds < until:
            self.leaps(min(max(self.asked, 0.001), until - self.seconds))

    def shows(self, *documents: Mapping[str, Any]) -> None:
        """The source has these, and they are polled."""
        self.shown = [*documents]
        self.daemon.poll_now()
        self.leaps()

    def reloads(self, config: Config | Exception) -> None:
        self.loaded = config
        self.daemon.reload()
        self.leaps()

    def stops(self) -> bool | None:
        self.daemon.stop()
        self.wake.go.put(None)
        self.thread.join(SECONDS)
        assert not self.thread.is_alive()
        return self.ended

    def frees(self, gate: Gate) -> None:
        """Let through what is held, and wait until all is idle."""
        self.source_gate = self.channel_gate = None
        gate.opened.set()
        self.leaps()

    def close(self) -> None:
        for gate in (self.source_gate, self.channel_gate):
            if gate is not None:
                gate.opened.set()
        if self.thread.is_alive():
            self.stops()
        self.wake.close()


class FakeSource:
    def __init__(self, world: World, config: Config) -> None:
        self.world = world
        self.config = config
        self.closed = False

    def models(self) -> Listing:
        world = self.world
        world.polled_at.append(world.seconds)
        if world.source_gate is not None:
            world.source_gate.hold()
        if world.error is not None:
            raise world.error
        return Listing((body(world.shown),), world.max_age)

    def feed(self, chat_links: bool = False) -> bytes:
        assert self.config.source.rss, "nobody asked for it"
        raise self.world.feed_error

    def count(self) -> int:
        raise SourceError("no count")

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def world(
    tmp_path: Path, database: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    monkeypatch.setattr(logging.getLogger("watcher"), "propagate", True)
    caplog.set_level(logging.DEBUG, "watcher")
    world = World(tmp_path, database)
    yield world
    world.close()


def lines(caplog: pytest.LogCaptureFixture, least: int = logging.INFO) -> list[str]:
    """What was logged, and forget it."""
    found = [record.getMessage() for record in caplog.records if record.levelno >= least]
    caplog.clear()
    return found


# When it polls


def test_it_polls_at_once_and_then_at_its_interval(world: World) -> None:
    world.start().passes(1000)
    assert world.polled_at == [0, 300, 600, 900]


@pytest.mark.parametrize(("dice", "second"), [(0.0, 270), (0.25, 285), (1.0, 330)])
def test_jitter_moves_a_poll_by_a_tenth_of_the_interval_at_most(world: World, dice: float, second: float) -> None:
    world.dice = dice
    world.start().passes(400)
    assert world.polled_at[:2] == [0, pytest.approx(second)]


@pytest.mark.parametrize("interval", [60, 62, 10])
def test_jitter_never_asks_the_source_more_than_once_a_minute(world: World, interval: int) -> None:
    world.dice = 0.0
    world.config = world.configured("w.db", source=SourceSettings(rss=False, interval=timedelta(seconds=interval)))
    world.start().passes(200)
    assert world.polled_at == [0, 60, 120, 180]


@pytest.mark.parametrize(
    ("max_age", "second"), [(None, 300), (0, 300), (299, 300), (420, 420), (HOUR, HOUR), (10**9, HOUR)]
)
def test_a_poll_waits_for_the_sources_cache_within_reason(world: World, max_age: int | None, second: int) -> None:
    world.max_age = max_age
    world.start().passes(second)
    assert world.polled_at == [0, second]


@pytest.mark.parametrize(("asked", "second"), [(None, 300), (1.0, 300), (1800.0, 1800), (10.0**7, 24 * HOUR)])
def test_a_poll_waits_as_long_as_the_source_asks_within_reason(world: World, asked: float | None, second: int) -> None:
    world.error = StatusError("busy", 503, asked)
    world.start().passes(299)
    world.leaps(max(0, second - 300))
    assert world.polled_at == [0]
    world.passes(1)
    assert world.polled_at[:2] == [0, second]


def test_a_machine_that_slept_polls_once_not_once_for_each_interval_it_missed(world: World) -> None:
    world.start().leaps(10 * HOUR)
    world.passes(299)
    assert world.polled_at == [0, 10 * HOUR]


@pytest.mark.parametrize("hours", [-30, -5, 5, 30])
def test_a_clock_that_is_set_while_it_runs_moves_no_poll_and_holds_up_no_alert(world: World, hours: int) -> None:
    world.start().passes(100)
    world.wrong = timedelta(hours=hours)
    world.passes(500)
    assert world.polled_at == [0, 300, 600]
    world.result = Result(False, "HTTP 500", status=500)
    world.shows(A, B, C)
    world.wrong = timedelta(0)
    world.result = Result(True, "sent")
    world.passes(900)
    assert world.sent[-1][2] == ("c/c",)
    assert world.polled_at == [0, 300, 600, 600, 900, 1200, 1500]


def test_a_slow_poll_does_not_pile_up_and_is_not_skipped(world: World) -> None:
    world.source_gate = gate = Gate()
    world.start().passes(1000)
    assert world.polled_at == [0]
    world.frees(gate)
    assert world.polled_at == [0, 1000], "what is late is done once"
    world.passes(299)
    assert world.polled_at == [0, 1000]
    world.passes(1)
    assert world.polled_at == [0, 1000, 1300]


def test_a_poll_that_is_asked_for_comes_now_and_the_interval_begins_anew(world: World) -> None:
    world.start().passes(100)
    world.daemon.poll_now()
    world.leaps()
    world.passes(300)
    assert world.polled_at == [0, 100, 400]


def test_polls_that_are_asked_for_while_one_runs_are_one_after_it(world: World) -> None:
    world.max_age = 600
    world.source_gate = gate = Gate()
    world.start()
    for _ in range(3):
        world.daemon.poll_now()
        world.leaps(1)
    assert world.polled_at == [0]
    world.frees(gate)
    world.passes(599)
    assert world.polled_at == [0, 3]


def test_a_poll_is_asked_for_although_the_source_asked_to_be_left_alone(world: World) -> None:
    world.error = StatusError("busy", 503, 7200.0)
    world.start().passes(10)
    world.error = None
    world.daemon.poll_now()
    world.leaps()
    assert world.polled_at == [0, 10]


# What goes wrong


def test_a_source_that_fails_is_told_of_once_and_its_return_too(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.start().passes(10)
    lines(caplog)
    world.error = SourceError("nobody is there")
    world.passes(600)
    assert lines(caplog) == ["the source cannot be read: nobody is there"]
    assert world.told.last_status == "the source cannot be read: nobody is there"
    world.error = None
    world.passes(600)
    assert lines(caplog) == ["the source can be read again"]
    assert world.told.last_status.startswith("healthy: last checked 2026-01-04 12:20 UTC, 2 models")


def test_a_source_that_is_back_without_its_feed_is_told_to_be_back(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.config = world.configured("w.db", source=SourceSettings(rss=True, interval=timedelta(minutes=5)))
    world.feed_error = SourceError("no feed")
    world.start()
    assert lines(caplog)[-2:] == [
        "the RSS feed was not used: no feed",
        "2 models taken in; from now on changes are announced",
    ]
    world.error = SourceError("nobody is there")
    world.passes(300)
    world.error = None
    world.passes(300)
    assert lines(caplog) == [
        "the source cannot be read: nobody is there",
        "the source can be read again",
        "the RSS feed was not used: no feed",
    ]
    world.passes(600)
    assert lines(caplog) == []


def test_a_list_that_is_not_believed_is_told_of_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.start().passes(10)
    lines(caplog)
    world.shown = []
    world.passes(900)
    found = lines(caplog)
    assert [line for line in found if "not believed" in line and "announced" not in line] == [
        "the source is not believed: the list is empty"
    ]
    assert world.told.last_status == "the source is not believed: the list is empty"


def test_a_bug_in_a_poll_or_a_sending_does_not_end_the_watching(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.error = RuntimeError("a bug")
    world.start()
    assert "this is a bug in openrouter-watcher" in lines(caplog)
    world.error = None
    world.passes(300)
    world.result = None  # type: ignore[assignment]
    world.shows(A, B, C)
    assert "this is a bug in openrouter-watcher" in lines(caplog)
    world.result = Result(True, "sent")
    world.passes(60)
    assert world.sent[-1][2] == ("c/c",)


@IN_A_FILE
def test_a_database_that_cannot_be_used_ends_the_start(world: World, tmp_path: Path) -> None:
    (tmp_path / "watcher.db").write_text("no database " * 100)
    daemon = Daemon(world, world.config, world.wake, world.told, clock=world.now, elapsed=lambda: 0.0)
    with pytest.raises(StoreError, match="not an SQLite database"):
        daemon.run()
    assert world.told.lines == [], "nobody is told that it is ready"


@IN_A_FILE
def test_a_database_that_breaks_later_is_told_of_and_the_watching_goes_on(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world.start()
    blocked = Store.open(f"sqlite:///{tmp_path / 'watcher.db'}")
    world.daemon._store = Store(world.config.store.url.reveal(), busy_seconds=0.01)
    lines(caplog)
    with blocked.writing():
        world.passes(700)
    assert [line for line in lines(caplog) if "stayed locked" in line and line.startswith("the poll failed")] != []
    assert world.told.last_status.startswith("the poll failed: The database")
    blocked.close()
    world.passes(300)
    assert "polls succeed again" in lines(caplog)


@IN_A_FILE
def test_nothing_is_written_to_a_database_that_was_deleted_and_that_is_told_once(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world.told.watchdog = 30.0
    world.start()
    lines(caplog)
    for path in tmp_path.glob("watcher.db*"):
        path.rename(path.with_name(f"away-{path.name}"))
    world.shows(A, B, C)
    before = world.told.count("WATCHDOG=1")
    world.passes(1000)
    assert world.told.count("WATCHDOG=1") == before, "systemd starts it anew"
    assert world.told.last_status.count("was deleted or moved away while it was used") == 1
    assert all("was deleted or moved away" in line for line in lines(caplog)) and len(lines(caplog)) <= 3
    assert not (tmp_path / "watcher.db").exists(), "no empty one takes its place"
    for path in tmp_path.glob("away-watcher.db*"):
        path.rename(path.with_name(path.name.removeprefix("away-")))
    world.passes(300)
    assert "the database answers again" in lines(caplog)
    assert [models for _, _, models in world.sent] == [("c/c",)]


@IN_A_FILE
def test_a_database_that_is_put_in_its_place_is_used(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world.start()
    database = tmp_path / "watcher.db"
    backup = copy_database(database, tmp_path / "backup.db")
    world.shows(A, B, C)
    lines(caplog)
    backup.replace(database)
    world.shows(A, B, C)
    assert [models for _, _, models in world.sent] == [("c/c",), ("c/c",)], "it does not know of the first time"
    assert [line for line in lines(caplog) if "replaced" in line] == [
        f"the database {database} was replaced by another file, which is used now"
    ]
    assert world.stops() is True
    with Store(world.config.store.url.reveal()) as store, store.reading() as session:
        assert session.outbox.pending() == {}
    assert examine(world.config.store.url.reveal()).whole


@IN_A_FILE
@pytest.mark.parametrize("later", [False, True])
def test_an_empty_database_is_logged_with_what_was_taken_in(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture, later: bool
) -> None:
    database = tmp_path / "watcher.db"
    if later:
        world.start().shows(A)
        assert not any("was empty" in line for line in lines(caplog))
    for file in tmp_path.glob("watcher.db*"):
        file.unlink()
    (tmp_path / "new").touch()
    (tmp_path / "new").rename(database)
    if later:
        world.shows(A, B)
    else:
        world.start()
    assert [line for line in lines(caplog, logging.WARNING) if "was empty" in line] == [
        f"the database {database} was empty: 2 models were taken in as known, and nothing of before is announced; "
        "if it should not have been empty, put a backup in its place"
    ]


@IN_A_FILE
def test_a_foreign_file_in_its_place_is_not_written_to(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world.start()
    foreign = tmp_path / "foreign"
    foreign.write_text("no database " * 400)
    foreign.replace(tmp_path / "watcher.db")
    world.shows(A, B, C)
    assert world.told.last_status.startswith("the poll failed: The database")
    assert any("is not an SQLite database" in line for line in lines(caplog))
    assert (tmp_path / "watcher.db").read_text() == "no database " * 400


# What it sends


def test_an_alert_goes_out_at_once(world: World) -> None:
    world.start().passes(31)
    world.shows(A, B, C)
    assert world.sent == [(31, "team", ("c/c",))]


def test_two_alerts_in_a_row_do_not_wait_for_each_other(world: World) -> None:
    world.start()
    world.shows(A, B, C)
    world.shows(A, B, C, document("d/d"))
    assert [models for _, _, models in world.sent] == [("c/c",), ("d/d",)]


def test_a_hanging_channel_holds_up_no_poll_and_what_is_new_meanwhile_follows(world: World) -> None:
    world.start()
    world.channel_gate = gate = Gate()
    world.shows(A, B, C)
    world.passes(300)
    world.shows(A, B, C, document("d/d"))
    assert world.polled_at == [0, 0, 300, 300]
    assert world.sent == []
    world.frees(gate)
    assert sorted(models for _, _, models in world.sent) == [("c/c",), ("d/d",)]
    assert {at for at, _, _ in world.sent} == {300}


def test_what_is_not_delivered_is_tried_again_when_it_is_due_and_told_once(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.result = Result(False, "HTTP 500", status=500)
    monkeypatch.setattr("watcher.delivery.outbox.random.random", lambda: 0.5)
    monkeypatch.setattr("watcher.delivery.outbox.drain.__kwdefaults__", {"jitter": lambda: 0.5})
    world.start()
    lines(caplog)
    world.shows(A, B, C)
    world.passes(590)
    assert [at for at, _, _ in world.sent] == [0]
    assert [line for line in lines(caplog) if line.startswith("channel")] == [
        "channel team: 1 alert not delivered yet: HTTP 500; tried again 12:10:00 UTC"
    ]
    world.result = Result(True, "sent")
    world.passes(10)
    assert [at for at, _, _ in world.sent] == [0, 600]
    assert [line for line in lines(caplog) if line.startswith("channel")] == ["channel team: 1 alert: sent"]


def test_what_another_process_makes_due_is_seen_within_a_minute(world: World) -> None:
    world.result = Result(False, "HTTP 500", status=500)
    world.start()
    world.shows(A, B, C)
    world.result = Result(True, "sent")
    with Store(world.config.store.url.reveal()) as other, other.writing() as session:
        session.outbox.retry(session.outbox.listed(), world.now())
    world.passes(60)
    assert [models for _, _, models in world.sent] == [("c/c",), ("c/c",)]


def test_what_nobody_can_send_is_not_tried_all_the_time(world: World) -> None:
    world.start()
    world.result = Result(False, "HTTP 500", status=500)
    world.shows(A, B, C)
    world.reloads(replace(world.config, channels=(Channel("other"),)))
    world.passes(900)
    before = world.seconds
    world.leaps(world.asked)
    world.leaps(world.asked)
    assert world.seconds - before >= 60


# What it says


def test_an_unchanged_poll_is_nothing_to_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.start()
    assert lines(caplog) == [
        "watching https://openrouter.ai/api/v1 every 5m",
        "2 models taken in; from now on changes are announced",
    ]
    world.passes(6 * HOUR)
    found = lines(caplog, logging.DEBUG)
    assert len(found) == len(world.polled_at) - 1 == 6 * 12
    assert all(line.startswith("polled: good, 2 models, ") for line in found)


def test_what_is_not_understood_is_told_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.start()
    lines(caplog)
    for number in range(3):
        world.shows(A, document("b/b", context_length=number + 1), {"id": "b/bad", "name": "No prices"})
    assert len([line for line in lines(caplog) if "b/bad" in line]) == 1


def test_the_address_is_logged_without_its_password(world: World, caplog: pytest.LogCaptureFixture) -> None:
    source = SourceSettings(url=SourceURL("http://me:hunter2@127.0.0.1/api/v1"), rss=False)
    world.config = world.configured("w.db", source=source)
    world.start()
    assert "hunter2" not in "\n".join(lines(caplog, logging.DEBUG))


def test_warnings_about_the_configuration_are_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.config = replace(world.config, warnings=("config.toml: odd",))
    world.start()
    assert "config.toml: odd" in lines(caplog, logging.WARNING)
    world.reloads(replace(world.config, warnings=("config.toml: odder",)))
    assert "config.toml: odder" in lines(caplog, logging.WARNING)


def test_the_supervisor_hears_of_start_polls_and_end(world: World) -> None:
    world.start()
    assert world.stops() is True
    ready, status, stopping = world.told.lines
    assert ready == "READY=1\nSTATUS=started"
    assert status == "STATUS=healthy: last checked 2026-01-04 12:00 UTC, 2 models"
    assert stopping.startswith("STOPPING=1\n")


# The watchdog


def test_the_watchdog_is_fed_three_times_as_often_as_it_asks(world: World) -> None:
    world.told.watchdog = 30.0
    world.start()
    before = world.told.count("WATCHDOG=1")
    world.passes(60)
    assert world.told.count("WATCHDOG=1") - before >= 6
    assert world.asked <= 10


def test_a_loop_that_stands_does_not_feed_it(world: World) -> None:
    world.told.watchdog = 30.0
    world.start()
    before = world.told.count("WATCHDOG=1")
    world.seconds += 1000  # the loop does not come back from its wait
    assert world.told.count("WATCHDOG=1") == before


def test_it_is_fed_while_a_poll_is_slow_but_not_when_it_hangs_for_good(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.told.watchdog = 30.0
    world.source_gate = Gate()
    world.start().passes(1800)
    before = world.told.count("WATCHDOG=1")
    assert before > 100
    world.passes(100)
    assert world.told.count("WATCHDOG=1") - before <= 1
    assert [line for line in lines(caplog) if "has not ended" in line] == ["polling has not ended for 30m"]


def test_a_poll_during_which_the_machine_slept_does_not_hang(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.told.watchdog = 30.0
    world.slept = 0.0
    world.source_gate = Gate()
    world.start().passes(10)
    world.slept += 10 * HOUR
    world.leaps(10 * HOUR)
    before = world.told.count("WATCHDOG=1")
    world.passes(60)
    assert world.told.count("WATCHDOG=1") > before
    assert not any("has not ended" in line for line in lines(caplog))


def test_it_is_not_fed_when_a_sending_hangs_for_good(world: World) -> None:
    world.told.watchdog = 30.0
    world.start()
    world.channel_gate = Gate()
    world.shows(A, B, C)
    world.passes(1801)
    before = world.told.count("WATCHDOG=1")
    world.passes(100)
    assert world.told.count("WATCHDOG=1") == before


@IN_A_FILE
def test_it_is_not_fed_while_the_database_does_not_answer(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world.told.watchdog = 30.0
    world.start()
    database = tmp_path / "watcher.db"
    world.daemon._store.close()
    kept = database.read_bytes()
    for name in ("watcher.db-wal", "watcher.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    database.write_bytes(b"this is no database " * 100)
    before = world.told.count("WATCHDOG=1")
    world.passes(100)
    assert world.told.count("WATCHDOG=1") == before
    assert any("not an SQLite database" in line for line in lines(caplog))
    world.daemon._store.close()
    database.write_bytes(kept)
    world.passes(30)
    assert world.told.count("WATCHDOG=1") > before


def test_without_a_watchdog_nothing_is_fed(world: World) -> None:
    world.start().passes(600)
    assert world.told.count("WATCHDOG=1") == 0


# A new configuration


def test_a_reload_takes_the_new_channels_and_polls_only_if_the_polls_change(world: World) -> None:
    world.start()
    world.reloads(replace(world.config, channels=(Channel("other"),)))
    assert world.polled_at == [0]
    world.shows(A, B, C)
    assert [name for _, name, _ in world.sent] == ["other"]


def test_a_shorter_interval_holds_at_once(world: World) -> None:
    world.config = world.configured("w.db", source=SourceSettings(rss=False, interval=timedelta(days=1)))
    world.start().passes(100)
    world.reloads(world.configured("w.db"))
    world.passes(300)
    assert world.polled_at == [0, 100, 400]


def test_the_supervisor_hears_of_a_reload(world: World) -> None:
    world.start()
    world.told.lines.clear()
    world.reloads(world.configured("w.db"))
    reloading, ready = world.told.lines[:2]
    assert reloading.startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert ready == "READY=1\nSTATUS=the configuration was reloaded"


@pytest.mark.parametrize("broken", ["configuration", "store"])
def test_a_broken_configuration_keeps_the_old_one_and_says_every_mistake(
    world: World, broken: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world.start()
    lines(caplog)
    if broken == "configuration":
        world.reloads(ConfigError("config.toml: one\nconfig.toml: two"))
        expected = ["config.toml: one", "config.toml: two"]
    else:
        (tmp_path / "other.db").write_text("no database " * 100)
        world.reloads(replace(world.configured("other.db"), channels=(Channel("new"),)))
        expected = [
            f"The database {tmp_path / 'other.db'} is not an SQLite database; nothing was written. Check [store] url."
        ]
    assert lines(caplog) == [f"the configuration was not reloaded: {line}" for line in expected]
    assert world.told.lines[-1] == "READY=1\nSTATUS=the configuration was not reloaded, the old one stays"
    world.shows(A, B, C)
    assert [(name, models) for _, name, models in world.sent] == [("team", ("c/c",))]


def test_a_bug_in_a_reload_does_not_end_the_watching(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.start()
    world.reloads(RuntimeError("a bug"))
    assert "the configuration was not reloaded: this is a bug in openrouter-watcher" in lines(caplog)
    assert world.told.lines[-1] == "READY=1\nSTATUS=the configuration was not reloaded, the old one stays"
    world.passes(300)
    assert world.polled_at == [0, 300]


@IN_A_FILE
def test_a_new_database_is_used_and_the_old_one_left(world: World, tmp_path: Path) -> None:
    world.start()
    world.reloads(world.configured("other.db"))
    assert world.polled_at == [0, 0], "it knows nothing yet"
    world.shows(A, B, C)
    assert world.stops() is True
    assert sorted(path.name for path in tmp_path.iterdir() if "sending" not in path.name) == ["other.db", "watcher.db"]
    assert [models for _, _, models in world.sent] == [("c/c",)]


def test_a_reload_during_a_poll_never_asks_the_old_source_again(world: World) -> None:
    world.source_gate = gate = Gate()
    world.start()
    changed = world.configured("w.db", source=SourceSettings(rss=False, category="programming"))
    world.reloads(changed)
    world.frees(gate)
    assert [source.config for source in world.sources] == [world.config, changed]
    assert world.polled_at == [0, 0]
    assert world.sources[0].closed
    assert not world.sources[1].closed


def test_a_reload_reads_the_key_anew_though_its_file_has_the_same_name(world: World) -> None:
    world.start()
    world.reloads(world.configured("w.db"))
    world.passes(300)
    assert len(world.sources) == 2


# The end


def test_it_ends_when_the_poll_in_hand_is_done_and_its_alerts_are_stored(world: World) -> None:
    world.start()
    world.source_gate = gate = Gate()
    world.shows(A, B, C)
    world.daemon.stop()
    world.wake.go.put(None)
    world.thread.join(0.05)
    assert world.thread.is_alive(), "it waits for the poll"
    gate.opened.set()
    world.thread.join(SECONDS)
    assert world.ended is True
    with Store(world.config.store.url.reveal()) as store, store.reading() as session:
        assert session.outbox.pending() == {"team": 1}, "the next start sends it"
    assert world.sources[0].closed


def test_it_ends_though_what_is_in_hand_does_not(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "GRACE", timedelta(seconds=0.05))
    world.source_gate = Gate()
    world.start()
    assert world.stops() is False
    assert any(line.startswith("polling was not done within") for line in lines(caplog))
    assert [path.name for path in world.folder.glob("watcher.db*") if "sending" not in path.name] in (
        ["watcher.db"],
        [],  # of PostgreSQL
    ), "no log of the database is left beside it"


def test_what_was_in_hand_at_the_end_is_sent_at_the_next_start(world: World) -> None:
    world.start()
    world.result = Result(False, "HTTP 500", status=500)
    world.shows(A, B, C)
    world.stops()
    world.thread = threading.Thread(target=world.run, daemon=True)
    world.result = Result(True, "sent")
    world.seconds += 1000
    world.start()
    assert [models for _, _, models in world.sent] == [("c/c",), ("c/c",)]
