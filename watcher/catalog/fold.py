"""Rewrites of the whole catalogue: the same change on many models in one poll is one event of a kind, not hundreds.

Prices and presence are never folded.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from watcher.catalog import diff, event
from watcher.catalog.diff import EXPIRATION, TARGETS
from watcher.catalog.model import Event, FieldChange, Kind
from watcher.catalog.settle import Moment, wait_for
from watcher.catalog.track import Tracks

NAMED = 20
"""Models named in an event that stands for many."""


class Folded(Struct, frozen=True):
    events: list[Event]
    paths: dict[str, set[str]]
    """By model, the facets that they announce."""


def fold(tracks: Tracks, moment: Moment) -> Folded | None:
    """Return the events about rewrites of the whole catalogue that have settled, at most one of a kind."""
    policy = moment.policy
    groups: dict[tuple[str, str, datetime], list[str]] = defaultdict(list)
    for model_id, track in tracks.items():
        if track.present and track.announced:
            for path, held in track.pending.items():
                if not diff.is_price(path) and moment.settled(held.since, wait_for(path, policy)):
                    groups[path, _way(held.told, track.model.facets.get(path)), held.since].append(model_id)
    present = sum(track.present for track in tracks.values())
    large = {
        key: sorted(ids)
        for key, ids in sorted(groups.items())
        if len(ids) >= policy.fold_models and len(ids) >= policy.fold_share * present
    }
    if not large:
        return None
    paths: dict[str, set[str]] = defaultdict(set)
    by_kind: dict[Kind, list[tuple[str, str, datetime]]] = defaultdict(list)
    for key, ids in large.items():
        by_kind[_kind(key[0])].append(key)
        for model_id in ids:
            paths[model_id].add(key[0])
    events = [_folded_event(kind, {key: large[key] for key in keys}, tracks, moment) for kind, keys in by_kind.items()]
    return Folded(events, paths)


def _folded_event(
    kind: Kind, groups: Mapping[tuple[str, str, datetime], list[str]], tracks: Tracks, moment: Moment
) -> Event:
    present = sum(track.present for track in tracks.values())
    fields: dict[str, FieldChange] = {}
    lines: list[str] = []
    for (path, way, _), ids in groups.items():
        fields[path] = FieldChange(
            _common(tracks[model_id].pending[path].told for model_id in ids),
            _common(tracks[model_id].model.facets.get(path) for model_id in ids),
        )
        # A field of the API's that nobody asked about needs no names; where calls go and when they end does.
        names = f": {', '.join(ids[:NAMED])}{', …' if len(ids) > NAMED else ''}" if kind != "changed" else ""
        lines.append(f"{path} {way} on {len(ids)} of {present} models{names}")
    return event.catalogue_event(kind, moment.now, max(since for _, _, since in groups), fields, lines)


def _kind(path: str) -> Kind:
    if path == EXPIRATION:
        return "expiring"
    return "retargeted" if path in TARGETS else "changed"


def _way(told: Any, value: Any) -> str:
    if told is None:
        return "appeared"
    return "disappeared" if value is None else "changed"


def _common(values: Iterable[Any]) -> Any:
    """Return the value that all share, or None."""
    first, *others = values
    return first if all(value == first for value in others) else None
