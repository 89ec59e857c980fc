"""The RSS feed as the second source: it can say that a model is new, and never that one is gone.

An item names a model by its base id, without a variant, and by its canonical slug, and the feed goes back to the first
model of all: it proves that a model was there once, not that it is there now.
"""

from collections.abc import Collection, Iterable
from datetime import datetime

from msgspec import Struct

from watcher.catalog import event
from watcher.catalog.diff import CANONICAL_SLUG, Pending, announced_facets
from watcher.catalog.model import Event, Facets, Model
from watcher.catalog.state import ModelState, ModelStates


class FeedModel(Struct, frozen=True):
    """A model as the RSS feed names it: by its base id, and by its canonical slug where that is given."""

    id: str
    name: str
    slug: str | None = None

    @property
    def names(self) -> set[str]:
        """Both."""
        return {self.id} if self.slug is None else {self.id, self.slug}


def unknown_to(states: ModelStates, feed: Collection[FeedModel]) -> list[FeedModel]:
    """Return the models of the feed that no list and no feed before has shown, each once.

    The list has shown a model if it has, or had, its id, its canonical slug, or a variant of its id.
    """
    known = {name for state in states.values() for name in _names(state)}
    variants = {base_id(model_id) for model_id, state in states.items() if state.listed}
    taken = {item.id for item in feed if item.id in variants or not known.isdisjoint(item.names)}
    unknown = []
    for item in feed:
        if taken.isdisjoint(item.names):
            unknown.append(item)
            taken |= item.names
    return unknown


def judge_feed(
    unknown: Iterable[FeedModel], *, now: datetime, baseline: bool = False
) -> tuple[dict[str, ModelState], tuple[Event, ...]]:
    """Announce models that only the feed knows, marked as not yet listed; the feed never says that one is gone.

    Args:
        unknown: the entries that `unknown_to` returned.
        now: the time of the poll (UTC).
        baseline: this is the first feed that was read: what it shows is how things are, not news. Nobody is told of
            it, so it is news when the list has it.
    """
    states = {item.id: _remembered(item, now, announced=None if baseline else True) for item in unknown}
    models = () if baseline else tuple(state.model for state in states.values())
    events = tuple(event.model_event("new", model, now, now, marks=("unlisted",)) for model in models)
    return states, events


def told_unlisted(states: ModelStates, listed: Collection[str]) -> dict[str, str]:
    """Return the models that were announced from the feed alone and that the list still does not have.

    That is their ids by each of their names.
    """
    waiting = {key: state for key, state in states.items() if state.announced and not state.listed}
    return {name: key for key, state in waiting.items() if key not in listed for name in _names(state)}


def told_as(model: Model, unlisted: dict[str, str]) -> str | None:
    """Return the id under which the model was announced from the feed, if it is one of those in `told_unlisted`."""
    return unlisted.get(str(model.facets.get(CANONICAL_SLUG))) or unlisted.get(base_id(model.id))


def base_id(model_id: str) -> str:
    """Return the id without its variant: `a/b` of `a/b:free`."""
    return model_id.partition(":")[0]


def _remembered(item: FeedModel, now: datetime, *, announced: bool | None) -> ModelState:
    # The list has not shown the slug: it is known as a facet that was announced and is not observed.
    pending = {} if item.slug in (None, item.id) else {CANONICAL_SLUG: Pending(item.slug, now, None)}
    model = Model(item.id, {"name": item.name})
    return ModelState(model, now, present=False, listed=False, announced=announced, pending=pending)


def _names(state: ModelState) -> set[str]:
    facets: Facets = state.model.facets if state.listed else announced_facets(state.model.facets, state.pending)
    return {state.model.id, str(facets.get(CANONICAL_SLUG, state.model.id))}
