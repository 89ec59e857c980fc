"""The unreadable parts of the list: remembered between polls, reported once, suspect if on many models."""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from watcher.catalog import guard
from watcher.catalog.model import Facets
from watcher.catalog.policy import Policy
from watcher.catalog.pricing import OVERRIDES, is_price, is_tier
from watcher.catalog.reading import WHOLE_DOCUMENT, Reading, Snapshot, is_under
from watcher.catalog.state import ModelStates

_NAMED = 3
"""The most models to name in a sentence."""


class Gaps(Struct, frozen=True, omit_defaults=True):
    """What could not be read at the last good poll."""

    fields: dict[str, tuple[str, ...]] = {}
    """Path of the API's document → ids of the models whose value is unreadable; their last value is kept."""
    conditions: dict[str, tuple[str, ...]] = {}
    """Unknown condition in `pricing.overrides` → ids of the models that have it."""
    unnamed: tuple[str, ...] = ()
    """Names, or else digests, of entries without a readable id."""
    suspect: tuple[str, ...] = ()
    """Fields that are unreadable on many models."""
    announced: dict[str, int] = {}
    """Fields that were announced as suspect → good polls since then in which they were not."""


def after(gaps: Gaps, snapshot: Snapshot, readings: Mapping[str, Reading]) -> Gaps:
    """Return the gaps after a good poll.

    Args:
        gaps: those before.
        snapshot: the list of this poll.
        readings: the new documents in it, by id.
    """
    fields = {model_id: reading.unreadable for model_id, reading in readings.items()}
    conditions = {model_id: reading.conditions for model_id, reading in readings.items()}
    return replace(
        gaps,
        fields=_updated(gaps.fields, snapshot, fields),
        conditions=_updated(gaps.conditions, snapshot, conditions),
        unnamed=snapshot.unnamed,
    )


def _updated(
    known: Mapping[str, tuple[str, ...]], snapshot: Snapshot, read: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    result = {name: {key for key in ids if key in snapshot.entries and key not in read} for name, ids in known.items()}
    for model_id, names in read.items():
        for name in names:
            result.setdefault(name, set()).add(model_id)
    return {name: tuple(sorted(ids)) for name, ids in sorted(result.items()) if ids}


def suspect_fields(gaps: Gaps, states: ModelStates, policy: Policy) -> tuple[str, ...]:
    """Return the fields that are unreadable on too many of the models that have them, by the limits of `max_gone`."""
    present = {model_id: state.model.facets for model_id, state in states.items() if state.present}
    return tuple(
        field
        for field, ids in _unreadable(gaps).items()
        if guard.too_many(len(ids), sum(_has(facets, field) or key in ids for key, facets in present.items()), policy)
    )


def _unreadable(gaps: Gaps) -> dict[str, tuple[str, ...]]:
    """Return the models on which each field is unreadable; prices under an unknown condition count as such."""
    doubtful = {model_id for ids in gaps.conditions.values() for model_id in ids}
    both = tuple(sorted(doubtful.union(gaps.fields.get(OVERRIDES, ()))))
    return {**gaps.fields, OVERRIDES: both} if both else gaps.fields


def _has(facets: Facets, field: str) -> bool:
    if field == OVERRIDES:
        return any(is_price(path) and (is_tier(path) or "=" in value) for path, value in facets.items())
    return field == WHOLE_DOCUMENT or any(is_under(path, [field]) for path in facets)


def lines(gaps: Gaps) -> dict[str, str]:
    """Return a sentence about each gap, by a key that stays the same while the gap stays, so it is reported once."""
    found = {
        f"field {field}": f"{_field(field)} cannot be read of {_models(ids)}; what was known before is kept"
        for field, ids in gaps.fields.items()
    }
    for condition, ids in gaps.conditions.items():
        end = f"prices have a condition that is not understood ({condition}); a price named with it is no news"
        if len(ids) > _NAMED:
            found[f"condition {condition}"] = f"{_models(ids)}: their {end}"
        else:
            found |= {f"condition {condition} {model_id}": f"{model_id}: its {end}" for model_id in ids}
    if gaps.unnamed:
        entries = "an entry" if len(gaps.unnamed) == 1 else f"{len(gaps.unnamed)} entries"
        found[f"unnamed {len(gaps.unnamed)}"] = f"{entries} of the list without a readable id: {_listed(gaps.unnamed)}"
    return found


def describe(gaps: Gaps, fields: tuple[str, ...]) -> str:
    """Return the text of the announcement that these fields have become unreadable."""
    return "; ".join(f"{_field(field)} cannot be read of {_models(_unreadable(gaps)[field])}" for field in fields)


def _field(field: str) -> str:
    return field or "the document"


def _models(ids: tuple[str, ...]) -> str:
    return ids[0] if len(ids) == 1 else f"{len(ids)} models ({_listed(ids)})"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
