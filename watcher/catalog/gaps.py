"""The unreadable parts of the list: remembered between polls, reported once, suspect if on many models."""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from watcher.catalog import guard
from watcher.catalog.model import Facets
from watcher.catalog.policy import Policy
from watcher.catalog.price import is_schedule
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
    announced: dict[str, int] = {}
    """Fields that were announced as suspect → good polls in a row since then in which they were not."""

    @property
    def suspect(self) -> tuple[str, ...]:
        """The fields that are unreadable on many models."""
        return tuple(field for field, polls in self.announced.items() if polls == 0)

    def updated(self, snapshot: Snapshot, readings: Mapping[str, Reading]) -> "Gaps":
        """Return the gaps after a good poll; `readings` are those of its new documents, by id."""
        kept = snapshot.entries.keys() - readings.keys()
        fields = {model_id: reading.unreadable for model_id, reading in readings.items()}
        conditions = {model_id: reading.conditions for model_id, reading in readings.items()}
        return replace(
            self,
            fields=_merged(self.fields, kept, fields),
            conditions=_merged(self.conditions, kept, conditions),
            unnamed=snapshot.unnamed,
        )

    def suspect_fields(self, states: ModelStates, policy: Policy) -> tuple[str, ...]:
        """Return the fields that are unreadable on too many of the models that have them, by `max_gone`."""
        suspect = []
        for field, ids in self._unreadable().items():
            having = [s for key, s in states.items() if s.present and (key in ids or _has(s.model.facets, field))]
            if guard.too_many(len(ids), len(having), policy):
                suspect.append(field)
        return tuple(suspect)

    def _unreadable(self) -> dict[str, tuple[str, ...]]:
        """Return the models on which each field is unreadable; prices under an unknown condition count as such."""
        doubtful = {model_id for ids in self.conditions.values() for model_id in ids}
        both = tuple(sorted(doubtful.union(self.fields.get(OVERRIDES, ()))))
        return {**self.fields, OVERRIDES: both} if both else self.fields

    def lines(self) -> dict[str, str]:
        """Return a sentence about each gap, by a key that stays the same while the gap stays, to report it once."""
        found = {
            f"field {field}": f"{_cannot_be_read(field, ids)}; what was known before is kept"
            for field, ids in self.fields.items()
        }
        for condition, ids in self.conditions.items():
            end = f"prices have a condition that is not understood ({condition}); a price named with it is no news"
            if len(ids) > _NAMED:
                found[f"condition {condition}"] = f"{_models(ids)}: their {end}"
            else:
                found |= {f"condition {condition} {model_id}": f"{model_id}: its {end}" for model_id in ids}
        if number := len(self.unnamed):
            entries = "an entry" if number == 1 else f"{number} entries"
            found[f"unnamed {number}"] = f"{entries} of the list without a readable id: {_listed(self.unnamed)}"
        return found

    def describe(self, fields: tuple[str, ...]) -> str:
        """Return the text of the announcement that these fields have become unreadable."""
        return "; ".join(_cannot_be_read(field, self._unreadable()[field]) for field in fields)


def _merged(
    known: Mapping[str, tuple[str, ...]], kept: set[str], read: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    result = {name: kept.intersection(ids) for name, ids in known.items()}
    for model_id, names in read.items():
        for name in names:
            result.setdefault(name, set()).add(model_id)
    return {name: tuple(sorted(ids)) for name, ids in sorted(result.items()) if ids}


def _has(facets: Facets, field: str) -> bool:
    if field == OVERRIDES:
        return any(is_tier(path) or (is_price(path) and is_schedule(value)) for path, value in facets.items())
    return field == WHOLE_DOCUMENT or any(is_under(path, [field]) for path in facets)


def _cannot_be_read(field: str, ids: tuple[str, ...]) -> str:
    return f"{field or 'the document'} cannot be read of {_models(ids)}"


def _models(ids: tuple[str, ...]) -> str:
    return ids[0] if len(ids) == 1 else f"{len(ids)} models ({_listed(ids)})"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
