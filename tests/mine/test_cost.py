"""What a month costs: tiers, windows and caches, exactly."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.events import AT, event
from watcher.catalog import price
from watcher.catalog.diff import Pending
from watcher.catalog.event import offer, price_details
from watcher.catalog.model import Bill, Model, Offer, PriceChange, Tokens
from watcher.catalog.state import ModelState
from watcher.mine.cost import Use, as_text, bill_of, monthly_cost, use_of

M = 1_000_000
PLAIN = {"prompt": "0.000003", "completion": "0.000015"}
TIERS = {
    **PLAIN,
    "prompt@32000+": "0.000004",
    "prompt@200000+": "0.000006",
    "completion@200000+": "0.0000225",
    "input_cache_read": "0.0000003",
    "input_cache_read@200000+": "0.0000006",
}
DAY = {**PLAIN, "prompt": "0.000002", "prompt@16:30-00:30": "0.000001", "prompt@00:30-16:30": "0.000002"}
WEEK = {**PLAIN, "prompt@mon-fri 01:00-04:00": "0.000006", "prompt@sat": "0", "prompt@200000+@sun": "9"}


@pytest.mark.parametrize(
    ("prices", "tokens", "cost"),
    [
        (PLAIN, Tokens(10 * M, 2 * M), "60"),
        (PLAIN, Tokens(), "0"),
        ({"prompt": "0.0000000333333333333333", "completion": "0"}, Tokens(3 * M), "0.1"),
        # Cached tokens cost what reading them costs, and as much as others where there is no such price.
        (TIERS, Tokens(10 * M, 0, 9 * M), "5.7"),
        (PLAIN, Tokens(10 * M, 0, 9 * M), "30"),
        # A tier counts where the average prompt is longer.
        (TIERS, Tokens(10 * M, M, requests=10), "82.5"),
        (TIERS, Tokens(10 * M, M, 9 * M, requests=10), "33.9"),
        (TIERS, Tokens(2 * M, requests=10), "8"),
        (TIERS, Tokens(2 * M, requests=1000), "6"),
        (TIERS, Tokens(2 * M), "6"),
        # A window counts for its share of the week.
        (DAY, Tokens(24 * M), "40"),
        (WEEK, Tokens(168 * M), str(3 * (168 - 15 - 24) + 6 * 15)),
        ({**PLAIN, "request": "0.01"}, Tokens(M, requests=500), "8"),
        ({**PLAIN, "request": "0.01"}, Tokens(M), "3"),
        # Nobody knows.
        ({"prompt": "varies", "completion": "varies"}, Tokens(M), None),
        ({"completion": "0.000015"}, Tokens(M), None),
        ({"completion": "0.000015"}, Tokens(0, M), "15"),
        ({**DAY, "prompt@sun 10:00-11:00": "varies"}, Tokens(M), None),
    ],
)
def test_a_month_costs(prices: dict[str, str], tokens: Tokens, cost: str | None) -> None:
    found = monthly_cost(prices, tokens)
    assert (None if found is None else as_text(found)) == cost


def test_a_bill_is_exact_whatever_the_size_of_the_numbers() -> None:
    assert as_text(Fraction(10**30) + Fraction(1, 10**6)) == "1" + "0" * 30 + ".000001"


def facets(prices: dict[str, str]) -> dict[str, str]:
    """The facets of a price list by key: `prompt`, `prompt@200000+`."""
    return {f"pricing.{key}": value for key, value in prices.items()}


def bill(before: dict[str, str], after: dict[str, str], tokens: Tokens) -> Bill | None:
    """The bill of the event that the core makes of two price lists."""
    old, new = facets(before), facets(after)
    made = event("repriced", offer=offer(new), **price_details(old, new, sorted({*old, *new})))
    states = (ModelState(Model("a/b", each), AT, announced=True) for each in (old, new))
    return bill_of(made, use_of(tokens, *states), {})


EVENING = "00:30=0.000002 16:30=0.000001"


@pytest.mark.parametrize(
    ("before", "after", "tokens", "changed"),
    [
        (PLAIN, {**PLAIN, "prompt": "0.000005"}, Tokens(10 * M, M), Bill("45", "65")),
        (PLAIN, {**PLAIN, "prompt": EVENING}, Tokens(24 * M), Bill("72", "40")),
        ({**PLAIN, "prompt": EVENING}, PLAIN, Tokens(24 * M), Bill("40", "72")),
        (TIERS, PLAIN, Tokens(10 * M, 0, 9 * M), Bill("5.7", "30")),
        (PLAIN, TIERS, Tokens(10 * M, 0, 9 * M), Bill("30", "5.7")),
        (PLAIN, TIERS, Tokens(10 * M, M, requests=10), Bill("45", "82.5")),
        (
            TIERS,
            {"prompt": "0.000006", "completion": "0.0000225"},
            Tokens(10 * M, M, requests=10),
            Bill("82.5", "82.5"),
        ),
        (TIERS, PLAIN, Tokens(10 * M, M, requests=10), Bill("82.5", "45")),
        ({"prompt": "0", "completion": "0"}, PLAIN, Tokens(M, M), Bill("0", "18")),
        ({"prompt": "varies", "completion": "varies"}, PLAIN, Tokens(M, M), None),
    ],
)
def test_a_change_of_price_changes_the_bill(
    before: dict[str, str], after: dict[str, str], tokens: Tokens, changed: Bill | None
) -> None:
    assert bill(before, after, tokens) == changed


def test_without_a_price_that_changed_there_is_no_bill() -> None:
    use = Use(Tokens(M), PLAIN)
    assert bill_of(event("changed", offer=Offer(prices=PLAIN)), use, {}) is None
    assert bill_of(event("repriced", prices={"prompt": PriceChange("1", "2")}), use, {}) is None


def test_what_has_not_settled_is_in_neither_bill() -> None:
    """A price that moved lately is announced later: its move is no part of what this event does."""
    old, new = facets(PLAIN), facets({"prompt": "0.000005", "completion": "0.00002"})
    before = ModelState(Model("a/b", old), AT, announced=True)
    waiting = {"pricing.completion": Pending("0.000015", AT, "0.00002")}
    after = ModelState(Model("a/b", new), AT, announced=True, pending=waiting)
    made = event("repriced", offer=offer(new), **price_details(old, new, ["pricing.prompt"]))
    assert bill_of(made, use_of(Tokens(M, M), before, after), {}) == Bill("23", "25")


AMOUNTS = st.integers(0, 4).map(str)
DAYS = st.dictionaries(st.integers(0, 23), AMOUNTS, min_size=1).map(
    lambda hours: price.join((day * price.DAY + hour * 60, value) for day in range(7) for hour, value in hours.items())
)
WEEKS = st.dictionaries(st.integers(0, 167), AMOUNTS, min_size=1).map(
    lambda hours: price.join((hour * 60, value) for hour, value in hours.items())
)


@given(DAYS | WEEKS | AMOUNTS, DAYS | WEEKS | AMOUNTS)
def test_the_bill_of_schedules_is_that_of_every_hour(old: str, new: str) -> None:
    found = bill({"prompt": old, "completion": "0"}, {"prompt": new, "completion": "0"}, Tokens(168))
    costs = [sum(int(price.at_minute(each, hour * 60)) for hour in range(168)) for each in (old, new)]
    assert found == (None if old == new else Bill(*map(str, costs)))
