"""Prices: one spelling each, day schedules, and what a move from one to another is."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.catalog import price
from watcher.catalog.model import Direction, PriceChange

PERCENT = Decimal("0.01")

plain_prices = st.decimals(min_value=0, max_value=100, places=9).map(price.plain)
known_prices = plain_prices | st.just(price.VARIES)
any_prices = known_prices | st.just(price.UNKNOWN)
minutes = st.integers(0, price.WEEK - 1)


def daily(pieces: Iterable[tuple[int, str]]) -> str:
    """A schedule that is the same every day."""
    return price.join((day * price.DAY + minute, value) for minute, value in pieces for day in range(7))


def schedules(prices: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Schedules of days and of weeks, and prices that always hold."""
    days = st.dictionaries(st.integers(0, price.DAY - 1), prices, min_size=1, max_size=4)
    weeks = st.dictionaries(minutes, prices, min_size=1, max_size=4)
    return days.map(lambda pieces: daily(pieces.items())) | weeks.map(lambda pieces: price.join(pieces.items()))


@pytest.mark.parametrize(
    ("given_price", "canonical"),
    [
        ("0.00003", "0.00003"),
        ("8.333333333333334e-8", "0.0000000833333333333333"),
        ("0.000000239", "0.000000239"),
        ("1.50", "1.5"),
        ("100", "100"),
        ("1e3", "1000"),
        ("0", "0"),
        ("0.000", "0"),
        ("-0", "0"),
        ("0e-100", "0"),
        (0, "0"),
        (1e-8, "0.00000001"),
        ("-1", "varies"),
        (-1, "varies"),
        ("-1.000", "varies"),
        ("1e-30", "0.000000000000000000000000000001"),
        ("9999999999", "9999999999"),
    ],
)
def test_a_price_has_one_spelling(given_price: Any, canonical: str) -> None:
    assert price.canonical(given_price) == canonical


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, False, [], {}, b"1", "", " ", "free", "$1", "NaN", "sNaN", "Infinity", "-inf", "-2", "-0.1"),
        *("1e999999", "1e-999999", "1e99999999999999999999", "1e10", "1e-31", "9" * 65, 10**5000, float("nan")),
        "9999999999.9999999",
    ],
    ids=lambda value: str(value)[:12] if not isinstance(value, int) else "int",
)
def test_what_is_no_price_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"not a price|digits"):
        price.canonical(value)


@given(st.decimals(allow_nan=True, allow_infinity=True).map(str) | st.floats() | st.integers() | st.text(max_size=8))
def test_canonical_is_idempotent(value: Any) -> None:
    try:
        once = price.canonical(value)
    except ValueError:
        return
    assert once == price.VARIES or price.canonical(once) == once


@given(schedules(any_prices))
def test_a_schedule_is_the_join_of_its_pieces(schedule: str) -> None:
    assert price.join(price.pieces(schedule)) == schedule


def test_what_holds_over_midnight_is_one_piece() -> None:
    assert daily([(0, "1"), (600, "2"), (1200, "1")]) == "10:00=2 20:00=1"
    assert daily([(0, "1"), (600, "1")]) == "1"
    assert price.steps("10:00=2 20:00=1", "5") == [
        (None, "1", "5"),
        ("10:00-20:00", "2", "5"),
        ("20:00-10:00", "1", "5"),
    ]


WEEKDAYS = " ".join(f"{day} 01:00=2 {day} 04:00=1" for day in price.DAYS[:5])


def test_windows_of_a_week_are_named_by_days_and_only_where_the_price_is_not_the_usual_one() -> None:
    assert price.pieces(WEEKDAYS)[:3] == [(0, "1"), (60, "2"), (240, "1")]
    assert list(price.windows(WEEKDAYS)) == [("mon-fri 01:00-04:00", "2")]
    assert list(price.windows("mon 00:00=1 sat 00:00=0.5")) == [("sat-sun", "0.5")]
    assert list(price.windows("mon 00:00=2 tue 00:00=1 wed 00:00=2 thu 00:00=1")) == [("mon,wed", "2")]
    assert list(price.windows("fri 22:00=2 sat 02:00=1")) == [("fri 22:00-24:00", "2"), ("sat 00:00-02:00", "2")]
    assert price.usual(WEEKDAYS) == "1"


def test_a_daily_schedule_that_becomes_one_of_weekdays_differs_at_the_weekend_alone() -> None:
    assert price.steps("01:00=2 04:00=1", WEEKDAYS) == [("sat-sun 01:00-04:00", "2", "1")]
    assert price.steps(WEEKDAYS, WEEKDAYS.replace("=1", "=1.1")) == [(None, "1", "1.1")]


@given(st.dictionaries(minutes, any_prices, min_size=1, max_size=5), minutes)
def test_a_schedule_says_the_price_of_each_minute(pieces: dict[int, str], minute: int) -> None:
    earlier = [start for start in pieces if start <= minute]
    in_force = pieces[max(earlier)] if earlier else pieces[max(pieces)]  # before the first one: yesterday's last
    assert price.at_minute(price.join(pieces.items()), minute) == in_force


