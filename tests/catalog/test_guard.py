"""What is refused as implausible, and what makes a refused list believed."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.catalog.history import World, body, many, model
from watcher.catalog import poll
from watcher.catalog.decision import Fetched, Known, SourceState
from watcher.catalog.feed import FeedModel
from watcher.catalog.model import Model
from watcher.catalog.policy import Policy
from watcher.catalog.reading import read
from watcher.catalog.state import ModelState
from watcher.config.secret import DatabaseURL
from watcher.config.settings import Config, SourceSettings, StoreSettings
from watcher.decide import decide, feed_query

NOW = datetime(2026, 1, 4, tzinfo=UTC)
BEFORE = many(100)
LESS = many(80)


def world() -> World:
    return World().poll("00:00", *BEFORE)


@pytest.mark.parametrize(
    ("documents", "page", "why"),
    [
        ([], {}, "the list is empty"),
        (BEFORE, {"total_count": 101}, "the list has 100 models, but promises 101"),
        ([*BEFORE, *many(12, x=1)], {}, "the list has 12 models twice, with different contents"),
        ([None], {}, "1 of 1 entries have no readable id"),
        ([*BEFORE, *[None] * 12], {}, "12 of 112 entries have no readable id"),
        (BEFORE[:89], {}, "11 of 100 models are gone at once"),
    ],
)
def test_an_implausible_list_is_refused_and_changes_nothing_but_health(
    documents: list[Any], page: dict[str, Any], why: str
) -> None:
    before = world()
    after = before.poll("01:00", *documents, **page)
    assert (after.last.outcome, after.last.reason) == ("refused", why)
    assert (after.states, after.known.last_good) == (before.states, before.known.last_good)
    assert after.health.reason == why
    assert [event.kind for event in after.events] == ["catalog_suspect"]
    assert after.events[0].detail == f"A poll was refused: {why}. Nothing was taken from it."
    assert after.poll("02:00", *BEFORE).hold("1 00:00").events == after.events


@pytest.mark.parametrize(
    ("documents", "page"),
    [
        (BEFORE[:90], {}),
        (BEFORE, {"total_count": 100}),
        (BEFORE, {"total_count": 99}),
        ([*BEFORE, *[None] * 5], {}),
        ([*BEFORE, *BEFORE], {}),
        ([*BEFORE, *many(5, x=1)], {}),
        ([*BEFORE, *many(500)[100:]], {}),
    ],
)
def test_a_list_within_the_limits_is_believed(documents: list[Any], page: dict[str, Any]) -> None:
    assert world().poll("01:00", *documents, **page).last.outcome == "good"


def test_five_models_of_a_small_catalogue_may_go_at_once() -> None:
    small = World().poll("00:00", *many(8))
    assert small.poll("01:00", *many(3)).last.outcome == "good"
    assert small.poll("01:00", *many(2)).last.outcome == "refused"


def test_the_limits_are_settings() -> None:
    strict = Policy(max_gone=Decimal(0), max_gone_models=0)
    assert World(strict).poll("00:00", *BEFORE).poll("01:00", *BEFORE[:99]).last.outcome == "refused"


@pytest.mark.parametrize(
    ("count", "outcome"), [(80, "good"), (85, "good"), (75, "good"), (86, "refused"), (100, "refused")]
)
def test_the_count_of_the_api_is_a_witness_for_models_that_are_gone(count: int, outcome: str) -> None:
    assert world().poll("01:00", *LESS, witness=count).last.outcome == outcome


def test_a_witness_cannot_speak_for_a_list_that_contradicts_itself() -> None:
    assert world().poll("01:00", *LESS, total_count=100, witness=80).last.outcome == "refused"
    assert world().poll("01:00", witness=0).last.outcome == "refused"


def test_a_list_that_a_witness_confirms_expires_what_is_gone_once_it_is_gone_twice() -> None:
    after = world().poll("01:00", *LESS, witness=80).poll("02:00", *LESS)
    assert [event.kind for event in after.events] == ["expired"] * 20


def test_three_polls_in_a_row_that_agree_are_believed() -> None:
    after = world().poll("01:00", *LESS).poll("02:00", *LESS)
    assert [decision.outcome for decision in after.decisions[1:]] == ["refused", "refused"]
    after = after.poll("03:00", *LESS)
    assert after.last.outcome == "good"
    after = after.poll("04:00", *LESS)
    assert [event.kind for event in after.events] == ["catalog_suspect"] + ["expired"] * 20


def test_polls_agree_if_they_miss_the_same_models_but_for_a_few() -> None:
    near = world().poll("01:00", *many(80)).poll("02:00", *many(75)).poll("03:00", *many(75))
    far = world().poll("01:00", *many(80)).poll("02:00", *many(74)).poll("03:00", *many(74))
    other = world().poll("01:00", *many(80)).poll("02:00", *many(100)[20:]).poll("03:00", *many(80))
    assert (near.last.outcome, far.last.outcome, other.last.outcome) == ("good", "refused", "refused")


def test_polls_that_do_not_agree_are_not_believed() -> None:
    after = world()
    for hour, count in enumerate((80, 50, 80, 50, 80, 50), start=1):
        after = after.poll(f"0{hour}:00", *many(count))
        assert after.last.outcome == "refused"
    assert [event.kind for event in after.events] == ["catalog_suspect"]


@pytest.mark.parametrize("between", ["good", "failed"])
def test_polls_that_are_not_in_a_row_are_not_believed(between: str) -> None:
    after = world().poll("01:00", *LESS).poll("02:00", *LESS)
    after = after.poll("03:00", *BEFORE) if between == "good" else after.fail("03:00")
    assert after.poll("04:00", *LESS).last.outcome == "refused"


def test_an_empty_list_is_never_believed_however_often_it_comes() -> None:
    after = world()
    for hour in range(1, 10):
        after = after.poll(f"0{hour}:00")
        assert after.last.outcome == "refused"
    assert [event.kind for event in after.events] == ["catalog_suspect"]


def test_a_first_list_has_nothing_that_it_could_miss() -> None:
    assert World().poll("00:00", *LESS).last.outcome == "good"
    assert world().poll("01:00", *LESS[:3], baseline=True).last.outcome == "good"
    assert World().poll("00:00").last.outcome == "refused"


def test_a_witness_is_needed_only_where_it_decides() -> None:
    before = world()

    def needed(history: World, *documents: Any, **page: Any) -> bool:
        return poll.needs_count(history.known, Fetched(read([body(*documents, **page)])), history.policy)

    assert needed(before, *LESS)
    assert not needed(before, *BEFORE)
    assert not needed(before)
    assert not needed(before, *LESS, total_count=100)
    twice = before.poll("01:00", *LESS).poll("02:00", *LESS)
    assert not needed(twice, *LESS)
    assert needed(twice, *many(40))


REST, GONE = [model("c/d"), model("e/f")], [model("a/b"), model("g/h")]


def test_where_entries_without_a_readable_id_came_as_models_went_it_takes_three_polls_to_expire() -> None:
    after = World().poll("00:00", *GONE, *REST).poll("01:00", *REST, None).poll("02:00", *REST, None)
    assert after.news == []
    assert after.poll("03:00", *REST, None).news == ["03:00 expired a/b", "03:00 expired g/h"]
    assert World().poll("00:00", *GONE, *REST).poll("20:00", *REST, None).news == []


def test_an_entry_without_a_readable_id_that_was_there_before_is_none_of_the_models_that_are_missing_now() -> None:
    after = World().poll("00:00", *GONE, *REST, None, {"id": 7, "name": "odd"})
    after = after.poll("01:00", *REST, None, {"id": 7, "name": "odd", "x": 1}).poll("02:00", *REST, None)
    assert after.news == ["02:00 expired a/b", "02:00 expired g/h"]


def test_a_model_whose_id_cannot_be_read_any_more_is_there_while_an_entry_has_its_name() -> None:
    nameless = {**GONE[0], "id": None}
    after = World().poll("00:00", *GONE, *REST).poll("01:00", nameless, GONE[1], *REST).hold("2 00:00")
    assert after.news == []
    assert after.poll("2 01:00", *GONE, *REST).hold("3 00:00").news == []


def test_entries_without_a_readable_id_are_named_once() -> None:
    after = World().poll("00:00", *REST).poll("01:00", *REST, {"name": "odd"}, None)
    (line,) = after.last.problems
    assert line.startswith("2 entries of the list without a readable id: ")
    assert "odd" in line
    assert after.poll("02:00", *REST, None, {"name": "odd", "x": 1}).last.problems == ()


@pytest.mark.parametrize(
    ("unknown", "known", "refused"), [(5, 10, False), (6, 10, True), (60, 600, False), (61, 600, True)]
)
def test_a_feed_full_of_strangers_is_refused(unknown: int, known: int, refused: bool) -> None:
    config = Config(None, SourceSettings(), StoreSettings(DatabaseURL("unused")))
    states = {f"a/{number}": ModelState(Model(f"a/{number}", {}), NOW) for number in range(known)}
    feed = tuple(FeedModel(f"b/{number}", "New") for number in range(unknown))
    before = Known(feed=SourceState(feed_query(config.source)), states=states)
    decision = decide(before, Fetched(error="it cannot be reached", feed=feed), config, NOW)
    says = f"the feed has {unknown} models that nobody knows, beside {known} that are known"
    assert decision.feed_error == (says if refused else None)
    assert len(decision.events) == (0 if refused else unknown)


def test_lists_that_contradict_themselves_agree_with_none() -> None:
    all_of_them = many(100)
    world = World().poll("00:00", *all_of_them)
    for hour in ("01:00", "02:00"):
        world = world.poll(hour, *all_of_them[:60], total_count=100)
    world = world.poll("03:00", *all_of_them[:60])
    assert world.last.outcome == "refused"
