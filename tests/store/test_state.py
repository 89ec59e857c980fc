"""What is remembered between two polls comes back as it was; what has not changed is not stored again."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from tests.store.samples import HOUR, MINUTE, START, Polls, body, document, event, rows, unfit
from watcher.catalog.decision import SourceState
from watcher.catalog.diff import Pending
from watcher.catalog.feed import FeedModel
from watcher.catalog.health import Health
from watcher.catalog.model import Model
from watcher.catalog.policy import Policy
from watcher.catalog.reading import Entry, read
from watcher.catalog.state import ModelState
from watcher.store.documents import decompress, unpack
from watcher.store.records import Poll
from watcher.store.store import Store

A, B = "author/a", "author/b"


def states(store: Store) -> dict[str, ModelState]:
    with store.reading() as session:
        return session.state.model_states()


def save(store: Store, *changed: ModelState, **entries: Entry) -> None:
    with store.writing() as session:
        before = session.state.model_states()
        named = {model_state.model.id: model_state for model_state in changed}
        session.state.save_states(named, before, entries, START)


# Sources and polls


@pytest.mark.parametrize(
    "source",
    [
        SourceState("https://openrouter.ai/api/v1?a=b", "policy", b"\x00digest\xff", 340, START, Health()),
        SourceState("", "", b""),
        SourceState(
            "q", "p", b"d", 1, None, Health(3, START, True, 2, START + HOUR, ("a/b", "c/d"), "it is too short")
        ),
    ],
)
def test_a_source_comes_back_as_it_was_saved(source: SourceState, store: Store) -> None:
    with store.writing() as session:
        session.state.save_source("feed", SourceState("another", "", b""))
        session.state.save_source("list", SourceState("before", "", b""))
        session.state.save_source("list", source)
    with store.reading() as session:
        assert session.state.source("list") == source
        assert session.state.source("feed") == SourceState("another", "", b"")


def test_what_was_never_seen_is_none(store: Store) -> None:
    with store.reading() as session:
        assert session.state.source("list") == SourceState()
        assert session.state.last_poll() is None
        assert session.state.last_good() is None
        assert session.state.model_states() == {}


def test_the_standing_is_the_last_good_poll_and_the_health_of_the_list(store: Store) -> None:
    refused = Poll(START + HOUR, "refused", 12, 3, 1, "too few models", "the feed is broken")
    with store.writing() as session:
        session.state.add_poll(Poll(START, "good", 5, 300))
        session.state.add_poll(refused)
        session.state.save_source("list", SourceState("", "", b"", health=Health(failures=1)))
    with store.reading() as session:
        assert session.state.last_poll() == refused
        assert session.state.last_good() == START
        assert session.state.source("list").health == Health(failures=1)


# ModelStates


PENDING = {
    "pricing.prompt": Pending("0.1", START, "0.2"),
    "context_length": Pending(None, START + HOUR, 128000),
    "supported_parameters": Pending(["stop", "tools"], START + timedelta(microseconds=1), ["tools"]),
    "reasoning.efforts": Pending({"low": [1, 2.5, None, True]}, START, None),
}


@pytest.mark.parametrize(
    "more",
    [
        {"announced": None},
        {"announced": True, "pending": PENDING, "reminded": 3},
        {"announced": False},
        {"listed": True, "present": True, "digest": b"\x00\xff", "announced": True},
    ],
)
def test_a_model_that_is_there_comes_back_as_it_was_saved(more: dict[str, Any], store: Store) -> None:
    (entry,) = read([body([document(A)])]).entries.values()
    model_state = replace(ModelState(Model(A, {"name": "A", "pricing.prompt": "0.2"}), START, entry.digest), **more)
    if "digest" in more:
        entry = Entry(entry.raw, model_state.digest)
    save(store, model_state, **{A: entry})
    assert states(store) == {A: model_state}


def test_a_model_that_is_gone_is_remembered_with_all_it_was(store: Store) -> None:
    polls = Polls(store)
    polls.see(document(A), document(B), at=START)
    polls.see(document(A), at=START + HOUR)
    judged = polls.see(document(A), at=START + 2 * HOUR)
    assert states(store) == judged
    gone = judged[B]
    assert (gone.present, gone.announced, gone.last_seen) == (False, False, START)
    assert gone.model.facets["pricing.prompt"] == "0.000001"
    assert polls.see(document(A), at=START + 3 * HOUR) == judged


def test_a_model_that_only_the_feed_knows_is_remembered_and_later_listed(store: Store) -> None:
    polls = Polls(store)
    judged = polls.see(document(A), at=START, feed=[FeedModel(B, "From the feed")])
    assert states(store) == judged
    assert judged[B] == ModelState(
        Model(B, {"name": "From the feed"}), START, present=False, listed=False, announced=True
    )
    with store.reading() as session:
        assert session.history.versions(B) == []
        (known,) = session.history.known(B)
        assert (known.name, known.present, known.listed) == ("From the feed", False, False)
    judged = polls.see(document(A), document(B), at=START + HOUR)
    assert states(store) == judged
    assert judged[B].listed


def test_a_model_that_returns_without_readable_prices_has_those_that_it_had(store: Store) -> None:
    polls = Polls(store)
    polls.see(document(A), document(B), at=START)
    polls.see(document(A), at=START + HOUR)
    judged = polls.see(document(A), unfit(B), at=START + 2 * HOUR)
    assert states(store) == judged
    assert judged[B].present
    with store.reading() as session:
        first, second = session.history.versions(B)
    assert (first.valid_from, first.valid_to) == (START, START + HOUR)
    assert (second.valid_from, second.valid_to) == (START + 2 * HOUR, None)
    assert second.model == first.model
    assert b'"pricing":null' in second.raw


@pytest.mark.parametrize("depth", [100, 100_000])
def test_a_document_nested_without_end_costs_no_other_model_anything(depth: int, store: Store) -> None:
    polls = Polls(store)
    polls.see(document(A), document(B), at=START)
    polls.see(document(A), at=START + HOUR)
    nested = b'{"benchmarks":' + b"[" * depth + b"]" * depth + b"}"
    hostile = Entry(nested, b"another")
    with store.writing() as session:
        before = session.state.model_states()
        back = replace(before[B], present=True, missing=0, since=START + 2 * HOUR, last_seen=None)
        session.state.save_states({B: back}, before, {B: hostile}, START + 2 * HOUR)
    assert states(store)[B] == back


def test_a_clock_that_steps_back_does_not_bring_back_what_was(store: Store) -> None:
    polls = Polls(store)
    for step, (minutes, price) in enumerate([(0, "1"), (120, "2"), (60, "3"), (90, "4")]):
        judged = polls.see(document(A, price), at=START + minutes * MINUTE)
        assert states(store) == judged, step
    assert judged[A].model.facets["pricing.prompt"] == "4"

    def offered(at: datetime | None) -> list[str]:
        with store.reading() as session:
            return [version.model.facets["pricing.prompt"] for version in session.history.catalogue(at)]

    assert offered(None) == offered(START + 120 * MINUTE) == ["4"]
    assert offered(START + 70 * MINUTE) == ["1"]  # one state, though it is not known which
    polls.see(document(B), at=START + 95 * MINUTE)
    polls.see(document(A, "5"), document(B), at=START + 97 * MINUTE)
    assert offered(START + 70 * MINUTE) == ["1"]
    assert "5" in offered(None)


def test_two_saves_at_one_moment_leave_the_second(store: Store) -> None:
    polls = Polls(store)
    for price in "123":
        judged = polls.see(document(A, price), at=START)
    assert states(store) == judged
    with store.reading() as session:
        assert [v.model.facets["pricing.prompt"] for v in session.history.catalogue(START)] == ["3"]


def test_first_seen_stays(store: Store) -> None:
    polls = Polls(store)
    for hours in range(3):
        polls.see(document(A, str(hours + 1)), at=START + hours * HOUR)
    with store.reading() as session:
        (known,) = session.history.known()
    assert (known.first_seen, known.last_seen, known.present) == (START, None, True)


# Versions


def test_an_unchanged_poll_adds_no_version_and_one_row(store: Store) -> None:
    polls = Polls(store)
    polls.see(document(A), document(B), at=START)
    before = {name: rows(store, f"SELECT * FROM {name}") for name in ("models", "versions", "events")}
    polls.see(document(B), document(A), at=START + HOUR)
    assert {name: rows(store, f"SELECT * FROM {name}") for name in before} == before
    assert len(rows(store, "SELECT * FROM polls")) == 2


def test_each_spelling_of_the_same_is_a_version_with_its_document(store: Store) -> None:
    polls = Polls(store)
    spellings = [document(A, "0.50"), document(A, "5e-1", hugging_face_id="", supported_parameters=["stop", "tools"])]
    for number in range(4):
        judged = polls.see(spellings[number // 2], at=START + number * HOUR)
        assert states(store) == judged  # with the digest of the new spelling: it is read once only
    with store.reading() as session:
        first, second = session.history.versions(A)
    assert (first.valid_from, first.valid_to, second.valid_from) == (START, START + 2 * HOUR, START + 2 * HOUR)
    assert first.model == second.model
    assert [json.loads(version.raw) for version in (first, second)] == spellings


def test_benchmarks_are_kept_in_their_latest_form_only(store: Store) -> None:
    polls = Polls(store)
    for number in range(5):
        polls.see(document(A, benchmarks={"arena": number}), at=START + number * HOUR)
    ((kept,),) = rows(store, "SELECT benchmarks FROM models")
    assert unpack(kept, dict[str, int]) == {"arena": 4}
    ((raw,),) = rows(store, "SELECT raw FROM versions")
    assert "benchmarks" not in json.loads(decompress(raw))
    polls.see(document(A), at=START + 5 * HOUR)
    assert rows(store, "SELECT benchmarks FROM models") == [(None,)]
    assert len(rows(store, "SELECT * FROM versions")) == 1


def test_the_benchmarks_of_a_model_stay_when_it_is_gone(store: Store) -> None:
    polls = Polls(store, Policy(confirm_expired=1))
    polls.see(document(A), document(B, benchmarks={"arena": 7}), at=START)
    kept = rows(store, "SELECT benchmarks FROM models WHERE benchmarks IS NOT NULL")
    polls.see(document(A), at=START + HOUR)
    polls.see(document(A), at=START + 2 * HOUR)
    assert rows(store, "SELECT benchmarks FROM models WHERE benchmarks IS NOT NULL") == kept != []


@pytest.mark.parametrize("benchmarks", [b"", b',"benchmarks":null', b',"benchmarks":{"a":1.50}', b',"benchmarks":{}'])
def test_a_document_is_kept_as_it_came(benchmarks: bytes, store: Store) -> None:
    spelled = (
        b'{"id":"author/a","name":"\\u0041","pricing":{"prompt":"0.10","completion":"1"},"created":1700000000.0,"odd":'
        b'[1.50,1e3,123456789012345678901234567890,-0.0,{"deep":"\\u00e9"}],"empty":""%s}' % benchmarks
    )
    snapshot = read([b'{"data":[%s]}' % spelled])
    with store.writing() as session:
        (entry,) = snapshot.entries.values()
        model_state = ModelState(Model(A, {"name": "A"}), START, entry.digest)
        session.state.save_states({A: model_state}, {}, snapshot.entries, START)
        (version,) = session.history.versions(A)
    without = json.loads(spelled, parse_float=str, parse_int=str)
    without.pop("benchmarks", None)
    assert json.loads(version.raw, parse_float=str, parse_int=str) == without


@pytest.mark.parametrize(
    "value",
    [
        0,
        -1,
        2**63,
        2**64,
        10**30,
        1.5,
        1e300,
        -0.25,
        True,
        "é\u2028\U0001f600",
        [1, [2, {"x": None}]],
        {"deep": {"er": []}},
    ],
)
def test_any_value_of_a_facet_comes_back(value: object, store: Store) -> None:
    judged = Polls(store).see(document(A, unknown=value), at=START)
    assert states(store) == judged


# Events


def test_an_event_that_is_there_stays_as_it_is(store: Store) -> None:
    with store.writing() as session:
        session.state.add_events((event(1), event(2)))
    with store.writing() as session:
        session.state.add_events((event(2, name="told differently"), event(3)))
        session.state.add_events(())
    with store.reading() as session:
        assert session.history.events() == [event(1), event(2), event(3)]


def test_imported_events_are_marked(store: Store) -> None:
    with store.writing() as session:
        session.state.add_events((event(1),))
        session.state.add_events((event(1), event(2)), imported=True)
    assert rows(store, "SELECT id, imported FROM events ORDER BY id") == [(event(1).id, 0), (event(2).id, 1)]


def test_a_store_opened_again_remembers_the_same(database: str) -> None:
    with Store.open(database) as store:
        judged = Polls(store).see(document(A), document(B), at=START)
    with Store.open(database) as store:
        assert states(store) == judged


def test_the_ids_in_paths_are_those_of_the_last_whole_scan(store: Store) -> None:
    for found in ({"b/two", "a/one"}, {"a/one", "~c/three:free"}, set[str]()):
        with store.writing() as session:
            session.state.save_found_models(found)
        with store.reading() as session:
            assert session.state.found_models() == found
            assert session.known(START).mine == found
