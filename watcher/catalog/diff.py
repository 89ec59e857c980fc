"""What differs between a model as subscribers were told of it and as it is, and for how long it has held still."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from watcher.catalog import price
from watcher.catalog.model import Facets
from watcher.catalog.policy import HEADLINE_PRICES
from watcher.catalog.pricing import (
    base_path,
    headline_keys,
    is_price,
    is_tier,
    price_key,
    price_of,
    prices_of,
    tier_tokens,
)
from watcher.catalog.reading import UNREAD, is_under

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
        "top_provider.context_length",
        "top_provider.is_moderated",
        "top_provider.max_completion_tokens",
    }
)
_WATCHED_GROUPS = ("per_request_limits.", "reasoning.")


class Pending(Struct, frozen=True):
    """A facet that is not as announced.

    `announced` is the value that subscribers know (None: absent). `since` is when it last moved materially, to
    `anchor`: from there it has held still.
    """

    announced: Any = field(name="told")
    since: datetime
    anchor: Any


def is_watched(path: str) -> bool:
    """Whether a change of this facet in one model is worth a `changed` event."""
    return path in _WATCHED or path.startswith(_WATCHED_GROUPS)


def is_other(path: str) -> bool:
    """Whether the facet is neither a price, nor the expiration date, nor a target."""
    return not is_price(path) and path != EXPIRATION and path not in TARGETS


def is_price_watched(path: str, prices: tuple[str, ...], before: Facets, after: Facets) -> bool:
    """Whether a price is among the keys that are announced.

    Prompt and completion, the default, stand for whatever the model is priced by, before or after the change.
    """
    key = price_key(path)
    if "*" in prices or key in prices:
        return True
    return set(HEADLINE_PRICES) <= set(prices) and any(
        key in headline_keys(prices_of(facets)) for facets in (before, after)
    )


def differing(old: Facets, new: Facets) -> Iterator[str]:
    """Yield the paths at which the two differ."""
    for path in old.keys() | new.keys():
        if path != UNREAD and old.get(path) != new.get(path):
            yield path


def fill_unknown(old: Facets, new: Facets) -> Facets:
    """Return `new` with what it cannot tell taken from `old`.

    That is whatever could not be read, the price outside the windows of a schedule while a window is in force, and the
    target of an id where the answer leaves it out.
    """
    kept: dict[str, Any] = {path: old[path] for path in TARGETS if path in old and path not in new}
    result, never = new, old.get(UNREAD, ())
    if unread := new.get(UNREAD):
        lost = [path for path in unread if not is_under(path, never)]
        kept |= {path: value for path, value in old.items() if path != UNREAD and is_under(path, lost)}
        still = {path for path in unread if path not in lost} | {path for path in never if is_under(path, unread)}
        result = {path: value for path, value in new.items() if path != UNREAD and not is_under(path, lost)}
        if still:
            kept[UNREAD] = sorted(still)
    for path, value in result.items():
        if is_price(path) and price.UNKNOWN in value:
            kept[path] = price.fill_unknown(price_of(old, path) if path in old else price.UNKNOWN, value)
    return {**result, **kept} if kept else result


def announced_facets(facets: Facets, pending: Mapping[str, Pending]) -> Facets:
    """Return the facets as they were announced: as observed, but for what is pending."""
    if not pending:
        return facets
    announced = {**facets, **{path: held.announced for path, held in pending.items()}}
    return {path: value for path, value in announced.items() if value is not None}


def update_pending(
    pending: Mapping[str, Pending], old: Facets, new: Facets, now: datetime, threshold: Decimal
) -> dict[str, Pending]:
    """Return what is pending after an observation went from `old` to `new`.

    A facet that is back at its announced value is not pending any more. Else its time starts anew if it moved: for a
    price materially, by `threshold` (a fraction) against the value it has held still at, or from what is not material
    against the announced value to what is: a drift that becomes news by a glitch of one poll must settle, too. What
    could never be read before is learned silently.
    """
    result = dict(pending)
    announced = announced_facets(old, pending)
    moved = set(differing(old, new))
    inherited = (path for path in pending if is_price(path) and path not in new and path not in old)
    moved.update(path for path in inherited if price_of(old, path) != price_of(new, path))
    never = old.get(UNREAD, ())
    for path in moved:
        value = new.get(path)
        before = announced.get(path)
        if path not in pending and (is_under(path, never) or _costs_unknown(path, announced)):
            before = value
        before = _learned(path, before, value)
        if value == before:
            result.pop(path, None)
            continue
        held = pending.get(path)
        if held is None or not is_price(path) or _moved(path, held.anchor, announced, old, new, threshold):
            result[path] = Pending(before, now, value)
    return result


def _costs_unknown(path: str, announced: Facets) -> bool:
    """Whether the path is a tier where nobody knows what such prompts cost before."""
    return is_price(path) and is_tier(path) and price_of(announced, path) == price.UNKNOWN


def _learned(path: str, announced: Any, value: Any) -> Any:
    """Return the announced value with what was not known in it taken from the observed one: learning it is no news."""
    if not is_price(path) or price.UNKNOWN not in (announced or ""):
        return announced
    return None if value is None else price.fill_unknown(value, announced)


def _moved(path: str, anchor: Any, announced: Facets, old: Facets, new: Facets, threshold: Decimal) -> bool:
    was, value, before = (price_of(facets, path) for facets in (old, new, announced))
    if price.is_material(price_of({**old, path: anchor}, path), value, threshold):
        return True
    return price.is_material(before, value, threshold) and not price.is_material(before, was, threshold)


def _by_tier(path: str) -> tuple[str, int]:
    return base_path(path), tier_tokens(path)


def announce_facets(pending: Mapping[str, Pending], facets: Facets, paths: Iterable[str]) -> dict[str, Pending]:
    """Return what is pending once the facets at `paths` are announced, with no other announced price moved.

    A tier without a price of its own costs what the next lower one costs. So announcing that one would silently
    announce the tier's price as well, or take the reason from a tier that is pending.
    """
    done = set(paths)
    before = announced_facets(facets, pending)
    result = {path: held for path, held in pending.items() if path not in done}
    for path in sorted((path for path in result if is_tier(path) and is_price(path)), key=_by_tier):
        told = price_of(before, path)
        without = announced_facets(facets, {key: held for key, held in result.items() if key != path})
        if price_of(without, path) == told:
            del result[path]
        elif price_of(announced_facets(facets, result), path) != told:
            result[path] = replace(result[path], announced=told)
    return result
