"""When the daemon polls, and what it says of its polls, with a clock that the test moves."""

import logging
from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.daemon.world import HOUR, A, B, C, World, lines
from tests.store.samples import document
from watcher.config.mine import MineSettings
from watcher.config.secret import SourceURL
from watcher.config.settings import HealthSettings, SourceSettings
from watcher.delivery.channel import Result
from watcher.store.store import Store
from watcher.upstream.errors import StatusError


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
    world.clock.wrong = timedelta(hours=hours)
    world.passes(500)
    assert world.polled_at == [0, 300, 600]
    world.result = Result(False, "HTTP 500", status=500)
    world.shows(A, B, C)
    world.clock.wrong = timedelta(0)
    world.result = Result(True, "sent")
    world.passes(900)
    assert world.sent[-1][2] == ("c/c",)
    assert world.polled_at == [0, 300, 600, 600, 900, 1200, 1500]


def test_a_slow_poll_does_not_pile_up_and_is_not_skipped(world: World) -> None:
    world.source_gate = gate = world.gate()
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
    world.polls()
    world.passes(300)
    assert world.polled_at == [0, 100, 400]


def test_polls_that_are_asked_for_while_one_runs_are_one_after_it(world: World) -> None:
    world.max_age = 600
    world.source_gate = gate = world.gate()
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
    world.polls()
    assert world.polled_at == [0, 10]


# What it says


@pytest.mark.slow
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


def test_a_scan_that_is_not_whole_is_told_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.config = world.configured("w.db", mine=MineSettings(paths=(world.folder / "missing",)))
    world.start().passes(1000)
    assert world.polled_at == [0, 300, 600, 900]
    assert len([line for line in lines(caplog) if "[mine] paths: cannot be read" in line]) == 1


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


def test_a_ping_that_fails_is_noted_for_status(world: World) -> None:
    world.config = world.configured("w.db", health=HealthSettings(ping_url_env="NOWHERE"))
    world.start()
    assert world.stops() is True
    with Store.open(world.database) as store, store.reading() as session:
        noted = session.maintenance.ping_trouble()
    assert noted is not None
    assert noted[1] == "health: ping_url_env: the environment variable NOWHERE is not set"


def test_the_supervisor_hears_of_start_polls_and_end(world: World) -> None:
    world.start()
    assert world.stops() is True
    assert world.supervisor.lines == [
        "ready: started",
        "status: healthy: last checked 2026-01-04 12:00 UTC, 2 models",
        "stopping",
    ]
