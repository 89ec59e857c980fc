"""Rewrites of the whole catalogue: the same change on many models in one poll is one `changed` event, not hundreds.

Folded are fields that change in the same way (they appear, vanish, are respelled, or go from one value to another), and
prices that begin or cease to be published: tiers, schedules and keys that a model is not priced by. Never folded are a
price that moves, presence, targets and expiration dates: everybody who asked gets those about their own models.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from watcher.catalog import diff, event, price
from watcher.catalog.model import Event, Facets, FieldChange
from watcher.catalog.pricing import OVERRIDES, is_headline, is_price, is_tier, price_key
from watcher.catalog.settle import Moment
from watcher.catalog.state import ModelState, ModelStates

_WORD = re.compile(r"\w+")


class _Change(NamedTuple):
    """What happened to a field."""

    field: str
    verb: str
    values: str = ""
    """The old and the new value, where all models share them."""


def fold(states: ModelStates, moment: Moment) -> tuple[list[Event], dict[str, set[str]]]:
    """Return the event about all settled rewrites of the catalogue, if any, and model → facets that it announces."""
    policy = moment.policy
    groups: dict[tuple[_Change, datetime], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for model_id, state in states.items():
        if state.present and state.announced:
            for path, held in state.pending.items():
                if change := _change(path, held.announced, state):
                    groups[change, held.since][model_id].add(path)
    present = sum(state.present for state in states.values())
    large = {
        (change, since): members
        for (change, since), members in sorted(groups.items())
        if len(members) >= policy.fold_models
        and len(members) >= policy.fold_share * present
        and moment.settled(since, policy.settle if is_price(change.field) else policy.settle_changed)
    }
    if not large:
        return [], {}
    for (change, since), members in groups.items():  # published with the others, and changed again since
        first = min((at for other, at in large if other == change), default=since)
        if change.field == OVERRIDES and since > first:
            for model_id, found in members.items():
                large[change, first][model_id] |= found
    paths: dict[str, set[str]] = defaultdict(set)
    fields: dict[str, FieldChange] = {}
    for (change, _), members in large.items():
        changed = [(states[model_id], path) for model_id, found in members.items() for path in found]
        fields[change.field] = FieldChange(
            _common(state.pending[path].announced for state, path in changed),
            _common(state.model.facets.get(path) for state, path in changed),
        )
        for model_id, found in members.items():
            paths[model_id] |= found
    lines = [
        f"{change.field} {change.verb} on {len(members)} of {present} models" for (change, _), members in large.items()
    ]
    made = event.make_event(
        kind="changed",
        model=None,
        name="The whole catalogue",
        at=moment.now,
        since=max(since for _, since in large),
        url=event.SITE + "models",
        fields=fields,
        detail="; ".join(lines),
    )
    return [made], paths


def _change(path: str, announced: Any, state: ModelState) -> _Change | None:
    """Return what happened to the field at a path, or None for what is never folded."""
    value = state.model.facets.get(path)
    if is_price(path):
        return _publication(path, state.announced_facets, state.model.facets)
    if not diff.is_other(path):
        return None
    if announced is None or value is None:
        return _Change(path, _appeared(announced))
    if not diff.is_watched(path):
        return _Change(path, "changed")
    if _words(announced) == _words(value):
        return _Change(path, "respelled")
    return _Change(path, "changed", json.dumps([announced, value], sort_keys=True))


def _publication(path: str, before: Facets, after: Facets) -> _Change | None:
    """Return how a price began or ceased to be published, or None for one that moved."""
    old, new = before.get(path), after.get(path)
    if is_tier(path):
        without = before if old is None else after
        stated = any(is_tier(other) and price_key(other) == price_key(path) for other in without)
        return None if stated or None not in (old, new) else _Change(OVERRIDES, _appeared(old))
    if old is not None and new is not None:
        schedule, plain = (new, old) if price.is_schedule(new) else (old, new)
        if schedule == plain or price.is_schedule(plain) or plain not in {value for _, value in price.pieces(schedule)}:
            return None
        return _Change(OVERRIDES, "appeared" if schedule == new else "disappeared")
    return None if is_headline(path, before, after) else _Change(path, _appeared(old))


def _appeared(announced: Any) -> str:
    return "appeared" if announced is None else "disappeared"


def _words(value: Any) -> list[str]:
    """Return the words in a value, whatever their order, case and punctuation."""
    return sorted(_WORD.findall(json.dumps(value, sort_keys=True).casefold()))


def _common(values: Iterable[Any]) -> Any:
    """Return the value that all share, or None."""
    first, *others = values
    return first if all(value == first for value in others) else None
