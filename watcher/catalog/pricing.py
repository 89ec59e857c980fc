"""What a model charges: from the API's `pricing` to facets, and what the facets say of a price.

Source of the rules: the API's page on the list of models, and what recorded answers show of `pricing.overrides`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from watcher.catalog import price
from watcher.catalog.model import Facets

PRICING = "pricing."
"""Prefix of the facets that are prices: `pricing.prompt`; a tier of it is `pricing.prompt@200000+`."""

OVERRIDES = "pricing.overrides"
"""The field of the API that holds tiers and schedules."""

TOKEN_PRICES = ("prompt", "completion")
"""The price keys that every model has."""

ADD_ONS = frozenset(
    {"web_search", "input_cache_read", "input_cache_write", "input_cache_write_1h", "input_audio_cache"}
)
"""Price keys that a caller can avoid paying."""

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_CONDITIONS = frozenset({"min_prompt_tokens", "utc_start", "utc_end", "utc_days"})
PRICE_KEYS = (
    *(*TOKEN_PRICES, "request", "image", "image_output", "image_token", "audio", "audio_output"),
    *("input_audio_cache", "web_search", "internal_reasoning"),
    *("input_cache_read", "input_cache_write", "input_cache_write_1h"),
)
"""The price keys seen in the API so far; another key beside them that holds a price is read as one too."""


class PriceList(Struct, frozen=True):
    """What could be read of one model's `pricing`."""

    facets: dict[str, str]
    unreadable: tuple[str, ...] = ()
    """Paths that hold no price."""
    conditions: tuple[str, ...] = ()
    """Conditions in `overrides` that are not understood, so that nobody knows when those prices hold."""
    lost: tuple[str, ...] = ()
    """Paths of which nothing is known now, so that what was known before is kept."""


class _Override(Struct, frozen=True):
    """One conditional price list of `pricing.overrides`."""

    prices: dict[str, str]
    min_tokens: int = 0
    window: tuple[int, int] | None = None
    """From and until which minute of the UTC day."""
    days: tuple[int, ...] = tuple(range(7))
    condition: str | None = None
    """What of it is not understood."""

    @property
    def timed(self) -> bool:
        """Whether it holds at certain times only."""
        return self.window is not None or len(self.days) < len(_DAYS)

    def covers(self, minute: int) -> bool:
        """Whether it holds at a minute of the UTC week: within its window of the days that it names."""
        day, minute = divmod(minute, price.DAY)
        if day not in self.days:
            return False
        if self.window is None:
            return True
        start, end = self.window
        return start <= minute < end if start < end else minute >= start or minute < end


def read_pricing(pricing: Mapping[str, Any]) -> PriceList:
    """Return the prices in a model's `pricing`, and what of it cannot be read.

    - Prices are canonical (see `price`); what is no price is unknown, never zero: that would announce it as free.
    - An optional price of zero is left out, as absent means the same.
    - Conditional prices become facets of their own (`pricing.prompt@200000+`) or, for times of the day and days of the
      week, the price itself: the schedule stands for the window that happens to be in force.
    - Where a condition is not understood, a top-level price that equals a price under that condition is unknown: it
      may be that one, in force just now.
    """
    base = {
        key: value
        for key, value in pricing.items()
        if key not in ("overrides", "discount") and value is not None and "@" not in key
    }
    known = {key: _price(base.get(key)) for key in [*TOKEN_PRICES, *base]}
    # A key that we do not know and that holds no price (a currency, say) is none.
    strange = [key for key, value in known.items() if value == price.UNKNOWN and key not in PRICE_KEYS]
    known = {key: value for key, value in known.items() if key not in strange}
    lost = [PRICING + key for key in strange]
    unreadable = [PRICING + key for key, value in known.items() if value == price.UNKNOWN]
    listed = pricing.get("overrides")
    if listed is not None and not isinstance(listed, list):
        unknown = {PRICING + key: price.UNKNOWN for key in known}
        return PriceList(unknown, (*unreadable, OVERRIDES), lost=(*lost, OVERRIDES))
    overrides = [_override(entry, known.keys()) for entry in listed or ()]
    facets: dict[str, str] = {}
    for key in dict.fromkeys([*known, *(key for override in overrides for key in override.prices)]):
        about = [override for override in overrides if key in override.prices]
        for tier in sorted({0, *(override.min_tokens for override in about)}):
            value = _tier_price(key, tier, known.get(key, price.FREE), about)
            if value != price.FREE or key in TOKEN_PRICES or tier:
                facets[PRICING + (f"{key}@{tier}+" if tier else key)] = value
    if any(price.UNKNOWN in override.prices.values() for override in overrides):
        unreadable.append(OVERRIDES)
    conditions = dict.fromkeys(override.condition for override in overrides if override.condition)
    if conditions or OVERRIDES in unreadable:  # the tiers of before may be behind what is not understood
        lost.append(OVERRIDES)
    return PriceList(facets, tuple(unreadable), tuple(conditions), tuple(lost))


def _price(value: object) -> str:
    try:
        return price.canonical(value)
    except ValueError:
        return price.UNKNOWN


