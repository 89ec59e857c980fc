"""Prices: exact decimal strings in USD per token, day schedules of them, and what one price is against another.

A price is a string in canonical form:

- a decimal without exponent or trailing zeros: `"0.000003"`; `"0"` is free;
- `"varies"`: it depends on where a router sends the call (the API's `-1`), so it is no number;
- `"?"`: not known, so nothing can be said of it;
- a day schedule: `"00:30=0.0000003 16:30=0.00000015"`, each price holding from its UTC time until the next one's.
"""

from collections.abc import Iterable, Iterator
from decimal import Context, Decimal, InvalidOperation
from itertools import groupby, pairwise

from msgspec import Struct

from watcher.catalog.model import Direction, PriceChange

FREE = "0"
VARIES = "varies"
UNKNOWN = "?"
DAY = 24 * 60
"""Minutes in a day."""

# A double holds 15 decimal digits exactly; what the API writes beyond them is the rounding of a division
# (8.333333333333333e-8 became 8.333333333333334e-8 overnight) and not a price.
_DIGITS = Context(prec=15)


class Step(Struct, frozen=True):
    """One piece of a price's change: `window` is its time of day (`16:30-00:30` UTC), None for all day."""

    window: str | None
    old: str
    new: str


def canonical(value: object) -> str:
    """Return a price of the API (a decimal string; a number is understood too) in canonical form.

    Raises:
        ValueError: it is no price: not a number, not finite, negative but not -1, or absurdly large or small.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float) or len(str(value)) > 64:
        raise ValueError("not a price")
    try:
        number = _DIGITS.plus(Decimal(str(value)))
    except InvalidOperation:
        raise ValueError("not a price") from None
    if not number.is_finite() or (number and not -30 <= number.adjusted() <= 9):
        raise ValueError("not a price")
    if number == -1:
        return VARIES
    if number < 0:
        raise ValueError("not a price")
    return plain(number)


def plain(number: Decimal) -> str:
    """Return the number without exponent and trailing zeros."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def join(pieces: Iterable[tuple[int, str]]) -> str:
    """Return the schedule of prices that hold from a minute of the day each; one price all day is just that price."""
    steps = [next(same) for _, same in groupby(sorted(pieces), key=lambda piece: piece[1])]
    if len(steps) > 1 and steps[0][1] == steps[-1][1]:  # over midnight
        del steps[0]
    if len(steps) == 1:
        return steps[0][1]
    return " ".join(f"{_clock(minute)}={price}" for minute, price in steps)


def pieces(price: str) -> list[tuple[int, str]]:
    """Return (minute of the day, price from then on) of a schedule in order; of any other price one piece from 0."""
    if "=" not in price:
        return [(0, price)]
    return [(int(at[:2]) * 60 + int(at[3:]), value) for at, _, value in (part.partition("=") for part in price.split())]


def at_minute(price: str, minute: int) -> str:
    """Return the price in force at a minute of the UTC day."""
    steps = pieces(price)
    return next((value for start, value in reversed(steps) if start <= minute), steps[-1][1])


def windows(price: str) -> Iterator[tuple[str | None, str]]:
    """Yield (window, price) for each part of the day; the window is None for a price that holds all day."""
    steps = pieces(price)
    if len(steps) == 1:
        yield None, price
        return
    for (start, value), (end, _) in pairwise([*steps, steps[0]]):
        yield f"{_clock(start)}-{_clock(end)}", value


def carry(previous: str, new: str) -> str:
    """Return `new` with what is not known in it taken from `previous`, time by time."""
    if UNKNOWN not in new:
        return new
    return join(
        (start, at_minute(previous, start) if old_or_new == UNKNOWN else old_or_new)
        for start in sorted({start for start, _ in pieces(previous) + pieces(new)})
        for old_or_new in (at_minute(new, start),)
    )


def steps(old: str, new: str) -> list[Step]:
    """Return where the two prices differ, a step for each part of the day; what is not known does not differ."""
    cuts = sorted({start for start, _ in pieces(old) + pieces(new)})
    pairs = [(start, (at_minute(old, start), at_minute(new, start))) for start in cuts]
    merged = [next(same) for _, same in groupby(pairs, key=lambda pair: pair[1])]
    if len(merged) > 1 and merged[0][1] == merged[-1][1]:
        del merged[0]
    if len(merged) == 1:
        spans: list[tuple[str | None, tuple[str, str]]] = [(None, merged[0][1])]
    else:
        spans = [(f"{_clock(start)}-{_clock(end)}", pair) for (start, pair), (end, _) in pairwise([*merged, merged[0]])]
    return [Step(window, *pair) for window, pair in spans if pair[0] != pair[1] and UNKNOWN not in pair]


def is_material(old: str, new: str, threshold: Decimal) -> bool:
    """Whether the move from `old` to `new` is news at any time of day.

    To and from free, and to and from `varies`, always is; else the change as a fraction of `old` must
    reach `threshold`.
    """
    return any(_step_is_material(step.old, step.new, threshold) for step in steps(old, new))


def _step_is_material(old: str, new: str, threshold: Decimal) -> bool:
    if VARIES in (old, new) or FREE in (old, new):
        return True
    before = Decimal(old)
    return abs(Decimal(new) - before) >= threshold * before


def percent(old: str | None, new: str | None) -> str | None:
    """Return the change as text (`-16.67%`), or None where there is no ratio: unknown, varies, from or to free."""
    if old is None or new is None or not {old, new}.isdisjoint((FREE, VARIES, UNKNOWN)):
        return None
    return f"{(Decimal(new) / Decimal(old) - 1) * 100:+.2f}%"


def direction_of(changes: Iterable[PriceChange]) -> Direction | None:
    """Return whether prices went up, down or both ways; None where none of them can be compared."""
    ways: set[Direction] = {
        "up" if Decimal(change.new) > Decimal(change.old) else "down"
        for change in changes
        if change.old is not None
        and change.new is not None
        and change.old != change.new
        and VARIES not in (change.old, change.new)
    }
    return "mixed" if len(ways) > 1 else next(iter(ways), None)


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
