"""A model's prices: reading the API's `pricing` into facets, and asking facets about prices.

Sources of the rules: the API's page on the list of models, and recorded answers for `pricing.overrides`.
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from watcher.catalog import price
from watcher.catalog.model import Facets
from watcher.catalog.values import whole

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

PRICE_KEYS = (
    *(*TOKEN_PRICES, "request", "image", "image_output", "image_token", "audio", "audio_output"),
    *("input_audio_cache", "web_search", "internal_reasoning"),
    *("input_cache_read", "input_cache_write", "input_cache_write_1h"),
)
"""The price keys seen in the API so far. Another key counts as one too if it holds a price."""

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_CONDITIONS = frozenset({"min_prompt_tokens", "utc_start", "utc_end", "utc_days"})
_ALL_DAY = (0, price.DAY)
_ALL_WEEK = tuple(range(7))


class PriceList(Struct, frozen=True):
    """The readable part of one model's `pricing`, and what is wrong with the rest."""

    facets: dict[str, str]
    unreadable: tuple[str, ...] = ()
    """Paths that should hold a price and do not."""
    conditions: tuple[str, ...] = ()
    """Conditions in `overrides` that the watcher does not know, so that it cannot tell when those prices hold."""
    lost: tuple[str, ...] = ()
    """Paths about which the document says nothing reliable: their last values are kept."""


class _Override(Struct, frozen=True):
    """One conditional price list of `pricing.overrides`."""

    prices: dict[str, str]
    min_tokens: int = 0
    window: tuple[int, int] = _ALL_DAY
    """First minute of the UTC day, and the minute after the last; over midnight if the second is the earlier."""
    days: tuple[int, ...] = _ALL_WEEK
    condition: str | None = None
    """The names of its unknown or unreadable conditions."""

    @property
    def uncertain(self) -> bool:
        """Whether it may or may not hold at the moment of the poll."""
        return bool(self.condition) or self.window != _ALL_DAY or self.days != _ALL_WEEK

    def covers(self, minute: int) -> bool:
        """Whether it holds at a minute of the UTC week."""
        day, minute = divmod(minute, price.DAY)
        start, end = self.window
        return day in self.days and (start <= minute < end if start < end else minute >= start or minute < end)


def read_pricing(pricing: object) -> PriceList:
    """Return the prices in a model's `pricing`, and what of it cannot be read.

    - An unreadable price is unknown, never zero, which would announce it as free.
    - An optional price of zero is left out, because absent means the same.
    - A price for long prompts becomes a facet of its own (`pricing.prompt@200000+`).
    - Prices for times of the day and days of the week become one schedule, whichever window is in force now.
    - A top-level price that may be the price of an unknown condition, in force just now, is unknown.
    """
    if not isinstance(pricing, dict) or not pricing:
        unknown = {PRICING + key: price.UNKNOWN for key in TOKEN_PRICES}
        return PriceList(unknown, unreadable=("pricing",), lost=("pricing",))
    base = {
        key: value
        for key, value in pricing.items()
        if key not in ("overrides", "discount") and value is not None and "@" not in key
    }
    known = {key: _price(base.get(key)) for key in [*TOKEN_PRICES, *base]}
    # An unknown key without a price (a currency, say) is not a price key.
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
    if conditions or OVERRIDES in unreadable:  # the earlier tiers may be behind what is not understood
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
    start, end = _minute(given.get("utc_start")), _minute(given.get("utc_end"))
    days = _weekdays(given.get("utc_days", list(_DAYS)))
    if tokens is None:
        strange.append("min_prompt_tokens")
    if None in (start, end) and not given.keys().isdisjoint(("utc_start", "utc_end")):
        strange.append("utc_start and utc_end")
    if not days:
        strange.append("utc_days")
    window = _ALL_DAY if start is None or end is None or start == end else (start, end)
    return _Override(prices, tokens or 0, window, days or _ALL_WEEK, ", ".join(strange) or None)


