"""Any past moment can be rebuilt, and the past can be asked."""

import shutil
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.store.conftest import url
from tests.store.samples import HOUR, MINUTE, START, Polls, document, event, unfit
from watcher.catalog.diff import fill_unknown
from watcher.catalog.feed import FeedModel
from watcher.catalog.reading import normalise
from watcher.store.history import Version
from watcher.store.store import Store

IDS = [f"author/{letter}" for letter in "abcdefg"]

_DOCUMENTS = st.builds(
    dict,
    prompt=st.sampled_from(["0", "0.000001", "0.0000010", "0.000002"]),
    benchmarks=st.sampled_from([None, {"arena": 1}, {"arena": 2}]),
    name=st.sampled_from(["One", "Another"]),
    expiration_date=st.sampled_from([None, "2026-01-06"]),
    fits=st.sampled_from([True] * 6 + [False]),
)

_POLLS = st.lists(
    st.tuples(
        st.integers(1, 600),
        st.dictionaries(st.sampled_from(IDS), _DOCUMENTS),
        st.lists(st.sampled_from(IDS), max_size=2, unique=True),
    ),
    min_size=1,
    max_size=12,
)


def facets_at(history: list[Version], at: datetime) -> Any:
    """Return a model's facets at a moment, or None if it was not there."""
    found = [
        one.model.facets for one in history if one.valid_from <= at and (one.valid_to is None or one.valid_to > at)
    ]
    return found[0] if found else None


def as_listed(model_id: str, given: dict[str, Any]) -> dict[str, Any]:
    given = dict(given)
    return document(model_id, **given) if given.pop("fits") else unfit(model_id)


class Oracle:
    """What each model should be, kept in the plainest way: a copy of the catalogue for each moment."""

    def __init__(self) -> None:
        self.last: dict[str, Any] = {}
        self.now: dict[str, Any] = {}
        self.spelled: dict[str, bytes] = {}
        self.moments: list[tuple[datetime, dict[str, Any]]] = []
        self.versions = 0

    def see(self, at: datetime, listed: dict[str, dict[str, Any]]) -> None:
        """Take a believable list."""
        from msgspec import json

        for model_id, raw in listed.items():
            facets = normalise(json.encode(raw), at).model.facets
            self.last[model_id] = fill_unknown(self.last[model_id], facets) if model_id in self.last else facets
        spelled = {model_id: json.encode({**raw, "benchmarks": None}) for model_id, raw in listed.items()}
        shown = {model_id: self.last[model_id] for model_id in listed if model_id in self.last}
        self.versions += sum(
            (self.now.get(model_id), self.spelled.get(model_id)) != (facets, spelled[model_id])
            for model_id, facets in shown.items()
        )
        self.now, self.spelled = shown, spelled

    def keep(self, at: datetime) -> None:
        self.moments.append((at, dict(self.now)))


def facets_by_id(catalogue: list[Version]) -> dict[str, Any]:
    return {version.model.id: version.model.facets for version in catalogue}


@pytest.mark.slow
@settings(max_examples=20)
@given(history=_POLLS)
def test_every_past_moment_can_be_rebuilt(empty: Path, history: list[Any]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(shutil.copy(empty, folder))
        with Store.open(url(path)) as store:
            polls, oracle, at = Polls(store), Oracle(), START
            for minutes, catalogue, feed in history:
                at += minutes * MINUTE
                listed = {model_id: as_listed(model_id, given) for model_id, given in catalogue.items()}
                judged = polls.see(*listed.values(), at=at, feed=[FeedModel(name, "Of the feed") for name in feed])
                with store.reading() as session:
                    assert session.state.model_states() == judged
                    poll = session.state.last_poll()
                assert poll is not None
                if poll.outcome == "good":
                    oracle.see(at, listed)
                oracle.keep(at)
            with store.reading() as session:
                told = session.history
                assert told.catalogue(START) == []
                for moment, expected in oracle.moments:
                    assert facets_by_id(told.catalogue(moment)) == expected
                    assert facets_by_id(told.catalogue(moment + MINUTE / 2)) == expected
                assert facets_by_id(told.catalogue()) == oracle.now
                versions = {known.id: told.versions(known.id) for known in told.known()}
                assert sum(map(len, versions.values())) == oracle.versions
                for model_id, own in versions.items():
                    for version in own:
                        if b'"pricing":null' not in version.raw:
                            assert normalise(version.raw, START).model == version.model
                    for moment, expected in oracle.moments:
                        assert facets_at(own, moment) == expected.get(model_id)


def test_what_was_seen_is_told_with_its_dates(store: Store) -> None:
    polls = Polls(store)
    polls.see(document("author/a"), document("author/b"), at=START)
    polls.see(document("author/a", "2"), at=START + HOUR)
    with store.reading() as session:
        known = session.history.known()
        assert [(one.id, one.first_seen, one.last_seen, one.present) for one in known] == [
            ("author/a", START, None, True),
            ("author/b", START, START, False),
        ]
        assert session.history.known("author/b") == known[1:]
        assert session.history.known("author/c") == []
        assert [(v.valid_from, v.valid_to) for v in session.history.versions("author/a")] == [
            (START, START + HOUR),
            (START + HOUR, None),
        ]


def test_events_are_found_by_time_kind_and_model(store: Store) -> None:
    made = [
        event(number, at=START + number * HOUR, kind="new" if number % 2 else "expired", model=f"author/{number // 2}")
        for number in range(6)
    ]
    with store.writing() as session:
        session.state.add_events(tuple(reversed(made)))
    with store.reading() as session:
        events = session.history.events
        assert events() == made
        assert events(limit=2) == made[-2:]
        assert events(since=START + 4 * HOUR) == made[4:]
        assert events(kinds=["new"]) == made[1::2]
        assert events(kinds=["new", "expired"], about=["author/1"]) == made[2:4]
        assert events(about=["author/9"]) == []
