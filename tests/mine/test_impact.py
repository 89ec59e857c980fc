"""A channel with `min_impact` never knows a bill that is off by as much as that."""

from decimal import Decimal
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.events import AT, event
from watcher.catalog.event import offer, price_details
from watcher.catalog.model import Event, Tokens
from watcher.config.settings import Channel, Rules
from watcher.mine.cost import Use, monthly_cost
from watcher.rules.routing import route

MODEL = "openai/gpt-4o"
TOKENS = Tokens(1000, 500, 100, 2)
LEAST = Decimal(100)
CHANNEL = Channel("team", rules=Rules(min_impact=LEAST))
PRICES = st.sampled_from(("0.1", "0.11", "0.2", "1", "2"))
CACHE = st.sampled_from(("0.01", "0.1"))
TIERS = st.fixed_dictionaries(
    {"pricing.prompt": PRICES, "pricing.completion": PRICES, "pricing.prompt@400+": PRICES},
    optional={"pricing.input_cache_read": CACHE},
)
HALVES = st.tuples(PRICES, PRICES).filter(lambda halves: halves[0] != halves[1])
SCHEDULES = st.fixed_dictionaries(
    {"pricing.prompt": HALVES.map(lambda halves: "00:00={} 12:00={}".format(*halves)), "pricing.completion": PRICES},
    optional={"pricing.input_cache_read": CACHE},
)


def told(before: dict[str, str], after: dict[str, str]) -> Event:
    paths = sorted({*before, *after})
    return event("repriced", MODEL, offer=offer(after), **price_details(before, after, paths))


def bill(facets: dict[str, str]) -> Decimal:
    cost = monthly_cost(offer(facets).prices, TOKENS)
    assert cost is not None
    return Decimal(cost.numerator) / cost.denominator


@example(
    [  # the price of the cache is gone when the bill is high enough
        {"pricing.prompt": "00:00=2 12:00=0.1", "pricing.completion": "0.11", "pricing.input_cache_read": "0.01"},
        {"pricing.prompt": "00:00=2 12:00=0.1", "pricing.completion": "0.1"},
        {"pricing.prompt": "00:00=2 12:00=0.1", "pricing.completion": "0.11"},
    ]
)
@given(st.lists(TIERS, min_size=2, max_size=6) | st.lists(SCHEDULES, min_size=2, max_size=6))
def test_the_bill_that_a_channel_was_told_last_is_near(lists: list[dict[str, str]]) -> None:
    known = bill(lists[0])
    memory: dict[tuple[str, str], dict[str, str]] = {}
    for before, after in pairwise(lists):
        made = told(before, after)
        if not made.prices:
            continue
        queued, changed = route([CHANNEL], [made], memory, AT, used={MODEL: Use(TOKENS, offer(before).prices)})
        memory |= {key: dict(prices) for key, prices in changed.items()}
        for each in queued:
            assert each.event.bill
            assert abs(Decimal(each.event.bill.new) - Decimal(each.event.bill.old)) >= LEAST
            assert abs(Decimal(each.event.bill.new) - bill(after)) < Decimal("0.0001")
            known = bill(after)
        assert abs(known - bill(after)) < LEAST + Decimal("0.0001")


def test_nothing_is_remembered_of_a_change_that_was_told() -> None:
    before = {"pricing.prompt": "1", "pricing.completion": "1"}
    made = told(before, {**before, "pricing.prompt": "2"})
    (queued,), memory = route([CHANNEL], [made], {}, AT, used={MODEL: Use(TOKENS, offer(before).prices)})
    assert memory == {} and queued.event == replace(made, bill=queued.event.bill) and queued.reworded
