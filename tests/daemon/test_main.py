"""The daemon's main part: reload, watchdog, end."""

import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.daemon.world import HOUR, IN_A_FILE, SECONDS, A, B, C, Gate, World, lines
from watcher.config.secret import DatabaseURL, SourceURL
from watcher.config.settings import Channel, Config, HealthSettings, SourceSettings, StoreSettings
from watcher.daemon.health_ping import Pings
from watcher.delivery.channel import Result
from watcher.errors import ConfigError
from watcher.store.records import Poll
from watcher.store.session import Session
from watcher.store.store import Store


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
    world.supervisor.lines.clear()
    world.reloads(world.configured("w.db"))
    assert world.supervisor.lines[:2] == ["reloading", "ready: the configuration was reloaded"]


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
    assert world.supervisor.lines[-1] == "ready: the configuration was not reloaded, the old one stays"
    world.shows(A, B, C)
    assert [(name, models) for _, name, models in world.sent] == [("team", ("c/c",))]


def test_a_bug_in_a_reload_does_not_end_the_watching(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.start()
    world.reloads(RuntimeError("a bug"))
    assert "the configuration was not reloaded: this is a bug in openrouter-watcher" in lines(caplog)
    assert world.supervisor.lines[-1] == "ready: the configuration was not reloaded, the old one stays"
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
    world.source_gate = gate = world.gate()
    world.start()
    changed = world.configured("w.db", source=SourceSettings(rss=False, category="programming"))
    world.reloads(changed)
    assert not world.sources[0].closed, "the poll in hand still reads it"
    world.frees(gate)
    assert [source.config for source in world.sources] == [world.config, changed]
    assert world.polled_at == [0, 0]
    assert [source.closed for source in world.sources] == [True, False]


class ReloadsDuringAPoll(Pings):
    """A monitor that has a reload happen when it hears that a poll begins."""

    def __init__(self, world: World) -> None:
        super().__init__({}, lambda _line: None)
        self.world = world

    @contextmanager
    def around(self, health: HealthSettings) -> Iterator[Callable[[Poll], None]]:
        if self.world.loaded is None:
            self.world.loaded = self.world.configured(
                "other.db", source=SourceSettings(SourceURL("https://other.example/v1"), rss=False)
            )
            self.world.daemon.reload()
            until(lambda: "ready: the configuration was reloaded" in self.world.supervisor.lines)
        with super().around(health) as ping:
            yield ping


@IN_A_FILE
def test_what_the_old_source_shows_is_never_stored_in_the_new_database(world: World, tmp_path: Path) -> None:
    world.shown_elsewhere = {"https://other.example/v1": [C]}
    world.pings = ReloadsDuringAPoll(world)
    world.start()
    assert world.stops() is True
    assert stored(f"sqlite:///{tmp_path / 'watcher.db'}") == {"a/a", "b/b"}
    assert stored(f"sqlite:///{tmp_path / 'other.db'}") == {"c/c"}


def stored(url: str) -> set[str]:
    with Store(url) as store, store.reading() as session:
        return set(session.state.model_states())


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < end, "it never came"
        select.select([], [], [], 0.001)


def test_a_reload_reads_the_key_anew_though_its_file_has_the_same_name(world: World) -> None:
    world.start()
    world.reloads(world.configured("w.db"))
    world.passes(300)
    assert len(world.sources) == 2


# A database server that takes connections and says nothing


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """One that hangs up at the end of the test."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(SECONDS)
        yield server


def stored_at(silent: socket.socket, config: Config) -> Config:
    """The configuration with that server's database."""
    url = f"postgresql://watcher@127.0.0.1:{silent.getsockname()[1]}/w?connect_timeout={2 * SECONDS}"
    return replace(config, store=StoreSettings(DatabaseURL(url)))


@IN_A_FILE
def test_a_database_server_that_says_nothing_does_not_hold_up_the_end(
    world: World, silent: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    world.config = stored_at(silent, world.config)
    world.grace = timedelta(seconds=0.05)
    world.start(settles=False)
    with silent.accept()[0]:
        assert world.stops() is False
    assert lines(caplog) == [
        "stopping",
        "opening the database was not done within 0s; it is done again next time",
    ]
    assert world.supervisor.lines == ["stopping"], "it was never ready"


@IN_A_FILE
def test_a_reload_to_a_database_server_that_says_nothing_holds_up_neither_polls_nor_the_watchdog(
    world: World, silent: socket.socket
) -> None:
    world.supervisor.watchdog = 30.0
    world.start()
    world.loaded = stored_at(silent, world.config)
    world.daemon.reload()
    with silent.accept()[0]:
        fed = world.supervisor.fed
        world.clock.held.add("watcher-loading")
        world.passes(600)
        assert world.polled_at == [0, 300, 600]
        assert world.supervisor.fed - fed > 50
    world.clock.held.remove("watcher-loading")
    world.clock.settles()
    assert world.supervisor.lines[-1] == "ready: the configuration was not reloaded, the old one stays"


# The watchdog


def test_the_watchdog_is_fed_three_times_as_often_as_it_asks(world: World) -> None:
    world.supervisor.watchdog = 30.0
    world.start()
    before = world.supervisor.fed
    world.passes(60)
    assert world.supervisor.fed - before >= 6
    assert world.asked <= 10


def test_a_main_part_that_stands_does_not_feed_it(world: World) -> None:
    world.supervisor.watchdog = 30.0
    world.start()
    before = world.supervisor.fed
    world.clock.seconds += 1000  # it does not come back from its wait
    assert world.supervisor.fed == before


def test_it_is_fed_while_a_poll_is_slow_but_not_when_it_hangs_for_good(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.supervisor.watchdog = 30.0
    world.source_gate = world.gate()
    world.start().passes(1800)
    before = world.supervisor.fed
    assert before > 100
    world.passes(100)
    assert world.supervisor.fed - before <= 1
    assert [line for line in lines(caplog) if "has not ended" in line] == ["polling has not ended for 30m"]


def test_a_poll_during_which_the_machine_slept_does_not_hang(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.supervisor.watchdog = 30.0
    world.clock.slept = 0.0
    world.source_gate = world.gate()
    world.start().passes(10)
    world.clock.slept += 10 * HOUR
    world.leaps(10 * HOUR)
    before = world.supervisor.fed
    world.passes(60)
    assert world.supervisor.fed > before
    assert not any("has not ended" in line for line in lines(caplog))


def test_it_is_not_fed_when_a_sending_hangs_for_good(world: World) -> None:
    world.supervisor.watchdog = 30.0
    world.start()
    world.channel_gate = world.gate()
    world.shows(A, B, C)
    world.passes(1801)
    before = world.supervisor.fed
    world.passes(100)
    assert world.supervisor.fed == before


@IN_A_FILE
def test_it_is_not_fed_while_the_database_cannot_be_read(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world.supervisor.watchdog = 30.0
    world.start()
    database = tmp_path / "watcher.db"
    kept = database.read_bytes()
    database.write_bytes(b"this is no database " * 100)
    world.passes(75)
    before = world.supervisor.fed
    world.passes(100)
    assert world.supervisor.fed == before
    assert any("not an SQLite database" in line for line in lines(caplog))
    database.write_bytes(kept)
    world.passes(60)
    assert world.supervisor.fed > before
    assert "the database answers again" in lines(caplog)


@IN_A_FILE
def test_it_is_not_fed_while_the_database_does_not_answer(world: World) -> None:
    hangs: list[Gate] = []

    class Hanging(Store):
        @contextmanager
        def reading(self) -> Iterator[Session]:
            for gate in hangs:
                gate.hold()
            with super().reading() as session:
                yield session

    world.make_store = Hanging
    world.supervisor.watchdog = 30.0
    world.start()
    hangs.append(world.gate())
    world.passes(75)
    before = world.supervisor.fed
    world.passes(100)
    assert world.supervisor.fed == before
    world.frees(hangs.pop())
    world.passes(10)
    assert world.supervisor.fed > before


def test_without_a_watchdog_nothing_is_fed(world: World) -> None:
    world.start().passes(600)
    assert world.supervisor.fed == 0


# The end


def test_it_ends_when_the_poll_in_hand_is_done_and_its_alerts_are_stored(world: World) -> None:
    world.start()
    world.source_gate = gate = world.gate()
    world.shows(A, B, C)
    world.daemon.stop()
    world.thread.join(0.05)
    assert world.thread.is_alive(), "it waits for the poll"
    gate.open()
    assert world.ends() is True
    with Store(world.config.store.url.reveal()) as store, store.reading() as session:
        assert session.outbox.pending() == {"team": 1}, "the next start sends it"
    assert world.sources[0].closed


def test_it_ends_though_what_is_in_hand_does_not(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.grace = timedelta(seconds=0.05)
    world.source_gate = world.gate()
    world.start()
    assert world.stops() is False
    assert lines(caplog)[-1] == "polling was not done within 0s; it is done again next time"
    assert [path.name for path in world.folder.glob("watcher.db*") if "sending" not in path.name] in (
        ["watcher.db"],
        [],  # of PostgreSQL
    ), "no log of the database is left beside it"


def test_what_was_in_hand_at_the_end_is_sent_at_the_next_start(world: World) -> None:
    world.start()
    world.result = Result(False, "HTTP 500", status=500)
    world.shows(A, B, C)
    world.stops()
    world.result = Result(True, "sent")
    world.clock.seconds += 1000
    world.start()
    assert [models for _, _, models in world.sent] == [("c/c",), ("c/c",)]
