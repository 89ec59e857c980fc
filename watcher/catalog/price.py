"""Prices: exact decimal strings in USD per token, schedules of them, and how one price differs from another.

A price is a string in canonical form:

- a decimal without exponent or trailing zeros: `"0.000003"`; `"0"` is free;
- `"varies"`: the API's `-1`, not a number, because the price depends on where a router sends the call;
- `"?"`: not known, so it never differs from anything;
- a schedule of prices, each from its UTC time until the next one's: by day, `"00:30=0.0000003 16:30=0.00000015"`,
  or by week where the days differ, `"mon 01:00=… mon 04:00=…"`.
"""

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from decimal import Context, Decimal
from itertools import groupby, pairwise
from typing import TypeVar

from watcher.catalog.model import Direction, PriceChange

FREE = "0"
VARIES = "varies"
UNKNOWN = "?"
DAY = 24 * 60
"""Minutes in a day."""
WEEK = 7 * DAY
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

T = TypeVar("T", bound=Hashable)
Pieces = list[tuple[int, T]]
"""(minute of the week from Monday 00:00 UTC, value from then on), in order, starting at minute 0."""

Step = tuple[str | None, str, str]
"""A window of UTC time (`16:30-00:30`, `mon-fri 01:00-04:00`; None: usually), the old and the new price in it."""

_PIECE = re.compile(r"(?:([a-z]{3}) )?(\d\d):(\d\d)=(\S+)")

# A double holds 15 decimal digits exactly. Further digits from the API are the rounding of a division
# (8.333333333333333e-8 became 8.333333333333334e-8 overnight), not a change of price.
_DIGITS = Context(prec=15)


def canonical(value: object) -> str:
    """Return a price of the API, a decimal string or a number, in canonical form.

    Raises:
        ValueError: it is not a number, not finite, negative but not -1, or absurdly large or small.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float) or len(str(value)) > 64:
        raise ValueError("not a price")
    try:
        exact = Decimal(str(value).strip())
        number = _DIGITS.plus(exact)
    except ArithmeticError:  # not a number, or an exponent that no Decimal holds
        raise ValueError("not a price") from None
    if number == -1:
        return VARIES
    if not number.is_finite() or number < 0 or number.adjusted() > 9 or (exact and exact.adjusted() < -30):
        raise ValueError("not a price")
    return plain(number)


def plain(number: Decimal) -> str:
    """Return the number without exponent and trailing zeros."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def join(pieces: Iterable[tuple[int, str]]) -> str:
    """Return the schedule made of these pieces, or a plain price if it is the same all week."""
    changes = _changes(sorted(pieces))
    if len(changes) == 1:
        return changes[0][1]
    if _is_daily(changes):
        return " ".join(f"{_clock(minute)}={price}" for minute, price in changes if minute < DAY)
    return " ".join(f"{DAYS[minute // DAY]} {_clock(minute % DAY)}={price}" for minute, price in changes)


def _changes(pieces: Pieces[T]) -> Pieces[T]:
    """Return the pieces that differ from the one before; before the first comes the last of the week."""
    changes = [next(same) for _, same in groupby(pieces, key=lambda piece: piece[1])]
    return changes[1:] if len(changes) > 1 and changes[0][1] == changes[-1][1] else changes


def _is_daily(changes: Pieces[T]) -> bool:
    """Whether all days are alike."""
    return {((minute + DAY) % WEEK, value) for minute, value in changes} == set(changes)


def is_schedule(price: str) -> bool:
    """Whether the price depends on the time."""
    return "=" in price


def pieces(price: str) -> Pieces[str]:
    """Return the price as pieces of the week."""
    if not is_schedule(price):
        return [(0, price)]
    found: Pieces[str] = []
    for day, hours, minutes, value in _PIECE.findall(price):
        days = [DAYS.index(day)] if day else range(7)
        found += [(each * DAY + int(hours) * 60 + int(minutes), value) for each in days]
    found.sort()
    return found if found[0][0] == 0 else [(0, found[-1][1]), *found]


