"""Prices: one spelling each, day schedules, and what a move from one to another is."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watcher.catalog import price
from watcher.catalog.model import Direction, PriceChange
from watcher.catalog.price import Step

PERCENT = Decimal("0.01")

plain_prices = st.decimals(min_value=0, max_value=100, places=9).map(price.plain)
known_prices = plain_prices | st.just(price.VARIES)
any_prices = known_prices | st.just(price.UNKNOWN)
minutes = st.integers(0, price.DAY - 1)


def schedules(prices: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Day schedules, and prices that hold all day."""
    return st.dictionaries(minutes, prices, min_size=1, max_size=4).map(lambda pieces: price.join(pieces.items()))


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


@settings(deadline=None)
@given(st.decimals(allow_nan=True, allow_infinity=True).map(str) | st.floats() | st.integers() | st.text(max_size=8))
def test_canonical_is_idempotent(value: Any) -> None:
    try:
        once = price.canonical(value)
    except ValueError:
        return
    assert once == price.VARIES or price.canonical(once) == once


@settings(deadline=None)
@given(schedules(any_prices))
def test_a_schedule_is_the_join_of_its_pieces(schedule: str) -> None:
    assert price.join(price.pieces(schedule)) == schedule


def test_what_holds_over_midnight_is_one_piece() -> None:
    assert price.join([(0, "1"), (600, "2"), (1200, "1")]) == "10:00=2 20:00=1"
    assert price.join([(0, "1"), (600, "1")]) == "1"
    assert price.steps("10:00=2 20:00=1", "5") == [Step("10:00-20:00", "2", "5"), Step("20:00-10:00", "1", "5")]


@settings(deadline=None)
@given(st.dictionaries(minutes, any_prices, min_size=1, max_size=5), minutes)
def test_a_schedule_says_the_price_of_each_minute(pieces: dict[int, str], minute: int) -> None:
    earlier = [start for start in pieces if start <= minute]
    in_force = pieces[max(earlier)] if earlier else pieces[max(pieces)]  # before the first one: yesterday's last
    assert price.at_minute(price.join(pieces.items()), minute) == in_force


@settings(deadline=None)
@given(schedules(any_prices))
def test_windows_go_once_round_the_day(schedule: str) -> None:
    windows = list(price.windows(schedule))
    if len(windows) == 1:
        assert windows == [(None, schedule)]
        return
    starts, ends = zip(*((window or "").split("-") for window, _ in windows), strict=True)
    assert starts[1:] + starts[:1] == ends


@settings(deadline=None)
@given(schedules(any_prices), schedules(any_prices), minutes)
def test_carry_fills_in_what_is_not_known_and_nothing_else(old: str, new: str, minute: int) -> None:
    carried = price.at_minute(price.carry(old, new), minute)
    said = price.at_minute(new, minute)
    assert carried == (price.at_minute(old, minute) if said == price.UNKNOWN else said)


@settings(deadline=None)
@given(schedules(any_prices), schedules(any_prices))
def test_carrying_what_was_carried_changes_nothing(old: str, new: str) -> None:
    carried = price.carry(old, new)
    assert price.carry(old, carried) == carried
    assert price.carry(carried, new) == carried


@settings(deadline=None)
@given(schedules(known_prices), schedules(known_prices))
def test_steps_are_none_only_between_equals_and_turn_round(old: str, new: str) -> None:
    steps = price.steps(old, new)
    assert (steps == []) == (old == new)
    assert price.steps(new, old) == [Step(step.window, step.new, step.old) for step in steps]


@settings(deadline=None)
@given(schedules(any_prices), schedules(any_prices), minutes)
def test_steps_say_what_each_minute_was_and_is(old: str, new: str, minute: int) -> None:
    pair = price.at_minute(old, minute), price.at_minute(new, minute)
    here = [step for step in price.steps(old, new) if _covers(step.window, minute)]
    differs = pair[0] != pair[1] and price.UNKNOWN not in pair
    assert [(step.old, step.new) for step in here] == ([pair] if differs else [])


def _covers(window: str | None, minute: int) -> bool:
    if window is None:
        return True
    start, end = (int(at[:2]) * 60 + int(at[3:]) for at in window.split("-"))
    return start <= minute < end if start < end else minute >= start or minute < end


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


@settings(deadline=None)
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
