"""The loop of `watcher run` beside others that use its database: whose turn it is, and when it must give way."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.daemon.world import IN_A_FILE, World, lines
from tests.databases import Server
from tests.store.samples import document
from watcher.errors import StoreError
from watcher.store.records import Poll
from watcher.store.store import Store
from watcher.upstream.errors import StatusError

ON_A_SERVER = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


@pytest.fixture
def other(database: str) -> Iterator[Store]:
    """What another machine has of the database."""
    with Store.open(database) as store:
        yield store


def polled(store: Store, world: World, outcome: str = "good", not_before: float | None = None) -> None:
    """Another machine polls now."""
    again = None if not_before is None else world.now() + timedelta(seconds=not_before)
    with store.writing() as session:
        session.state.add_poll(Poll(world.now(), outcome, 1, not_before=again))


@ON_A_SERVER
def test_a_start_waits_for_the_turn_that_follows_from_the_last_poll(world: World, other: Store) -> None:
    polled(other, world)
    world.clock.seconds = 100
    world.start()
    assert (world.polled_at, world.asked) == ([], 60), "it looks for alerts every minute"
    world.passes(199)
    assert world.polled_at == []
    world.passes(1)
    assert world.polled_at == [300]


@pytest.mark.parametrize("outcome", ["good", "failed"])
def test_a_poll_that_lies_in_the_future_is_not_waited_for(world: World, other: Store, outcome: str) -> None:
    world.clock.wrong = timedelta(days=4 * 365)
    polled(other, world, outcome, 1800)
    world.clock.wrong = timedelta()
    world.start().passes(301)
    assert world.polled_at == [0, 300]


@ON_A_SERVER
def test_a_poll_of_another_machine_moves_ones_own(world: World, other: Store) -> None:
    world.start().passes(200)
    assert world.polled_at == [0]
    polled(other, world)
    world.passes(299)
    assert world.polled_at == [0]
    assert world.supervisor.last_status == "healthy: last checked 2026-01-04 12:03 UTC, by another machine"
    world.passes(1)
    assert world.polled_at == [0, 500]


@ON_A_SERVER
def test_while_another_machine_polls_it_looks_again_soon(world: World, other: Store) -> None:
    with other.polling():
        world.start().passes(25)
        assert world.polled_at == []
    world.passes(5)
    assert world.polled_at == [30], "the other one died: there is no poll of it"


@ON_A_SERVER
def test_a_poll_that_is_asked_for_comes_at_once(world: World, other: Store) -> None:
    polled(other, world)
    world.clock.seconds = 10
    world.start()
    world.polls()
    assert world.polled_at == [10]


@ON_A_SERVER
def test_what_the_source_asked_another_machine_for_is_kept(world: World, other: Store) -> None:
    polled(other, world, "failed", 1800)
    world.start().passes(1799)
    assert world.polled_at == []
    world.passes(1)
    assert world.polled_at == [1800]


@ON_A_SERVER
def test_a_machine_that_cannot_read_the_source_lets_others_go_first(world: World, other: Store) -> None:
    polled(other, world)
    world.error = StatusError("busy", 503, None)
    world.start().passes(300)
    assert world.polled_at == [300]
    world.passes(359)
    assert world.polled_at == [300]
    world.passes(1)
    assert world.polled_at == [300, 660]


@ON_A_SERVER
def test_a_clock_that_was_wrong_stops_nobody(world: World, other: Store) -> None:
    world.clock.seconds = 30 * 86_400
    polled(other, world)
    world.clock.seconds = 0
    world.start()
    assert world.polled_at == [0]


@IN_A_FILE
def test_a_file_is_polled_at_the_start_whoever_polled_last(world: World, other: Store) -> None:
    polled(other, world, not_before=60)
    world.start()
    assert world.polled_at == [0]


@pytest.mark.parametrize("asked", [100, 1800])
def test_a_start_keeps_to_what_the_source_asked_for_before(world: World, other: Store, asked: int) -> None:
    polled(other, world, "failed", asked)
    world.clock.seconds = 50
    world.start().passes(max(asked, 300) - 51 if world.database.startswith("postgresql") else asked - 51)
    assert world.polled_at == []
    world.passes(1)
    assert len(world.polled_at) == 1


def test_a_database_that_a_newer_version_migrated_ends_it(
    world: World, other: Store, caplog: pytest.LogCaptureFixture
) -> None:
    world.start().shows(document("a/a"))
    with other.writing() as session:
        session.connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    world.shown = [document("a/b")]
    world.daemon.poll_now()
    world.ends()
    assert isinstance(world.failed, StoreError)
    assert "was written by a newer version" in str(world.failed)
    assert world.failed.exit_code == 74, "it is started anew"
    assert lines(caplog)[-1] == "stopping"


@ON_A_SERVER
@pytest.mark.parametrize("postgresql", ["own"], indirect=True)
def test_a_server_that_is_away_is_logged_when_it_goes_and_not_each_time(
    world: World, postgresql: Server, caplog: pytest.LogCaptureFixture
) -> None:
    world.supervisor.watchdog = 120
    world.start().passes(60)
    lines(caplog)
    postgresql.stop()
    world.passes(75)
    fed = world.supervisor.fed
    world.passes(825)
    said = [line for line in lines(caplog) if "The database" in line]
    assert 1 <= len(said) <= 5, said
    assert world.supervisor.fed == fed
    postgresql.start()
    world.passes(330)
    assert "polls succeed again" in lines(caplog)
    assert world.supervisor.fed > fed