def _minute(hhmm: object) -> int | None:
    """Return the minute of the day of a time written as a number HHMM, or None where it is not one."""
    number = whole(hhmm)
    if number is None or number > 2400 or number % 100 >= 60:
        return None
    return (number // 100 * 60 + number % 100) % price.DAY


def _weekdays(names: object) -> tuple[int, ...]:
    """Return the numbers of the weekdays (Monday: 0) in order, or none if one of them is not known."""
    if not isinstance(names, list) or not all(isinstance(name, str) and name.lower() in _DAYS for name in names):
        return ()
    return tuple(sorted({_DAYS.index(name.lower()) for name in names}))


def _tier_price(key: str, tier: int, top_level: str, overrides: Sequence[_Override]) -> str:
    """Return the price of prompts of more than `tier` tokens. The last override with the key that applies wins."""
    doubtful = [override for override in overrides if override.condition]
    if tier and any(override.min_tokens == tier for override in doubtful):
        return price.UNKNOWN
    applying = [override for override in overrides if override.min_tokens <= tier and not override.condition]
    # The top-level price is the one in force at the moment of the poll. If it could be a window's own price, this
    # document does not say what holds outside of the windows.
    momentary = {o.prices[key] for o in [*doubtful, *applying] if o.uncertain and not o.min_tokens}
    base = price.UNKNOWN if top_level in momentary else top_level
    times = sorted({0, *(minute % price.DAY for override in applying for minute in override.window)})
    starts = [day * price.DAY + minute for day in range(7) for minute in times]
    return price.join(
        (start, next((o.prices[key] for o in reversed(applying) if o.covers(start)), base)) for start in starts
    )


def is_price(path: str) -> bool:
    """Whether the facet is a price."""
    return path.startswith(PRICING)


def is_tier(path: str) -> bool:
    """Whether the facet is a price of long prompts."""
    return is_price(path) and "@" in path


def price_key(path: str) -> str:
    """Return the key that a price belongs to: `prompt` for `pricing.prompt@200000+`."""
    return path.partition("@")[0].removeprefix(PRICING)


def split_window(key: str) -> tuple[str, str | None]:
    """Return what the price of a key is for, and when: `prompt@200000+`, `16:30-00:30`; None: usually."""
    path, at, last = key.rpartition("@")
    return (key, None) if not at or last.endswith("+") else (path, last)


def tier_tokens(path: str) -> int:
    """Return the tokens above which a tier's price holds."""
    return int(path.rpartition("@")[2].rstrip("+"))


def price_of(facets: Facets, path: str) -> str:
    """Return the price at a facet's path, absent or not.

    An absent tier costs what the next lower tier costs, and below all of them what the key costs. An absent token
    price is unknown; any other is zero.
    """
    value = facets.get(path)
    if value is None and is_tier(path):
        base, tokens = PRICING + price_key(path), tier_tokens(path)
        lower = [tier for tier in facets if tier.startswith(f"{base}@") and tier_tokens(tier) < tokens]
        value = facets.get(max(lower, key=tier_tokens, default=base))
    if value is None:
        return price.UNKNOWN if price_key(path) in TOKEN_PRICES else price.FREE
    return str(value)


def prices_of(facets: Facets) -> dict[str, str]:
    """Return all prices by key (`prompt`, `prompt@200000+`)."""
    return {path.removeprefix(PRICING): value for path, value in facets.items() if is_price(path)}


def offered_price(prices: Mapping[str, str], key: str) -> str | None:
    """Return the price of a key in `Offer.prices`, absent or not; None: unknown. Without its window, the usual one."""
    if key in prices:
        return prices[key]
    facets = {PRICING + name: value for name, value in prices.items() if split_window(name) == (name, None)}
    value = price_of(facets, PRICING + split_window(key)[0])
    return None if value == price.UNKNOWN else value


def is_free(prices: Mapping[str, str]) -> bool:
    """Whether every price that cannot be avoided is known to be zero; prices by key, as in `Offer.prices`."""
    charged = {key: value for key, value in prices.items() if price_key(key) not in ADD_ONS}
    return all(key in charged for key in TOKEN_PRICES) and set(charged.values()) == {price.FREE}


def headline_keys(prices: Mapping[str, str]) -> tuple[str, ...]:
    """Return the keys that a model is priced by: tokens or, where they cost nothing, its other charges."""
    charged = {price_key(key) for key, value in prices.items() if value not in (price.FREE, price.UNKNOWN)}
    if not charged.isdisjoint(TOKEN_PRICES):
        return TOKEN_PRICES
    return (*TOKEN_PRICES, *sorted(charged - ADD_ONS))


def is_headline(path: str, before: Facets, after: Facets) -> bool:
    """Whether the model is, or was, priced by the key of this price."""
    return any(price_key(path) in headline_keys(prices_of(facets)) for facets in (before, after))