def _override(entry: object, known: Iterable[str]) -> _Override:
    if not isinstance(entry, dict):
        return _Override({}, condition="an entry that is no object")
    given = {key: value for key, value in entry.items() if value is not None}
    prices = {key: _price(value) for key, value in given.items() if key in PRICE_KEYS or key in known}
    strange = sorted(str(key) for key in given.keys() - prices.keys() - _CONDITIONS)
    tokens = whole(given.get("min_prompt_tokens", 0))
    start, end = (_minute(given[key]) if key in given else None for key in ("utc_start", "utc_end"))
    days = _weekdays(given.get("utc_days", _DAYS))
    if tokens is None:
        strange.append("min_prompt_tokens")
    if (start is None) != (end is None) or (start is None and not given.keys().isdisjoint(("utc_start", "utc_end"))):
        strange.append("utc_start and utc_end")
    if not days:
        strange.append("utc_days")
    window = (start, end) if start is not None and end is not None and start != end else None
    return _Override(prices, tokens or 0, window, days or tuple(range(7)), ", ".join(strange) or None)


def whole(value: object) -> int | None:
    """Return a whole number that is not negative, however it is written; None for anything else."""
    if isinstance(value, str) and len(value) < 20 and value.strip().isascii() and value.strip().isdigit():
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**15 else None


def _minute(hhmm: object) -> int | None:
    """Return the minute of the day of a time written as a number HHMM."""
    number = whole(hhmm)
    if number is None or number > 2400 or number % 100 >= 60:
        return None
    return (number // 100 * 60 + number % 100) % price.DAY


def _weekdays(names: object) -> tuple[int, ...]:
    """Return the numbers of the weekdays (Monday: 0) in order; none if one of them is not known."""
    if not isinstance(names, list | tuple):
        return ()
    found = {_DAYS.index(name.lower()) if isinstance(name, str) and name.lower() in _DAYS else -1 for name in names}
    return () if -1 in found else tuple(sorted(found))


def _tier_price(key: str, tier: int, top_level: str, overrides: Sequence[_Override]) -> str:
    """Return the price of prompts of more than `tier` tokens: of all applying overrides, the last one wins.

    Args:
        overrides: those that give the key.
    """
    doubtful = [override for override in overrides if override.condition]
    if tier and any(override.min_tokens == tier for override in doubtful):
        return price.UNKNOWN
    applying = [override for override in overrides if override.min_tokens <= tier and not override.condition]
    # The top-level price is the one of the window in force at the moment of the poll. Where that could be one of the
    # windows' own, what holds outside of them cannot be told from this document.
    momentary = {o.prices[key] for o in [*doubtful, *applying] if (o.condition or o.timed) and not o.min_tokens}
    base = price.UNKNOWN if top_level in momentary else top_level
    times = sorted({0, *(minute for override in applying if override.timed for minute in override.window or ())})
    cuts = [day * price.DAY + minute for day in range(len(_DAYS)) for minute in times]
    return price.join((cut, next((o.prices[key] for o in reversed(applying) if o.covers(cut)), base)) for cut in cuts)


# What the facets say


def is_price(path: str) -> bool:
    """Whether the facet is a price."""
    return path.startswith(PRICING)


def is_tier(path: str) -> bool:
    """Whether the facet is the price of long prompts."""
    return "@" in path


def base_path(path: str) -> str:
    """Return the path of the key's own price; itself, if it is no tier's."""
    return path.partition("@")[0]


def price_key(path: str) -> str:
    """Return the key that a price's path belongs to: `prompt` for `pricing.prompt@200000+`."""
    return base_path(path).removeprefix(PRICING)


def price_of(facets: Facets, path: str) -> str:
    """Return the price at a facet's path with the rules for what is absent.

    A tier without a price of its own costs what the next lower tier costs, and below all of them what the key costs. A
    token price that is absent is unknown; any other is zero.
    """
    value = facets.get(path)
    if value is None and is_tier(path):
        base, tokens = base_path(path), tier_tokens(path)
        lower = [tier for tier in facets if tier.startswith(f"{base}@") and tier_tokens(tier) < tokens]
        value = facets.get(max(lower, key=tier_tokens, default=base))
    if value is None:
        return price.UNKNOWN if price_key(path) in TOKEN_PRICES else price.FREE
    return str(value)


def tier_tokens(path: str) -> int:
    """Return the tokens above which a tier's price holds."""
    return int(path.rpartition("@")[2].rstrip("+"))


def prices_of(facets: Facets) -> dict[str, str]:
    """Return all prices by key (`prompt`, `prompt@200000+`)."""
    return {path.removeprefix(PRICING): value for path, value in facets.items() if is_price(path)}


def is_free(prices: Mapping[str, str]) -> bool:
    """Whether nobody pays anything: every price that cannot be avoided is known to be zero.

    Args:
        prices: by key, as `prices_of` and `Offer.prices` have them.
    """
    charged = {key: value for key, value in prices.items() if key.partition("@")[0] not in ADD_ONS}
    return all(key in charged for key in TOKEN_PRICES) and set(charged.values()) == {price.FREE}


def headline_keys(prices: Mapping[str, str]) -> tuple[str, ...]:
    """Return the keys that a model is priced by: tokens or, where they cost nothing, whatever else it charges."""
    charged = {key.partition("@")[0]: None for key, value in prices.items() if value not in (price.FREE, price.UNKNOWN)}
    if not charged.keys().isdisjoint(TOKEN_PRICES):
        return TOKEN_PRICES
    return (*TOKEN_PRICES, *sorted(charged.keys() - ADD_ONS))
