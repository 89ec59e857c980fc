"""Prices: exact decimal strings in USD per token, schedules of them, and what one price is against another.

A price is a string in canonical form:

- a decimal without exponent or trailing zeros: `"0.000003"`; `"0"` is free;
- `"varies"`: it depends on where a router sends the call (the API's `-1`), so it is no number;
- `"?"`: not known, so nothing can be said of it;
- a schedule, each price holding from its UTC time until the next one's: by day, `"00:30=0.0000003 16:30=0.00000015"`,
  or by week where the days differ, `"mon 01:00=… mon 04:00=…"`.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from decimal import Context, Decimal
from itertools import groupby, pairwise
from typing import TypeVar

from msgspec import Struct

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
"""(minute of the week from Monday 00:00 UTC, what holds from then on), in order, from minute 0 on."""

# A double holds 15 decimal digits exactly; what the API writes beyond them is the rounding of a division
# (8.333333333333333e-8 became 8.333333333333334e-8 overnight) and not a price.
_DIGITS = Context(prec=15)


class PriceStep(Struct, frozen=True):
    """One piece of a price's change: `window` says when it holds (`16:30-00:30`, `mon-fri 01:00-04:00`), None: always.

    Times are UTC.
    """

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
        exact = Decimal(str(value).strip())
        if not exact.is_finite() or (exact and not -30 <= exact.adjusted() <= 9):
            raise ValueError("not a price")
        number = _DIGITS.plus(exact)
        if number.adjusted() > 9:
            raise ValueError("not a price")
    except ArithmeticError:  # no number, or an exponent that no Decimal holds
        raise ValueError("not a price") from None
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
    """Return the schedule of prices that hold from a minute of the week each; one price all week is just that price."""
    changes = _changes(sorted(pieces))
    if len(changes) == 1:
        return changes[0][1]
    if _is_daily(changes):
        return " ".join(f"{_clock(minute)}={price}" for minute, price in changes if minute < DAY)
    return " ".join(f"{DAYS[minute // DAY]} {_clock(minute % DAY)}={price}" for minute, price in changes)


def _changes(pieces: Pieces[T]) -> Pieces[T]:
    """Return only the pieces that differ from the one before, the first one's being the last."""
    changes = _merged(pieces)
    if len(changes) > 1 and changes[0][1] == changes[-1][1]:  # over the end of the week
        del changes[0]
    return changes


def _is_daily(changes: Pieces[T]) -> bool:
    """Whether each day is like the others."""
    return {((minute + DAY) % WEEK, value) for minute, value in changes} == set(changes)


def is_schedule(price: str) -> bool:
    """Whether the price depends on the time."""
    return "=" in price


def pieces(price: str) -> Pieces[str]:
    """Return (minute of the week, price from then on) in order, the first one from minute 0."""
    if not is_schedule(price):
        return [(0, price)]
    found: Pieces[str] = []
    day: int | None = None
    for part in price.split():
        if part in DAYS:
            day = DAYS.index(part)
            continue
        at, _, value = part.partition("=")
        minute = int(at[:2]) * 60 + int(at[3:])
        found += [(each * DAY + minute, value) for each in (range(7) if day is None else [day])]
    found.sort()
    return found if found[0][0] == 0 else [(0, found[-1][1]), *found]


def at_minute(price: str, minute: int) -> str:
    """Return the price in force at a minute of the UTC week."""
    return next(value for start, value in reversed(pieces(price)) if start <= minute)


def usual(price: str) -> str:
    """Return the price that holds for the largest part of the week: where windows are exceptions, that around them."""
    return _longest(pieces(price))


def _longest(pieces: Pieces[T]) -> T:
    minutes: dict[T, int] = defaultdict(int)
    for (start, value), (end, _) in pairwise([*pieces, (WEEK, pieces[0][1])]):
        minutes[value] += end - start
    return max(minutes, key=lambda value: (minutes[value], str(value)))


def windows(price: str) -> Iterator[tuple[str | None, str]]:
    """Yield (window, price) for each part of the day or week; the window is None for a price that always holds.

    Where days differ, the windows are those in which the price is not the usual one.
    """
    always = usual(price)
    daily = _is_daily(_changes(pieces(price)))
    return (pair for pair in _labelled(pieces(price)) if daily or pair[1] != always)


def _labelled(pieces: Pieces[T]) -> Iterator[tuple[str | None, T]]:
    """Yield (when, what holds then): by times of the day or, where days differ, by days and times."""
    changes = _changes(pieces)
    if len(changes) == 1:
        yield None, changes[0][1]
    elif _is_daily(changes):
        today = [change for change in changes if change[0] < DAY]
        for (start, value), (end, _) in pairwise([*today, today[0]]):
            yield f"{_clock(start)}-{_clock(end)}", value
    else:
        days: dict[tuple[int, int, T], list[int]] = defaultdict(list)
        for (start, value), (end, _) in pairwise([*pieces, (WEEK, pieces[0][1])]):
            for day in range(start // DAY, -(-end // DAY)):
                begins, ends = max(start - day * DAY, 0), min(end - day * DAY, DAY)
                days[begins, ends, value].append(day)
        for (begins, ends, value), on in days.items():
            clock = "" if (begins, ends) == (0, DAY) else f" {_clock(begins)}-{_clock(ends)}"
            yield f"{_days(on)}{clock}", value


def _days(days: list[int]) -> str:
    """Return days in words: `sat`, `mon-fri`, `mon,wed`."""
    runs = [[day for _, day in run] for _, run in groupby(enumerate(days), key=lambda pair: pair[1] - pair[0])]
    return ",".join(DAYS[run[0]] if len(run) == 1 else f"{DAYS[run[0]]}-{DAYS[run[-1]]}" for run in runs)


def fill_unknown(previous: str, new: str) -> str:
    """Return `new` with what is not known in it taken from `previous`, time by time."""
    if UNKNOWN not in new:
        return new
    cuts = sorted({start for start, _ in pieces(previous) + pieces(new)})
    pairs = ((cut, at_minute(previous, cut), at_minute(new, cut)) for cut in cuts)
    return join((cut, before if now == UNKNOWN else now) for cut, before, now in pairs)


def steps(old: str, new: str) -> list[PriceStep]:
    """Return where the two prices differ, a step for each part of the day or week; what is not known does not differ.

    What happened for the largest part of the week is a step without a window as well; it stands for all windows of a
    week in which just the same happened.
    """
    cuts = sorted({start for start, _ in pieces(old) + pieces(new)})
    pairs = _merged([(cut, (at_minute(old, cut), at_minute(new, cut))) for cut in cuts])
    found = [PriceStep(window, *pair) for window, pair in _labelled(pairs)]
    around = PriceStep(None, *_longest(pairs))
    if len(found) > 1:
        daily = _is_daily(_changes(pairs))
        found = [around, *(step for step in found if daily or (step.old, step.new) != (around.old, around.new))]
    return [step for step in found if step.old != step.new and UNKNOWN not in (step.old, step.new)]


def _merged(pieces: Pieces[T]) -> Pieces[T]:
    return [next(same) for _, same in groupby(pieces, key=lambda piece: piece[1])]


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
