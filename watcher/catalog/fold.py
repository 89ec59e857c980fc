"""Rewrites of the whole catalogue: the same change on many models in one poll is one `changed` event, not hundreds.

Folded are fields that change in the same way (they appear, vanish, are respelled, or go from one value to another), and
prices that begin or cease to be published: tiers, schedules and keys that a model is not priced by. Never folded are a
price that moves, presence, and what calls depend on as much: where an id leads, and when it ends. Everybody who asked
is told of their own models.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from msgspec import Struct

from watcher.catalog import diff, event, price
from watcher.catalog.model import Event, Facets, FieldChange
from watcher.catalog.pricing import OVERRIDES, base_path, headline_keys, is_price, is_tier, price_key, prices_of
from watcher.catalog.settle import Moment
from watcher.catalog.state import ModelState, ModelStates

_WORD = re.compile(r"\w+")


class Folded(Struct, frozen=True):
    """One event that stands for the same changes on many models."""

    event: Event
    paths: dict[str, set[str]]
    """By model, the facets that it announces."""


class _Way(Struct, frozen=True, order=True):
    """What happened to a field."""

    field: str
    verb: str
    values: str = ""
    """Old and new value, where that is what the models have in common."""


def fold(states: ModelStates, moment: Moment) -> Folded | None:
    """Return the one event about all rewrites of the whole catalogue that have settled, if there are any."""
    policy = moment.policy
    groups: dict[tuple[_Way, datetime], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for model_id, state in states.items():
        if state.present and state.announced:
            for path, held in state.pending.items():
                if way := _way(path, held.announced, state):
                    groups[way, held.since][model_id].add(path)
    present = sum(state.present for state in states.values())
    large = {
        (way, since): members
        for (way, since), members in sorted(groups.items())
        if len(members) >= policy.fold_models
        and len(members) >= policy.fold_share * present
        and moment.settled(since, policy.settle if is_price(way.field) else policy.settle_changed)
    }
    for (way, since), members in groups.items():  # what was published with the others, and has moved since
        first = min((at for other, at in large if other == way), default=None)
        if way.field == OVERRIDES and first is not None and since > first:
            for model_id, found in members.items():
                large[way, first][model_id] |= found
    if not large:
        return None
    paths: dict[str, set[str]] = defaultdict(set)
    fields: dict[str, FieldChange] = {}
    for (way, _), members in large.items():
        pairs = [
            (states[model_id].pending[path].announced, states[model_id].model.facets.get(path))
            for model_id, found in members.items()
            for path in found
        ]
        fields[way.field] = FieldChange(_common(old for old, _ in pairs), _common(new for _, new in pairs))
        for model_id, found in members.items():
            paths[model_id] |= found
    lines = [f"{way.field} {way.verb} on {len(members)} of {present} models" for (way, _), members in large.items()]
    since = max(since for _, since in large)
    return Folded(event.catalogue_event(moment.now, since, fields, lines), paths)


def _way(path: str, announced: Any, state: ModelState) -> _Way | None:
    """Return what happened to the field at a path, or None for what is never folded."""
    value = state.model.facets.get(path)
    if is_price(path):
        return _publication(path, diff.announced_facets(state.model.facets, state.pending), state.model.facets)
    if not diff.is_other(path):
        return None
    if announced is None or value is None:
        return _Way(path, _appeared(announced))
    if not diff.is_watched(path):
        return _Way(path, "changed")
    if _spelling(announced) == _spelling(value):
        return _Way(path, "respelled")
    return _Way(path, "changed", json.dumps([announced, value], sort_keys=True))


def _publication(path: str, before: Facets, after: Facets) -> _Way | None:
    """Return how a price began or ceased to be published, or None for one that moved."""
    old, new = before.get(path), after.get(path)
    if is_tier(path):
        without = before if old is None else after
        stated = any(is_tier(other) and base_path(other) == base_path(path) for other in without)
        return None if stated or None not in (old, new) else _Way(OVERRIDES, _appeared(old))
    if old is not None and new is not None:
        schedule, plain = (new, old) if price.is_schedule(new) else (old, new)
        if price.is_schedule(plain) or plain not in {value for _, value in price.pieces(schedule)}:
            return None
        return _Way(OVERRIDES, "appeared" if schedule == new else "disappeared") if plain != schedule else None
    if any(price_key(path) in headline_keys(prices_of(facets)) for facets in (before, after)):
        return None
    return _Way(path, _appeared(old))


def _appeared(announced: Any) -> str:
    return "appeared" if announced is None else "disappeared"


def _spelling(value: Any) -> list[str]:
    """Return what a value says, whatever the order, the case and what stands between the words."""
    return sorted(_WORD.findall(json.dumps(value, sort_keys=True).casefold()))


def _common(values: Iterable[Any]) -> Any:
    """Return the value that all share, or None."""
    first, *others = values
    return first if all(value == first for value in others) else None
