"""Bringing what is remembered up to what a poll showed, facet by facet, before anything is announced."""

from collections.abc import Collection
from datetime import datetime

from msgspec.structs import replace

from watcher.catalog import diff
from watcher.catalog.feed import told_as, told_unlisted
from watcher.catalog.model import Model
from watcher.catalog.policy import Policy
from watcher.catalog.reading import Reading, Snapshot, normalise, not_understood
from watcher.catalog.track import Track, Tracks


def observe(
    tracks: Tracks,
    snapshot: Snapshot,
    now: datetime,
    last_good: datetime | None,
    policy: Policy,
    *,
    unnamed: Collection[str] = (),
    fresh: bool = True,
) -> tuple[dict[str, Track], dict[str, Reading]]:
    """Return the tracks that the snapshot changes on the observed side, and the readings of documents that are new.

    A model counts as there while an entry without a readable id has its name. Where such an entry came when a model
    went, it may be that one, so this poll does not count as one without it.

    Args:
        unnamed: entries without a readable id at the last good poll, as in `Snapshot.unnamed`.
    """
    changed: dict[str, Track] = {}
    readings: dict[str, Reading] = {}
    unlisted = told_unlisted(tracks, snapshot.entries.keys())
    for model_id, entry in snapshot.entries.items():
        track = tracks.get(model_id)
        if track is not None and track.present and track.digest == entry.digest:
            continue
        reading = not_understood(model_id) if model_id in snapshot.conflicting else normalise(entry.raw, now)
        readings[model_id] = reading
        if track is None and (heard := told_as(reading.model, unlisted)) is not None:
            track = tracks[heard]
            # What was told is this one: the id that it was told by can be another model's, and is news then.
            changed[heard] = replace(track, announced=None)
            unlisted = {name: key for name, key in unlisted.items() if key != heard}
        changed[model_id] = _seen(track, reading.model, entry.digest, now, policy)
    doubtful = bool(set(snapshot.unnamed) - set(unnamed))
    for model_id, track in tracks.items():
        if track.listed and model_id not in snapshot.entries and track.model.name not in snapshot.unnamed:
            if track.present:
                missing = 0 if doubtful else 1
                changed[model_id] = replace(track, present=False, missing=missing, since=now, last_seen=last_good)
            elif track.announced and fresh:
                changed[model_id] = replace(track, missing=track.missing + 1)
    return changed, readings


def _seen(track: Track | None, model: Model, digest: bytes, now: datetime, policy: Policy) -> Track:
    if track is None:
        return Track(model, now, digest)
    if not track.listed:  # the feed knew it first: it is new unless somebody was told
        return Track(model, now, digest, announced=track.announced or None)
    facets = diff.fill_unknown(track.model.facets, model.facets)
    return replace(
        track,
        model=Model(model.id, facets),
        since=track.since if track.present else now,
        digest=digest,
        present=True,
        missing=0,
        last_seen=None,
        pending={}
        if track.announced is None
        else diff.update_pending(track.pending, track.model.facets, facets, now, policy.min_change),
    )
