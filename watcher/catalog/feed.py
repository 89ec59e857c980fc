"""The RSS feed as the second source: it can say that a model is new, and never that one is gone."""

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct

from watcher.catalog import event
from watcher.catalog.diff import CANONICAL_SLUG
from watcher.catalog.model import Model
from watcher.catalog.track import Judgement, Track, Tracks


class FeedModel(Struct, frozen=True):
    """A model as the RSS feed names it."""

    id: str
    name: str
    may_be_slug: bool = False
    """Whether the id may be the canonical slug of another id."""


def unknown_to(tracks: Tracks, feed: Iterable[FeedModel]) -> list[FeedModel]:
    """Return the models of the feed that are not known."""
    slugs = {track.model.facets.get(CANONICAL_SLUG) for track in tracks.values()}
    return [entry for entry in feed if entry.id not in tracks and not (entry.may_be_slug and entry.id in slugs)]


def judge_feed(unknown: Iterable[FeedModel], *, now: datetime, baseline: bool = False) -> Judgement:
    """Announce models that only the feed knows, marked as not yet listed; the feed never says that one is gone.

    Args:
        unknown: the entries that `unknown_to` returned.
        now: the time of the poll (UTC).
        baseline: this is the first feed that was read: what it shows is how things are, not news.
    """
    models = [Model(entry.id, {"name": entry.name}) for entry in unknown]
    tracks = {model.id: Track(model, now, present=False, listed=False, announced=True) for model in models}
    events = (
        () if baseline else tuple(event.model_event("new", model, now, now, marks=("unlisted",)) for model in models)
    )
    return Judgement(tracks, events)
