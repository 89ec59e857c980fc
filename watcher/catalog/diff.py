"""The differences between a model as it was announced and as it is, and how long each has held still."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec import Struct, field

from watcher.catalog import price
from watcher.catalog.model import Facets
from watcher.catalog.pricing import TOKEN_PRICES, is_headline, is_price, is_tier, price_key, price_of
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
    """A facet that differs from what was announced.

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
    """Whether a price is among the keys to announce.

    Prompt and completion, the default, stand for whatever the model is priced by, before or after the change.
    """
    if "*" in prices or price_key(path) in prices:
        return True
    return set(TOKEN_PRICES) <= set(prices) and is_headline(path, before, after)


def differing(old: Facets, new: Facets) -> set[str]:
    """Return the paths at which the two differ."""
    return {path for path in old.keys() | new.keys() if path != UNREAD and old.get(path) != new.get(path)}


def fill_unknown(old: Facets, new: Facets) -> Facets:
    """Return `new` with its unknown parts taken from `old`.

    Unknown is whatever could not be read, the price outside the windows of a schedule while a window is in force, and
    the target of an id where the answer leaves it out.
    """
    filled: dict[str, Any] = {path: old[path] for path in TARGETS if path in old and path not in new}
    result, never = new, old.get(UNREAD, ())
    if unread := new.get(UNREAD):
        lost = [path for path in unread if not is_under(path, never)]
        filled |= {path: value for path, value in old.items() if path != UNREAD and is_under(path, lost)}
        still = {path for path in unread if path not in lost} | {path for path in never if is_under(path, unread)}
        result = {path: value for path, value in new.items() if path != UNREAD and not is_under(path, lost)}
        if still:
            filled[UNREAD] = sorted(still)
    for path, value in result.items():
        if is_price(path) and price.UNKNOWN in value:
            filled[path] = price.fill_unknown(price_of(old, path) if path in old else price.UNKNOWN, value)
    return {**result, **filled}


def announced_facets(facets: Facets, pending: Mapping[str, Pending]) -> Facets:
    """Return the facets as they were announced: as observed, except for the pending ones."""
    announced = {**facets, **{path: held.announced for path, held in pending.items()}}
    return {path: value for path, value in announced.items() if value is not None}


def update_pending(
    pending: Mapping[str, Pending], old: Facets, new: Facets, now: datetime, threshold: Decimal
) -> dict[str, Pending]:
    """Return the pending facets after an observation went from `old` to `new`.

    A facet that is back at its announced value is no longer pending. Any other that moved starts to hold still anew; a
    price only if it moved materially (see `_moved`). A value that could never be read before is learned silently.
    """
    result = dict(pending)
    announced = announced_facets(old, pending)
    never = old.get(UNREAD, ())
    inherited = (path for path in pending if is_price(path) and path not in new and path not in old)
    for path in {*differing(old, new), *(path for path in inherited if price_of(old, path) != price_of(new, path))}:
        value, before, held = new.get(path), announced.get(path), pending.get(path)
        # Nobody knows what a new tier cost before where the price below it is unknown.
        new_tier = is_tier(path) and price_of(announced, path) == price.UNKNOWN
        if held is None and (new_tier or is_under(path, never)):
            before = value
        if is_price(path) and before is not None and price.UNKNOWN in before:
            before = None if value is None else price.fill_unknown(value, before)
        if value == before:
            result.pop(path, None)
        elif held is None or not is_price(path) or _moved(path, held.anchor, announced, old, new, threshold):
            result[path] = Pending(before, now, value)
    return result


def _moved(path: str, anchor: Any, announced: Facets, old: Facets, new: Facets, threshold: Decimal) -> bool:
    """Whether a pending price moved materially, by `threshold`, a fraction.

    Either against the value at which it held still, or from an immaterial difference to a material one: a drift that
    becomes news by a glitch of one poll must settle, too.
    """
    was, value, before = (price_of(facets, path) for facets in (old, new, announced))
    if price.is_material(price_of({**old, path: anchor}, path), value, threshold):
        return True
    return price.is_material(before, value, threshold) and not price.is_material(before, was, threshold)
