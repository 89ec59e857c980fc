"""The RSS feed as the second source: it can say that a model is new, and never that one is gone.

An item names a model by its base id, without a variant, and by its canonical slug, and the feed goes back to the first
model of all: it proves that a model was there once, not that it is there now.
"""

from collections.abc import Collection, Iterable
from datetime import datetime

from msgspec import Struct

from watcher.catalog import event
from watcher.catalog.diff import CANONICAL_SLUG, Pending, announced_facets
from watcher.catalog.model import Facets, Model
from watcher.catalog.track import Judgement, Track, Tracks


class FeedModel(Struct, frozen=True):
    """A model as the RSS feed names it: by its base id, and by its canonical slug where that is given."""

    id: str
    name: str
    slug: str | None = None

    @property
    def names(self) -> set[str]:
        """Both."""
        return {self.id} if self.slug is None else {self.id, self.slug}


def unknown_to(tracks: Tracks, feed: Collection[FeedModel]) -> list[FeedModel]:
    """Return the models of the feed that no list and no feed before has shown, each once.

    The list has shown a model if it has, or had, its id, its canonical slug, or a variant of its id.
    """
    known = {name for track in tracks.values() for name in _names(track)}
    variants = {base_id(model_id) for model_id, track in tracks.items() if track.listed}
    taken = {item.id for item in feed if item.id in variants or not known.isdisjoint(item.names)}
    unknown = []
    for item in feed:
        if taken.isdisjoint(item.names):
            unknown.append(item)
            taken |= item.names
    return unknown


def judge_feed(unknown: Iterable[FeedModel], *, now: datetime, baseline: bool = False) -> Judgement:
    """Announce models that only the feed knows, marked as not yet listed; the feed never says that one is gone.

    Args:
        unknown: the entries that `unknown_to` returned.
        now: the time of the poll (UTC).
        baseline: this is the first feed that was read: what it shows is how things are, not news. Nobody is told of
            it, so it is news when the list has it.
    """
    tracks = {item.id: _remembered(item, now, announced=None if baseline else True) for item in unknown}
    models = () if baseline else tuple(track.model for track in tracks.values())
    events = tuple(event.model_event("new", model, now, now, marks=("unlisted",)) for model in models)
    return Judgement(tracks, events)


def told_unlisted(tracks: Tracks, listed: Collection[str]) -> dict[str, str]:
    """Return the models that were announced from the feed alone and that the list still does not have.

    That is their ids by each of their names.
    """
    waiting = {key: track for key, track in tracks.items() if track.announced and not track.listed}
    return {name: key for key, track in waiting.items() if key not in listed for name in _names(track)}


def told_as(model: Model, unlisted: dict[str, str]) -> str | None:
    """Return the id under which the model was announced from the feed, if it is one of those in `told_unlisted`."""
    return unlisted.get(str(model.facets.get(CANONICAL_SLUG))) or unlisted.get(base_id(model.id))


def base_id(model_id: str) -> str:
    """Return the id without its variant: `a/b` of `a/b:free`."""
    return model_id.partition(":")[0]


def _remembered(item: FeedModel, now: datetime, *, announced: bool | None) -> Track:
    # The list has not shown the slug: it is known as a facet that was announced and is not observed.
    pending = {} if item.slug in (None, item.id) else {CANONICAL_SLUG: Pending(item.slug, now, None)}
    model = Model(item.id, {"name": item.name})
    return Track(model, now, present=False, listed=False, announced=announced, pending=pending)


def _names(track: Track) -> set[str]:
    facets: Facets = track.model.facets if track.listed else announced_facets(track.model.facets, track.pending)
    return {track.model.id, str(facets.get(CANONICAL_SLUG, track.model.id))}
