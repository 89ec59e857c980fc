"""Prices as people read them: USD per million tokens (or per request, image, search), exact and legible."""

import re
from collections.abc import Mapping
from decimal import Context, Decimal, InvalidOperation

from watcher.catalog.model import Bill, PriceChange
from watcher.catalog.price import UNKNOWN, VARIES, plain, usual, windows
from watcher.catalog.pricing import TOKEN_PRICES, headline_keys, is_free

PER_MILLION = "per 1M tokens"

_PER_UNIT = {"request": "per request", "image": "per image", "web_search": "per search"}
"""Keys with a price for one request, image or search. The prices of all others are for one token."""
_UNITS = {"request": " a request", "image": " an image", "web_search": " a search"}
"""The same, as they stand after a price."""

_LABELS = {
    "input_cache_read": "cache read",
    "input_cache_write": "cache write",
    "input_cache_write_1h": "cache write, 1 hour",
    "input_audio_cache": "audio cache",
    "internal_reasoning": "reasoning",
}

_ORDER = ("prompt", "completion", "request", "image", "image_output", "audio", "input_cache_read", "input_cache_write")
_RANKS = {key: rank for rank, key in enumerate(_ORDER)}
_NUMBER = re.compile(r"\d+")
_TIER = re.compile(r"(\d+)\+")
_WINDOW = re.compile(r"(?:((?:mon|tue|wed|thu|fri|sat|sun)[a-z,-]*) ?)?(?:(\d\d:\d\d)-(\d\d:\d\d))?")

_READABLE = Context(prec=6)
"""More digits come from a division, not from a price list."""


def price_text(key: str, price: str | None, after: str = "") -> str:
    """Return one price in USD for the unit of its key: `$2.50`, `free`, `varies`, `unknown`.

    A price with more than six significant digits is rounded and says so: `≈$0.0833333`. A day schedule is
    given window by window. `after` stands after each amount.
    """
    if price is None or price == UNKNOWN:
        return "unknown"
    if price == VARIES:
        return "varies"
    if "=" in price:
        parts = dict.fromkeys(((None, usual(price)), *windows(price)))
        shown = [(window, part) for window, part in parts if window or all(part != other for w, other in parts if w)]
        return ", ".join(
            f"{price_text(key, part, after)}{f' {window} UTC' if window else ''}" for window, part in shown
        )
    try:
        number = Decimal(price)
    except InvalidOperation:
        return "unknown"
    if number == 0:
        return "free"
    return money(number * scale(key)) + after


def with_unit(key: str, price: str | None) -> str:
    """Return one price with its unit: `$2.50/M`, `$0.03 an image`, `free`."""
    return price_text(key, price, _UNITS.get(key.partition("@")[0], "/M"))


def list_price(prices: Mapping[str, str], key: str) -> str:
    """Return the price of a key for a list: each one of a schedule, or what the model charges for instead of tokens."""
    with_tiers = prices.get(key) == "0" and not is_free(prices)  # only short prompts cost nothing
    names = [name for name in prices if name.partition("@")[0] == key and (with_tiers or "+" not in name)]
    texts = [price_text(name, prices[name]) for name in names]
    instead = [other for other in headline_keys(prices) if other not in TOKEN_PRICES]
    if instead and set(texts) <= {"free"}:  # the model is not free, although tokens are
        texts = [f"{price_text(other, prices[other])} {unit(other)}" for other in instead] if key == "prompt" else []
    return " / ".join(dict.fromkeys(texts))


def money(amount: Decimal) -> str:
    """Return an amount of USD: whole dollars as `$15`, anything finer with at least two decimals."""
    rounded = _READABLE.plus(amount)
    whole, _, cents = plain(rounded).partition(".")
    return f"{'≈' if rounded != amount else ''}${whole}{f'.{cents:0<2}' if cents else ''}"


def bill_text(bill: Bill) -> str:
    """Return what a month costs before and after a change: `$41 → $63.50 a month`."""
    return f"{cost_text(bill.old)} → {cost_text(bill.new)} a month"


def cost_text(amount: str) -> str:
    exact = Decimal(amount)
    rounded = round(exact, 2)
    return money(exact if exact and not rounded else rounded)


def unit(key: str) -> str:
    """Return the unit of the key's price: `per 1M tokens`, `per request`, `per image`, `per search`."""
    return _PER_UNIT.get(key.partition("@")[0], PER_MILLION)


def scale(key: str) -> int:
    """Return how many of what the API prices are in one unit: a million tokens, one request."""
    return 1_000_000 if unit(key) == PER_MILLION else 1


def label(key: str) -> str:
    """Return the key in words: `prompt over 200K tokens`, `completion 16:30–00:30 UTC`, `cache read`."""
    base, *conditions = key.split("@")
    words = [_LABELS.get(base, base.replace("_", " "))]
    for condition in conditions:
        if tier := _TIER.fullmatch(condition):
            words.append(f"over {count(int(tier[1]))} tokens")
        elif window := _WINDOW.fullmatch(condition):
            days = [window[1].title().replace("-", "–").replace(",", ", ")] if window[1] else []
            words += [*days, f"{window[2]}–{window[3]} UTC" if window[2] else "UTC"]
        else:
            words.append(f"({condition})")
    return " ".join(words)


def in_order(prices: Mapping[str, object]) -> list[str]:
    """Return the keys as a price list has them: prompt and completion first, tiers after their base, by size."""
    ranks = {key: _RANKS.get(key.partition("@")[0], len(_RANKS)) for key in prices}
    return sorted(prices, key=lambda key: (ranks[key], _NUMBER.sub(lambda number: number[0].zfill(12), key)))


def keys_to_show(changes: Mapping[str, PriceChange]) -> list[str]:
    """Return the keys to show, in order: without those whose window shows the same change in the same figures."""
    return [
        key
        for key in in_order(changes)
        if not any(other.startswith(f"{key}@") and change == changes[key] for other, change in changes.items())
    ]


def count(number: int) -> str:
    """Return a number of tokens: `1M`, `1.5M`, `128K`, or `131,072` where a rounded number would not be exact."""
    if number >= 1_000_000 and number % 100_000 == 0:
        return f"{number / 1_000_000:,.10g}M"
    if number and number % 1_000 == 0 and number < 1_000_000:
        return f"{number // 1_000}K"
    return f"{number:,}"


def percentage(change: str, digits: int = 2) -> str:
    """Return a change such as `-16.67%` as `−16.67%`, without trailing zeros; it is never rounded to nothing."""
    number = Decimal(change.rstrip("%"))
    rounded = round(number, digits)
    shown = rounded or number
    return f"{'−' if shown.is_signed() else '+'}{plain(abs(shown))}%"
