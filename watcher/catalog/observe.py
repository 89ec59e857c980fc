"""Bringing what is remembered up to what a poll showed, facet by facet, before anything is announced."""

from datetime import datetime

from msgspec.structs import replace

from watcher.catalog import diff
from watcher.catalog.diff import CANONICAL_SLUG
from watcher.catalog.model import Facets, Model
from watcher.catalog.policy import Policy
from watcher.catalog.reading import Entry, Snapshot, UnfitError, normalise
from watcher.catalog.track import Track, Tracks


def observe(
    tracks: Tracks,
    snapshot: Snapshot,
    now: datetime,
    last_good: datetime | None,
    policy: Policy,
    *,
    fresh: bool = True,
) -> tuple[dict[str, Track], dict[str, str]]:
    """Return the tracks that the snapshot changes on the observed side, and what is wrong with each unfit document."""
    changed: dict[str, Track] = {}
    unfit: dict[str, str] = {}
    for model_id, entry in snapshot.entries.items():
        track = tracks.get(model_id)
        if track is not None and track.present and track.digest == entry.digest:
            continue
        try:
            model = normalise(entry.raw)
        except UnfitError as error:
            unfit[model_id] = str(error)
            if track is not None and track.listed and not track.present:
                changed[model_id] = replace(track, present=True, missing=0, since=now, last_seen=None)
            continue
        changed[model_id] = _seen(track or _as_slug(tracks, model), model, entry, now, policy)
    for model_id, track in tracks.items():
        if track.listed and model_id not in snapshot.entries:
            if track.present:
                changed[model_id] = replace(track, present=False, missing=1, since=now, last_seen=last_good)
            elif track.announced and fresh:
                changed[model_id] = replace(track, missing=track.missing + 1)
    return changed, unfit


def shows_the_same(facets: Facets, raw: bytes) -> bool:
    """Whether a document is of a model as it was seen last, so that `observe` changes nothing but the digest."""
    try:
        model = normalise(raw)
    except UnfitError:
        return False
    return diff.carry(facets, model.facets) == facets


def _as_slug(tracks: Tracks, model: Model) -> Track | None:
    """Return the track of a model that the feed named by the canonical slug of this one, if it did."""
    track = tracks.get(str(model.facets.get(CANONICAL_SLUG)))
    return None if track is None or track.listed else track


def _seen(track: Track | None, model: Model, entry: Entry, now: datetime, policy: Policy) -> Track:
    if track is None:
        return Track(model, now, entry.digest)
    if not track.listed:  # the feed knew it first
        return replace(track, model=model, since=now, digest=entry.digest, present=True, listed=True)
    facets = diff.carry(track.model.facets, model.facets)
    return replace(
        track,
        model=Model(model.id, facets),
        since=track.since if track.present else now,
        digest=entry.digest,
        present=True,
        missing=0,
        last_seen=None,
        pending={}
        if track.announced is None
        else diff.pend(track.pending, track.model.facets, facets, now, policy.min_change),
    )
