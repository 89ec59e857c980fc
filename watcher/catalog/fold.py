"""Rewrites of the whole catalogue: the same change on many models in one poll is one `changed` event, not hundreds.

Never folded are prices, presence, and what calls depend on as much: where an id leads, and when it ends. Everybody who
asked is told of their own models.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from msgspec import Struct

from watcher.catalog import diff, event
from watcher.catalog.model import Event, FieldChange
from watcher.catalog.settle import Moment
from watcher.catalog.track import Tracks


class Folded(Struct, frozen=True):
    """One event that stands for the same changes on many models."""

    event: Event
    paths: dict[str, set[str]]
    """By model, the facets that it announces."""


def fold(tracks: Tracks, moment: Moment) -> Folded | None:
    """Return the one event about all rewrites of the whole catalogue that have settled, if there are any."""
    policy = moment.policy
    groups: dict[tuple[str, str, datetime], list[str]] = defaultdict(list)
    for model_id, track in tracks.items():
        if track.present and track.announced:
            for path, held in track.pending.items():
                if diff.is_other(path) and moment.settled(held.since, policy.settle_changed):
                    groups[path, _way(held.told, track.model.facets.get(path)), held.since].append(model_id)
    present = sum(track.present for track in tracks.values())
    large = {
        key: ids
        for key, ids in sorted(groups.items())
        if len(ids) >= policy.fold_models and len(ids) >= policy.fold_share * present
    }
    if not large:
        return None
    paths: dict[str, set[str]] = defaultdict(set)
    fields: dict[str, FieldChange] = {}
    for (path, _, _), ids in large.items():
        fields[path] = FieldChange(
            _common(tracks[model_id].pending[path].told for model_id in ids),
            _common(tracks[model_id].model.facets.get(path) for model_id in ids),
        )
        for model_id in ids:
            paths[model_id].add(path)
    lines = [f"{path} {way} on {len(ids)} of {present} models" for (path, way, _), ids in large.items()]
    since = max(since for _, _, since in large)
    return Folded(event.catalogue_event(moment.now, since, fields, lines), paths)


def _way(told: Any, value: Any) -> str:
    if told is None:
        return "appeared"
    return "disappeared" if value is None else "changed"


def _common(values: Iterable[Any]) -> Any:
    """Return the value that all share, or None."""
    first, *others = values
    return first if all(value == first for value in others) else None
