"""What a model costs in a month, at the tokens that the user needs of it. Exact: fractions, no floats.

- A price that depends on the time of day counts for its share of the week, as if the tokens were spread evenly over it.
- A price for long prompts counts if the average prompt is that long; so it needs the number of requests.
- Cached tokens cost what reading from the cache costs, and what the prompt costs where there is no such price.
- Writing to a cache, images, searches and other extras do not count.
"""

from collections import Counter
from collections.abc import Mapping
from fractions import Fraction

from watcher.catalog.model import Bill, Event, PriceChange, Tokens
from watcher.catalog.price import DAY, DAYS, FREE, WEEK
from watcher.catalog.pricing import split_window, tier_tokens

_DECIMALS = 6
"""Of a cost in USD."""


def monthly_cost(
    prices: Mapping[str, str], tokens: Tokens, before: Mapping[str, PriceChange] | None = None
) -> Fraction | None:
    """Return the cost of a month in USD; None where a price is unknown or varies.

    Args:
        prices: by key, as in `Offer.prices`; time windows and tiers have keys of their own.
        tokens: of the month.
        before: changes that are to be taken back, to get the cost before them.
    """
    cached = min(tokens.cached, tokens.prompt)
    reading = _key("input_cache_read", prices, tokens)
    counts = {
        _key("prompt", prices, tokens): tokens.prompt - cached,
        _key("completion", prices, tokens): tokens.completion,
        "request": tokens.requests,
    }
    if not cached or set(_week(reading, prices, before or {})) <= {FREE, ""}:
        counts[_key("prompt", prices, tokens)] += cached
    else:
        counts[reading] = cached
    total = Fraction(0)
    for key, count in counts.items():
        if not count or (key == "request" and key not in prices):
            continue
        for price, minutes in Counter(_week(key, prices, before or {})).items():
            try:
                total += count * Fraction(price) * Fraction(minutes, WEEK)
            except ValueError:  # varies, or not known
                return None
    return total


def bill_of(event: Event, tokens: Tokens, changes: Mapping[str, PriceChange] | None = None) -> Bill | None:
    """Return what changes of price do to the costs of a month; None where that cannot be told.

    Args:
        event: tells the prices as they are.
        tokens: of the month.
        changes: what one channel does not know yet; None: those of the event.
    """
    if event.offer is None or not event.prices:
        return None
    unknown = event.prices if changes is None else changes
    now = {key: change.new for key, change in {**unknown, **event.prices}.items() if change.new is not None}
    old, new = monthly_cost(now | event.offer.prices, tokens, unknown), monthly_cost(event.offer.prices, tokens)
    return None if old is None or new is None else Bill(as_text(old), as_text(new))


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


def _week(path: str, prices: Mapping[str, str], before: Mapping[str, PriceChange]) -> list[str]:
    """Return the price at each minute of the UTC week, with the changes in `before` taken back; empty: unknown."""
    week = [prices.get(path, "")] * WEEK
    for key, price in prices.items():
        _paint(week, path, key, price)
    windows = [window for of, window in map(split_window, before) if of == path and window is not None]
    if path in before and not any(window[:1].isdigit() for window in windows):
        # All windows of a day are there, the one with the usual price as well. Of the minutes with the usual price of a
        # week, it is only known that they cost as much now.
        change = before[path]
        week = [change.old or "" if price == change.new else price for price in week]
    for key, change in before.items():
        _paint(week, path, key, change.old or "")
    return week


def _paint(week: list[str], path: str, key: str, price: str) -> None:
    """Write a price into the minutes of its window, if it is a window of this path's price."""
    of, window = split_window(key)
    if of != path or window is None:
        return
    for start, end in _minutes(window):
        week[start:end] = [price] * (end - start)


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