def at_minute(price: str, minute: int) -> str:
    """Return the price in force at a minute of the UTC week."""
    return next(value for start, value in reversed(pieces(price)) if start <= minute)


def usual(price: str) -> str:
    """Return the price that holds for the largest part of the week."""
    return _usual(pieces(price))


def _usual(pieces: Pieces[T]) -> T:
    minutes: dict[T, int] = defaultdict(int)
    for start, end, value in _spans(pieces):
        minutes[value] += end - start
    return max(minutes, key=lambda value: (minutes[value], str(value)))


def _spans(pieces: Pieces[T]) -> Iterator[tuple[int, int, T]]:
    """Yield (first minute, minute after the last, value)."""
    for (start, value), (end, _) in pairwise([*pieces, (WEEK, pieces[0][1])]):
        yield start, end, value


def windows(price: str) -> list[tuple[str, str]]:
    """Return (window, price) for each part of the day; where days differ, only where the price is not the usual one."""
    return _windows(pieces(price))


def _windows(pieces: Pieces[T]) -> list[tuple[str, T]]:
    changes = _changes(pieces)
    if len(changes) == 1:
        return []
    if _is_daily(changes):
        today = [change for change in changes if change[0] < DAY]
        return [(f"{_clock(start)}-{_clock(end)}", value) for (start, value), (end, _) in pairwise([*today, today[0]])]
    usual = _usual(pieces)
    days: dict[tuple[int, int, T], list[int]] = defaultdict(list)
    for start, end, value in _spans(pieces):
        for day in range(start // DAY, -(-end // DAY)):
            days[max(start - day * DAY, 0), min(end - day * DAY, DAY), value].append(day)
    return [(_window(begin, end, on), value) for (begin, end, value), on in days.items() if value != usual]


def _window(begin: int, end: int, days: list[int]) -> str:
    """Return days and times in words: `sat`, `mon-fri 01:00-04:00`, `mon,wed`."""
    runs = [[day for _, day in run] for _, run in groupby(enumerate(days), key=lambda pair: pair[1] - pair[0])]
    names = ",".join(DAYS[run[0]] if len(run) == 1 else f"{DAYS[run[0]]}-{DAYS[run[-1]]}" for run in runs)
    return names if (begin, end) == (0, DAY) else f"{names} {_clock(begin)}-{_clock(end)}"


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def fill_unknown(previous: str, new: str) -> str:
    """Return `new` with its unknown parts taken from `previous`, time by time."""
    if UNKNOWN not in new:
        return new
    return join((start, before if now == UNKNOWN else now) for start, (before, now) in _pairs(previous, new))


def _pairs(old: str, new: str) -> Pieces[tuple[str, str]]:
    """Return both prices as pieces of one week."""
    starts = sorted({start for start, _ in pieces(old) + pieces(new)})
    pairs = [(start, (at_minute(old, start), at_minute(new, start))) for start in starts]
    return [next(same) for _, same in groupby(pairs, key=lambda pair: pair[1])]


def steps(old: str, new: str) -> list[Step]:
    """Return where the two prices differ: first the usual price, then each window. Unknown prices do not differ."""
    pairs = _pairs(old, new)
    found = [(None, _usual(pairs)), *_windows(pairs)]
    return [(window, *pair) for window, pair in found if pair[0] != pair[1] and UNKNOWN not in pair]


def is_material(old: str, new: str, threshold: Decimal) -> bool:
    """Whether the move from `old` to `new` is news at any time of the week.

    A move to or from free or `varies` always is. Any other must reach `threshold`, a fraction of `old`.
    """
    return any(
        not {VARIES, FREE}.isdisjoint((before, after))
        or abs(Decimal(after) - Decimal(before)) >= threshold * Decimal(before)
        for _, before, after in steps(old, new)
    )


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
        if change.old and change.new and change.old != change.new and VARIES not in (change.old, change.new)
    }
    return "mixed" if len(ways) > 1 else next(iter(ways), None)