@given(schedules(any_prices), minutes)
def test_each_minute_has_the_price_of_its_window_or_else_the_usual_one(schedule: str, minute: int) -> None:
    here = [value for window, value in price.windows(schedule) if _covers(window, minute)]
    assert (here or [price.usual(schedule)]) == [price.at_minute(schedule, minute)]


@given(schedules(any_prices), schedules(any_prices), minutes)
def test_fill_unknown_fills_in_what_is_not_known_and_nothing_else(old: str, new: str, minute: int) -> None:
    carried = price.at_minute(price.fill_unknown(old, new), minute)
    said = price.at_minute(new, minute)
    assert carried == (price.at_minute(old, minute) if said == price.UNKNOWN else said)


@given(schedules(any_prices), schedules(any_prices))
def test_filling_in_twice_changes_nothing(old: str, new: str) -> None:
    carried = price.fill_unknown(old, new)
    assert price.fill_unknown(old, carried) == carried
    assert price.fill_unknown(carried, new) == carried


@given(schedules(known_prices), schedules(known_prices))
def test_steps_are_none_only_between_equals_and_turn_round(old: str, new: str) -> None:
    steps = price.steps(old, new)
    assert (steps == []) == (old == new)
    assert price.steps(new, old) == [(window, after, before) for window, before, after in steps]


@given(schedules(any_prices), schedules(any_prices), minutes)
def test_steps_say_what_each_minute_was_and_is(old: str, new: str, minute: int) -> None:
    pair = price.at_minute(old, minute), price.at_minute(new, minute)
    steps = price.steps(old, new)
    here = [step for step in steps if step[0] and _covers(step[0], minute)] or [step for step in steps if not step[0]]
    differs = pair[0] != pair[1] and price.UNKNOWN not in pair
    said = [(before, after) for _, before, after in here]
    assert pair in said if differs else all(window is None for window, _, _ in here)


def _covers(window: str | None, minute: int) -> bool:
    if window is None:
        return True
    days, _, clock = window.rpartition(" ") if ":" in window else (window, "", "00:00-24:00")
    start, end = (int(at[:2]) * 60 + int(at[3:]) for at in clock.split("-"))
    day, minute = divmod(minute, price.DAY)
    return day in _days(days) and (start <= minute < end if start < end else minute >= start or minute < end)


def _days(names: str) -> set[int]:
    found: set[int] = set()
    for part in names.split(",") if names else ["mon-sun"]:
        first, _, last = part.partition("-")
        found |= set(range(price.DAYS.index(first), price.DAYS.index(last or first) + 1))
    return found


@pytest.mark.parametrize(
    ("old", "new", "material"),
    [
        ("1", "1.01", True),
        ("1", "1.0099", False),
        ("1", "0.99", True),
        ("1", "0.9901", False),
        ("1", "1", False),
        ("0", "0.0000001", True),
        ("0.0000001", "0", True),
        ("varies", "1", True),
        ("1", "varies", True),
        ("varies", "varies", False),
        ("?", "1", False),
        ("1", "?", False),
        ("00:00=1 12:00=2", "00:00=1 12:00=2.01", False),
        ("00:00=1 12:00=2", "00:00=1 12:00=2.02", True),
        ("1", "00:00=1 12:00=2", True),
    ],
)
def test_a_move_is_material_from_one_percent_and_always_to_and_from_free(old: str, new: str, material: bool) -> None:
    assert price.is_material(old, new, PERCENT) is material


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("0.000003", "0.0000025", "-16.67%"),
        ("2", "3", "+50.00%"),
        ("0", "1", None),
        ("1", "0", None),
        ("varies", "1", None),
        ("1", "?", None),
        (None, "1", None),
        ("1", None, None),
    ],
)
def test_a_percentage_needs_two_numbers(old: str | None, new: str | None, text: str | None) -> None:
    assert price.percent(old, new) == text


@given(plain_prices.filter(lambda value: value != "0"), plain_prices.filter(lambda value: value != "0"))
def test_a_percentage_is_the_ratio(old: str, new: str) -> None:
    text = price.percent(old, new)
    assert text is not None
    assert abs(Decimal(old) * (1 + Decimal(text[:-1]) / 100) - Decimal(new)) <= Decimal(old) * Decimal("0.00005001")


@pytest.mark.parametrize(
    ("changes", "direction"),
    [
        ([("1", "2")], "up"),
        ([("2", "1"), ("1", "0")], "down"),
        ([("2", "1"), ("1", "2")], "mixed"),
        ([("varies", "1"), ("1", "2")], "up"),
        ([("varies", "1")], None),
        ([(None, "1"), ("1", None), ("1", "1")], None),
        ([], None),
    ],
)
def test_the_direction_is_that_of_the_prices_that_can_be_compared(
    changes: list[tuple[str | None, str | None]], direction: Direction | None
) -> None:
    assert price.direction_of(PriceChange(old, new) for old, new in changes) == direction
