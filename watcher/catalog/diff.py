"""What differs between a model as subscribers were told of it and as it is, and for how long it has held still."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec import Struct

from watcher.catalog import price
from watcher.catalog.model import Facets
from watcher.catalog.reading import PRICING, base_path, price_key, price_of

EXPIRATION = "expiration_date"
CANONICAL_SLUG = "canonical_slug"
TARGETS = ("alias_target.slug", CANONICAL_SLUG)
"""The facets that say which model a call of the id reaches."""

_WATCHED = frozenset(
    {
        "architecture.input_modalities",
        "architecture.output_modalities",
        "context_length",
        "discount",
        "hugging_face_id",
        "knowledge_cutoff",
        "name",
        "supported_parameters",
        "supported_voices",
        "top_provider.is_moderated",
        "top_provider.max_completion_tokens",
    }
)
_WATCHED_GROUPS = ("per_request_limits.", "reasoning.")


class Pending(Struct, frozen=True):
    """A facet that is not as announced.

    `told` is its announced value (None: absent). `since` is when it last moved materially, to `anchor`: from there
    it has held still.
    """

    told: Any
    since: datetime
    anchor: Any


def is_price(path: str) -> bool:
    """Whether the facet is a price."""
    return path.startswith(PRICING)


def is_watched(path: str) -> bool:
    """Whether a change of this facet in one model is worth a `changed` event."""
    return path in _WATCHED or path.startswith(_WATCHED_GROUPS)


def is_other(path: str) -> bool:
    """Whether the facet is neither a price, nor the expiration date, nor a target."""
    return not is_price(path) and path != EXPIRATION and path not in TARGETS


def is_price_watched(path: str, prices: tuple[str, ...]) -> bool:
    """Whether a price is among the price keys that are announced."""
    return "*" in prices or price_key(path) in prices


def differing(old: Facets, new: Facets) -> Iterator[str]:
    """Yield the paths at which the two differ."""
    for path in old.keys() | new.keys():
        if old.get(path) != new.get(path):
            yield path


def carry(old: Facets, new: Facets) -> Facets:
    """Return `new` with what it cannot tell taken from `old`.

    That is the price outside the windows of a day schedule while a window is in force, a price that cannot be read,
    and the target of an id where the answer leaves it out.
    """
    carried: dict[str, Any] = {path: old[path] for path in TARGETS if path in old and path not in new}
    for path, value in new.items():
        if is_price(path) and price.UNKNOWN in value:
            carried[path] = price.carry(price_of(old, path) if path in old else price.UNKNOWN, value)
    return {**new, **carried} if carried else new


def told(facets: Facets, pending: Mapping[str, Pending]) -> Facets:
    """Return the facets as they were announced: as observed, but for what is pending."""
    if not pending:
        return facets
    announced = {**facets, **{path: held.told for path, held in pending.items()}}
    return {path: value for path, value in announced.items() if value is not None}


def pend(
    pending: Mapping[str, Pending], old: Facets, new: Facets, now: datetime, threshold: Decimal
) -> dict[str, Pending]:
    """Return what is pending after an observation went from `old` to `new`.

    A facet that is back at its announced value is not pending any more. Else its time starts anew if it moved: for a
    price materially, by `threshold` (a fraction) against the value it has held still at, or from what is not material
    against the announced value to what is: a drift that becomes news by a glitch of one poll must settle, too.
    """
    result = dict(pending)
    announced = told(old, pending)
    inherited = [path for path in pending if is_price(path) and path not in new and path not in old]
    moved = set(differing(old, new))
    moved.update(path for path in inherited if base_path(path) in moved)
    for path in moved:
        value = new.get(path)
        before = _learnt(path, announced.get(path), value)
        if value == before:
            result.pop(path, None)
            continue
        held = pending.get(path)
        if held is None or not is_price(path) or _moved(path, held.anchor, announced, old, new, threshold):
            result[path] = Pending(before, now, value)
    return result


def _learnt(path: str, told: Any, value: Any) -> Any:
    """Return the announced value with what was not known in it taken from the observed one: learning it is no news."""
    if not is_price(path) or price.UNKNOWN not in (told or ""):
        return told
    return None if value is None else price.carry(value, told)


def _moved(path: str, anchor: Any, announced: Facets, old: Facets, new: Facets, threshold: Decimal) -> bool:
    was, value, told = (price_of(facets, path) for facets in (old, new, announced))
    if price.is_material(price_of({**old, path: anchor}, path), value, threshold):
        return True
    return price.is_material(told, value, threshold) and not price.is_material(told, was, threshold)
