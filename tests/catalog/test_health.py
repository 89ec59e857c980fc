"""What is told of the source itself, once each."""

import pytest

from tests.catalog.history import World, many, moment
from watcher.catalog.health import Health
from watcher.catalog.policy import Policy

BEFORE = many(20)


def failing(polls: int, world: World | None = None) -> World:
    world = world or World().poll("00:00", *BEFORE)
    for hour in range(1, polls + 1):
        world = world.fail(f"{hour:02}:00", "it answered 503")
    return world


def test_two_failures_are_not_announced_and_neither_is_their_end() -> None:
    assert not failing(2).health.quiet
    world = failing(2).poll("03:00", *BEFORE)
    assert world.health.quiet
    assert world.events == ()
    assert world.health == Health()


def test_the_third_failure_in_a_row_is_announced_once() -> None:
    world = failing(9)
    (event,) = world.events
    assert (event.kind, event.model, event.at, event.since) == (
        "source_failing",
        None,
        moment("03:00"),
        moment("01:00"),
    )
    assert event.detail == "It could not be read for 3 polls in a row: it answered 503"
    assert world.last.reason == world.health.reason == "it answered 503"
    assert world.known.last_good == moment("00:00")


def test_a_failure_changes_no_model() -> None:
    assert failing(9).states == World().poll("00:00", *BEFORE).states


@pytest.mark.parametrize(
    ("back", "out"), [("03:20", "2 h 20 min"), ("1 01:00", "1 d"), ("2 03:00", "2 d 2 h"), ("04:00", "3 h")]
)
def test_the_recovery_is_announced_once_with_how_long_it_was_out(back: str, out: str) -> None:
    world = failing(3).poll(back, *BEFORE).hold("3 00:00")
    assert [event.kind for event in world.events] == ["source_failing", "source_recovered"]
    assert world.events[1].detail == f"It can be read again, after {out}."
    assert world.events[1].at == moment(back)


def test_a_short_outage_is_less_than_a_minute() -> None:
    world = World(Policy(failing_polls=1)).poll("00:00", *BEFORE).fail("01:00").poll("01:00", *BEFORE)
    assert world.events[1].detail == "It can be read again, after less than a minute."


def test_after_a_recovery_counting_starts_anew() -> None:
    world = failing(3).poll("04:00", *BEFORE).fail("05:00").fail("06:00").poll("07:00", *BEFORE)
    assert [event.kind for event in world.events] == ["source_failing", "source_recovered"]
    world = world.fail("08:00").fail("09:00").fail("10:00")
    assert world.news[2:] == ["10:00 source_failing *"]


def test_failing_and_recovering_are_announced_once_across_restarts() -> None:
    world = World().poll("00:00", *BEFORE)
    for hour in range(1, 7):
        world = world.fail(f"0{hour}:00").resumed()
    world = world.poll("07:00", *BEFORE).resumed().hold("10:00")
    assert [event.kind for event in world.events] == ["source_failing", "source_recovered"]


def test_a_refused_poll_could_be_read_so_failures_around_it_are_not_in_a_row() -> None:
    world = failing(2).poll("03:00").fail("04:00").fail("05:00")
    assert [event.kind for event in world.events] == ["catalog_suspect"]
    world = world.fail("06:00")
    assert world.events[-1].kind == "source_failing"
    assert world.events[-1].since == moment("04:00")


def test_a_source_that_was_announced_as_failing_recovers_with_the_first_good_poll() -> None:
    world = failing(3).poll("04:00").poll("05:00", *BEFORE)
    assert [event.kind for event in world.events] == ["source_failing", "catalog_suspect", "source_recovered"]
    assert world.events[2].detail == "It can be read again, after 4 h."


def test_a_suspect_catalogue_is_announced_once_until_it_ends() -> None:
    world = World().poll("00:00", *BEFORE)
    for hour in range(1, 6):
        world = world.poll(f"0{hour}:00").resumed()
    world = world.poll("06:00", *BEFORE).poll("07:00")
    assert world.news == ["01:00 catalog_suspect *", "07:00 catalog_suspect *"]
    assert [event.since for event in world.events] == [moment("01:00"), moment("07:00")]
