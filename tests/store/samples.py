"""Small catalogues for a database to hold, and what feeds them to it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import text

from watcher.catalog.decision import Fetched
from watcher.catalog.feed import FeedModel, decide_feed, unknown_to
from watcher.catalog.model import Event
from watcher.catalog.policy import Policy
from watcher.catalog.poll import decide_list
from watcher.catalog.reading import read
from watcher.catalog.state import ModelState
from watcher.store.records import Poll
from watcher.store.store import Store

START = datetime(2026, 1, 4, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def document(model_id: str, prompt: str = "0.000001", **more: Any) -> dict[str, Any]:
    """Return a model's document as the API gives it."""
    return {
        "id": model_id,
        "name": f"Name of {model_id}",
        "description": f"What {model_id} is good at.",
        "context_length": 128000,
        "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]},
        "pricing": {"prompt": prompt, "completion": "0.000004"},
        "supported_parameters": ["tools", "stop"],
        **more,
    }


def unfit(model_id: str) -> dict[str, Any]:
    """Return a document whose prices cannot be read."""
    return {**document(model_id), "pricing": None}


def body(documents: Sequence[Mapping[str, Any]]) -> bytes:
    """Return a response body with these documents."""
    return msgspec.json.encode({"data": documents})


def event(number: int, **more: Any) -> Event:
    """Return an event, one a number."""
    return Event(
        **{
            "id": f"event-{number:06}",
            "kind": "new",
            "model": f"author/model-{number}",
            "name": f"Model {number}",
            "at": START,
            "since": START,
            **more,
        }
    )


class Polls:
    """Polls one after the other into a store, each judged from what the store remembers of the ones before."""

    def __init__(self, store: Store, policy: Policy | None = None) -> None:
        self.store = store
        self.policy = policy or Policy()

    def see(self, *documents: Mapping[str, Any], at: datetime, feed: Sequence[FeedModel] = ()) -> dict[str, ModelState]:
        """Judge a list (and a feed) with these documents, store what follows, and return the states as judged."""
        snapshot = read([body(documents)])
        with self.store.writing() as session:
            state = session.state
            known = replace(session.known(at), states=state.model_states())
            fetched = Fetched(snapshot)
            decision = decide_list(known, fetched, self.policy, at, baseline=known.last_good is None)
            states = {**known.states, **decision.states}
            fed, news = decide_feed(unknown_to(states, feed), now=at)
            together = replace(decision, states={**decision.states, **fed}, events=decision.events + news)
            session.save(known, fetched, together, Poll(at, decision.outcome, 1, snapshot.total))
        return {**states, **fed}


def contents(store: Store) -> dict[str, Any]:
    """Return everything that the store tells of the past and the present."""
    with store.reading() as session:
        return {
            "states": session.state.model_states(),
            "known": session.history.known(),
            "catalogue": session.history.catalogue(),
            "events": session.history.events(),
            "deliveries": session.outbox.listed(),
            "poll": session.state.last_poll(),
            "list": session.state.source("list"),
        }


def rows(store: Store, query: str) -> list[tuple[Any, ...]]:
    """Return what lies in the tables."""
    with store._transaction(writes=False) as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def moment(at: datetime | str) -> datetime:
    """The time of a column, which SQLite has as a text without a time zone."""
    found = datetime.fromisoformat(at) if isinstance(at, str) else at
    return found if found.tzinfo else found.replace(tzinfo=UTC)
