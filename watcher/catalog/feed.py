"""The RSS feed as the second source: it can say that a model is new, and never that one is gone.

An item names a model by its base id, without a variant, and by its canonical slug. The feed goes back to the first
model of all, so it proves that a model was there once, not that it is there now.
"""

from collections.abc import Collection, Iterable
from datetime import datetime

from msgspec import Struct

from watcher.catalog import event
from watcher.catalog.diff import CANONICAL_SLUG, Pending
from watcher.catalog.model import Event, Model
from watcher.catalog.state import ModelState, ModelStates


class FeedModel(Struct, frozen=True):
    """A model as the RSS feed names it: by its base id and, where given, its canonical slug."""

    id: str
    name: str
    slug: str | None = None

    @property
    def names(self) -> set[str]:
        """The id and the slug."""
        return {self.id, self.slug or self.id}


def unknown_to(states: ModelStates, feed: Collection[FeedModel]) -> list[FeedModel]:
    """Return the models of the feed that no list and no feed before has shown, each once.

    The list has shown a model if it has, or had, its id, its canonical slug, or a variant of its id.
    """
    known = {name for state in states.values() for name in _names(state)}
    variants = {state.model.base_id for state in states.values() if state.listed}
    taken = {item.id for item in feed if item.id in variants or not known.isdisjoint(item.names)}
    unknown = []
    for item in feed:
        if taken.isdisjoint(item.names):
            unknown.append(item)
            taken |= item.names
    return unknown


def decide_feed(
    unknown: Iterable[FeedModel], *, now: datetime, baseline: bool = False
) -> tuple[dict[str, ModelState], tuple[Event, ...]]:
    """Announce models that only the feed knows (see `unknown_to`), marked as not yet listed.

    A `baseline` is the first feed that was read, so it is not news. Its models are new once the list has them.
    """
    states: dict[str, ModelState] = {}
    events: list[Event] = []
    for item in unknown:
        model = Model(item.id, {"name": item.name})
        # The list has not shown the slug, so it is a facet that was announced and is not observed.
        pending = {} if item.slug in (None, item.id) else {CANONICAL_SLUG: Pending(item.slug, now, None)}
        announced = None if baseline else True
        states[item.id] = ModelState(model, now, present=False, listed=False, announced=announced, pending=pending)
        if not baseline:
            events.append(event.model_event("new", model, now, now, marks=("unlisted",)))
    return states, tuple(events)


def announced_unlisted(states: ModelStates, listed: Collection[str]) -> dict[str, str]:
    """Return name → id of the models that were announced from the feed and that the list still does not have."""
    waiting = {key: state for key, state in states.items() if state.announced and not state.listed}
    return {name: key for key, state in waiting.items() if key not in listed for name in _names(state)}


def names_of(model: Model) -> tuple[str, str]:
    """Return the names under which the feed may have a listed model, the more certain one first."""
    return str(model.facets.get(CANONICAL_SLUG)), model.base_id


def _names(state: ModelState) -> set[str]:
    facets = state.model.facets if state.listed else state.announced_facets
    return {state.model.id, str(facets.get(CANONICAL_SLUG, state.model.id))}
