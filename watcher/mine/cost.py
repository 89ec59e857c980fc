"""What a model costs in a month, at the tokens that the user needs of it. Exact: fractions, no floats.

- A price that depends on the time of day counts for its share of the week, as if the tokens were spread evenly over it.
- A price for long prompts counts if the average prompt is that long; so it needs the number of requests.
- Cached tokens cost what reading from the cache costs, and what the prompt costs where there is no such price.
- Writing to a cache, images, searches and other extras do not count.
"""

from collections import Counter
from collections.abc import Mapping
from fractions import Fraction

from msgspec import Struct

from watcher.catalog.diff import differing
from watcher.catalog.event import offer
from watcher.catalog.model import Bill, Event, Tokens
from watcher.catalog.price import DAY, DAYS, FREE, WEEK
from watcher.catalog.pricing import is_price, split_window, tier_tokens
from watcher.catalog.state import ModelState

_DECIMALS = 6
"""Of a cost in USD."""


class Use(Struct, frozen=True):
    """How much of a model is used, and at which prices until now."""

    tokens: Tokens
    """Of a month."""
    before: Mapping[str, str]
    """By key, as in `Offer.prices`."""


def use_of(tokens: Tokens, before: ModelState, after: ModelState) -> Use:
    """Return how much of a model is used, at its prices without those that a poll announces."""
    old, new = before.announced_facets, after.announced_facets
    moved = set(filter(is_price, differing(old, new)))
    facets = {path: value for path, value in after.model.facets.items() if path not in moved}
    return Use(tokens, offer(facets | {path: old[path] for path in moved if path in old}).prices)


def bill_of(event: Event, use: Use, sent: Mapping[str, str]) -> Bill | None:
    """Return what the changed prices of an event do to the costs of a month; None where that cannot be told.

    `sent` are the prices that were sent to a channel last, where they are not those of before.
    """
    if event.offer is None or not event.prices:
        return None
    old, new = monthly_cost({**use.before, **sent}, use.tokens), monthly_cost(event.offer.prices, use.tokens)
    return None if old is None or new is None else Bill(as_text(old), as_text(new))


def monthly_cost(prices: Mapping[str, str], tokens: Tokens) -> Fraction | None:
    """Return the cost of a month in USD; None where a price is unknown or varies.

    Args:
        prices: by key, as in `Offer.prices`; time windows and tiers have keys of their own.
        tokens: of the month.
    """
    cached = min(tokens.cached, tokens.prompt)
    reading = _week(_key("input_cache_read", prices, tokens), prices)
    prompt = _week(_key("prompt", prices, tokens), prices)
    charges = [
        (prompt, tokens.prompt - cached),
        (prompt if reading.keys() <= {FREE, ""} else reading, cached),
        (_week(_key("completion", prices, tokens), prices), tokens.completion),
        (_week("request", prices), tokens.requests if "request" in prices else 0),
    ]
    try:
        return sum(
            (
                count * Fraction(price) * Fraction(minutes, WEEK)
                for week, count in charges
                if count
                for price, minutes in week.items()
            ),
            Fraction(0),
        )
    except ValueError:  # varies, or not known
        return None


def as_text(cost: Fraction) -> str:
    """Return a cost in USD as a decimal."""
    whole, rest = divmod(round(cost * 10**_DECIMALS), 10**_DECIMALS)
    return f"{whole}.{rest:0{_DECIMALS}d}".rstrip("0").rstrip(".")


def _key(base: str, prices: Mapping[str, str], tokens: Tokens) -> str:
    """Return the key of the price for prompts of the average length: `prompt`, or a tier such as `prompt@200000+`."""
    paths = {split_window(key)[0] for key in prices if key.startswith(f"{base}@")}
    length = Fraction(tokens.prompt, tokens.requests) if tokens.requests else 0
    tiers = [path for path in paths if path != base and tier_tokens(path) < length]
    return max(tiers, key=tier_tokens, default=base)


def _week(path: str, prices: Mapping[str, str]) -> dict[str, int]:
    """Return price → in how many minutes of a week it holds; an unknown price is empty."""
    usual = prices.get(path, "")
    windows = [(window, price) for key, price in prices.items() for of, window in (split_window(key),) if of == path]
    if not any(window for window, _ in windows):
        return {usual: WEEK}
    week = [usual] * WEEK
    for window, price in windows:
        for start, end in _minutes(window) if window else ():
            week[start:end] = [price] * (end - start)
    return Counter(week)


def _minutes(window: str) -> list[tuple[int, int]]:
    """Return the spans of a window (`16:30-00:30`, `sat`, `mon-fri,sun 01:00-04:00`) in minutes of the week."""
    days, _, hours = window.rpartition(" ")
    if ":" not in hours:
        days, hours = hours, "00:00-24:00"
    start, end = (int(clock[:2]) * 60 + int(clock[3:]) for clock in hours.split("-"))
    numbers: list[int] = []
    for run in days.split(",") if days else ["mon-sun"]:
        first, _, last = run.partition("-")
        numbers += range(DAYS.index(first), DAYS.index(last or first) + 1)
    ends = [(start, end)] if start < end else [(start, DAY), (0, end)]
    return [(day * DAY + begin, day * DAY + stop) for day in numbers for begin, stop in ends]
