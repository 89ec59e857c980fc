"""What the market of 2026 showed: prices by weekday and tier, published fields, odd numbers, restless models."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from tests.catalog.history import DAY, HOUR, UNDAMPED, Document, World, many, model
from tests.catalog.test_traps import ALL_PRICES, news_of
from watcher.catalog.event import offer
from watcher.catalog.model import Model
from watcher.catalog.policy import Policy
from watcher.catalog.pricing import is_free, prices_of
from watcher.catalog.reading import normalise
from watcher.catalog.settle import Moment
from watcher.catalog.state import ModelState

# Weekdays

WORKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday"]


def weekday_priced(now: datetime, *, dear: str = "1.32", usual: str = "0.66") -> Document:
    """A model that is dear in two windows of weekdays; the price on top is the one in force."""
    windows = [
        {"utc_days": WORKDAYS, "utc_start": start, "utc_end": end, "prompt": dear}
        for start, end in ((100, 400), (600, 1000))
    ]
    dear_now = now.weekday() < 5 and (1 <= now.hour < 4 or 6 <= now.hour < 10)
    return model("a/b", prompt=dear if dear_now else usual, pricing={"overrides": windows})


def through(world: World, days: int, document_at: Callable[[datetime], Document]) -> World:
    """The list shows every hour what the model costs then."""
    for _ in range(days * 24):
        world = world.poll(world.now + HOUR, document_at(world.now + HOUR))
    return world


def test_a_price_of_weekdays_is_no_reprice_in_two_weeks() -> None:
    assert through(World().poll("00:00", weekday_priced(DAY)), 14, weekday_priced).news == []


def test_a_weekend_price_without_a_window_is_no_reprice_in_two_weeks() -> None:
    def weekend(now: datetime) -> Document:
        entry = {"utc_days": ["saturday", "sunday"], "prompt": "1"}
        return model("a/b", prompt="1" if now.weekday() > 4 else "3", pricing={"overrides": [entry]})

    world = through(World().poll("00:00", weekend(DAY)), 14, weekend)
    assert world.news == []
    offered = offer(world.states["a/b"].model.facets).prices
    assert offered == {"completion": "15", "prompt": "3", "prompt@sat-sun": "1"}


def test_a_weekday_schedule_is_announced_by_its_days_and_windows_and_has_the_usual_price_as_well() -> None:
    world = through(World().poll("00:00", weekday_priced(DAY)), 7, weekday_priced)
    assert offer(world.states["a/b"].model.facets).prices == {
        "completion": "15",
        "prompt": "0.66",
        "prompt@mon-fri 01:00-04:00": "1.32",
        "prompt@mon-fri 06:00-10:00": "1.32",
    }


def test_a_window_of_weekdays_that_changes_its_own_price_is_one_event() -> None:
    world = through(World().poll("00:00", weekday_priced(DAY)), 7, weekday_priced)
    world = through(world, 3, lambda now: weekday_priced(now, dear="2"))
    assert [line.partition(" repriced ")[2] for line in world.news] == [
        "a/b prompt@mon-fri 01:00-04:00 1.32→2 prompt@mon-fri 06:00-10:00 1.32→2"
    ]


def test_going_over_to_weekdays_announces_only_what_differs() -> None:
    def every_day(now: datetime) -> Document:
        dear = 1 <= now.hour < 4
        windows = [{"utc_start": 100, "utc_end": 400, "prompt": "2"}]
        return model("a/b", prompt="2" if dear else "1", pricing={"overrides": windows})

    def on_weekdays(now: datetime) -> Document:
        dear = now.weekday() < 5 and 1 <= now.hour < 4
        windows = [{"utc_days": WORKDAYS, "utc_start": 100, "utc_end": 400, "prompt": "2"}]
        return model("a/b", prompt="2" if dear else "1", pricing={"overrides": windows})

    world = through(through(World().poll("00:00", every_day(DAY)), 7, every_day), 7, on_weekdays)
    assert [line.partition(" repriced ")[2] for line in world.news] == ["a/b prompt@sat-sun 01:00-04:00 2→1"]


# Conditions that nobody knows


def test_a_price_that_a_condition_nobody_knows_may_explain_is_no_reprice_and_the_condition_is_named_once() -> None:
    def lunar(now: datetime) -> Document:
        full = now.day % 3 == 0
        return model("a/b", prompt="9" if full else "3", pricing={"overrides": [{"on_full_moon": True, "prompt": "9"}]})

    world = through(World().poll("00:00", lunar(DAY)), 10, lunar)
    assert world.news == []
    problems = [line for decision in world.decisions for line in decision.problems]
    assert problems == [
        "a/b: its prices have a condition that is not understood (on_full_moon); a price named with it is no news"
    ]
    outside = model("a/b", prompt="4", pricing={"overrides": [{"on_full_moon": 1, "prompt": "9"}]})
    world = world.poll(world.now + HOUR, outside)
    assert world.hold(world.now + 4 * HOUR).news == ["10 04:00 repriced a/b prompt 3→4"]


def test_a_tier_of_which_the_condition_is_not_understood_any_more_keeps_its_price() -> None:
    tier = {"min_prompt_tokens": 1000, "prompt": "6"}
    versions = [model("a/b", pricing={"overrides": [{**tier, **odd}]}) for odd in ({}, {"on_full_moon": True}, {})]
    assert news_of(*versions) == []


# Tiers


def tiers(*pairs: tuple[float, str], prompt: str = "1") -> Document:
    return model(
        "a/b", prompt=prompt, pricing={"overrides": [{"min_prompt_tokens": at, "prompt": p} for at, p in pairs]}
    )


def test_a_threshold_that_moves_is_announced_where_the_price_moved() -> None:
    world = World(UNDAMPED).poll("00:00", tiers((200000, "2"))).poll("01:00", tiers((128000, "2"))).hold("09:00")
    assert world.news == ["04:00 repriced a/b prompt@128000+ 1→2"]
    world = world.poll("10:00", tiers((128000, "3"))).hold("18:00")
    assert world.news[1:] == ["13:00 repriced a/b prompt@128000+ 2→3"]


def test_a_tier_falls_back_to_the_next_lower_one() -> None:
    two, one = tiers((32000, "2"), (256000, "4")), tiers((32000, "2"))
    assert news_of(one, two, one) == [
        "09:00 repriced a/b prompt@256000+ 2→4",
        "15:00 repriced a/b prompt@256000+ 4→2",
    ]


def test_a_lower_tier_that_moves_takes_no_other_along() -> None:
    assert news_of(tiers((1000, "2")), tiers((1000, "3"), (2000, "5")), tiers((1000, "4"), (2000, "5"))) == [
        "09:00 repriced a/b prompt@1000+ 2→3 prompt@2000+ 2→5",
        "15:00 repriced a/b prompt@1000+ 3→4",
    ]


def test_a_lower_tier_announced_before_a_higher_one_has_settled_leaves_its_price_as_it_was_announced() -> None:
    world = World(UNDAMPED).poll("00:00", tiers((1000, "2"))).poll("01:00", tiers((1000, "3")))
    world = world.poll("03:00", tiers((1000, "3"), (2000, "5"))).hold("09:00")
    assert world.news == ["04:00 repriced a/b prompt@1000+ 2→3", "06:00 repriced a/b prompt@2000+ 2→5"]


def test_a_tier_whose_price_cannot_be_read_keeps_the_one_it_had() -> None:
    odd = World().poll("00:00", tiers((1000, "2"))).poll("01:00", tiers((1000, "cheap")))
    assert odd.last.problems == ("pricing.overrides cannot be read of a/b; what was known before is kept",)
    assert odd.poll("02:00", tiers((1000, "3"))).hold("09:00").news == ["05:00 repriced a/b prompt@1000+ 2→3"]


def test_a_number_of_tokens_has_one_spelling() -> None:
    assert news_of(tiers((200000, "2")), tiers((200000.0, "2")), tiers(("200000", "2"))) == []  # type: ignore[arg-type]


# A field that is published


def catalogue(models: int, published: int, **pricing: Any) -> list[Document]:
    return [model(f"many/m{n}", pricing=pricing if n < published else None) for n in range(models)]


PUBLISHED: list[Document] = [
    {"overrides": [{"min_prompt_tokens": 200000, "prompt": "6", "completion": "30"}]},
    {"overrides": [{"utc_start": 100, "utc_end": 400, "prompt": "6"}]},
    {"image_token": "7"},
]


@pytest.mark.parametrize("pricing", PUBLISHED, ids=["tiers", "windows", "a key"])
def test_what_many_models_begin_to_state_in_one_poll_is_one_line_and_so_is_its_end(pricing: Document) -> None:
    world = (
        World(ALL_PRICES).poll("00:00", *catalogue(340, 0)).poll("01:00", *catalogue(340, 43, **pricing)).hold("08:00")
    )
    field = "pricing.image_token" if "image_token" in pricing else "pricing.overrides"
    assert [(event.kind, event.model, event.detail) for event in world.events] == [
        ("changed", None, f"{field} appeared on 43 of 340 models")
    ]
    world = world.poll("09:00", *catalogue(340, 0)).hold("18:00")
    assert [event.detail for event in world.events[1:]] == [f"{field} disappeared on 43 of 340 models"]


def test_what_is_published_is_known_from_then_on() -> None:
    published = catalogue(340, 43, **PUBLISHED[0])
    world = World(UNDAMPED).poll("00:00", *catalogue(340, 0)).poll("01:00", *published).hold("08:00")
    dearer = {"overrides": [{"min_prompt_tokens": 200000, "prompt": "7", "completion": "30"}]}
    changed = [model("many/m0", pricing=dearer), *published[1:]]
    assert world.poll("09:00", *changed).hold("14:00").news[1:] == ["12:00 repriced many/m0 prompt@200000+ 6→7"]


def test_one_model_that_gains_a_tier_is_news() -> None:
    world = World().poll("00:00", *catalogue(340, 0)).poll("01:00", *catalogue(340, 1, **PUBLISHED[0])).hold("08:00")
    assert world.news == ["04:00 repriced many/m0 completion@200000+ 15→30 prompt@200000+ 3→6"]


def test_prices_of_many_models_that_move_are_never_folded() -> None:
    before, after = ([model(f"many/m{n}", prompt=price) for n in range(340)] for price in ("3", "4"))
    assert len(World().poll("00:00", *before).poll("01:00", *after).hold("08:00").news) == 340


def test_many_models_that_begin_to_charge_by_request_where_tokens_cost_nothing_are_each_announced() -> None:
    free = [model(f"many/m{n}", prompt="0", completion="0") for n in range(40)]
    paid = [model(f"many/m{n}", prompt="0", completion="0", pricing={"request": "1"}) for n in range(40)]
    news = World().poll("00:00", *free).poll("01:00", *paid).hold("08:00").news
    assert len(news) == 40
    assert all(line.endswith("became_paid") for line in news)


# Any number


@pytest.mark.parametrize(
    "odd", ["1e1000000", "1e-999999999", "1e-9999999999999999999", "NaN", "", 1e300, "-5"], ids=str
)
def test_a_number_out_of_any_range_is_no_price_and_never_zero(odd: Any) -> None:
    assert news_of(model("a/b"), model("a/b", prompt=odd), model("a/b")) == []


# Free


def free(**pricing: Any) -> Document:
    return model("a/b", prompt="0", completion="0", pricing=pricing)


def test_a_model_that_begins_to_charge_by_request_is_no_longer_free() -> None:
    assert news_of(free(), free(request="0.01"), free(), policy=UNDAMPED) == [
        "09:00 repriced a/b request 0→0.01 became_paid",
        "15:00 repriced a/b request 0.01→0 became_free",
    ]


def test_a_model_whose_tokens_begin_to_cost_nothing_is_not_free_while_it_charges_otherwise() -> None:
    (line,) = news_of(model("a/b", pricing={"request": "1"}), free(request="1"), policy=UNDAMPED)
    assert "became_free" not in line


@pytest.mark.parametrize("key", ["request", "image", "audio", "seconds_of_video"])
def test_where_tokens_cost_nothing_whatever_else_is_charged_is_watched_by_default(key: str) -> None:
    assert news_of(free(**{key: "0.03"}), free(**{key: "0.06"}), policy=UNDAMPED) == [
        f"09:00 repriced a/b {key} 0.03→0.06"
    ]


@pytest.mark.parametrize("key", ["web_search", "input_cache_read"])
def test_what_can_be_avoided_makes_no_model_paid(key: str) -> None:
    assert news_of(free(), free(**{key: "0.03"}), policy=UNDAMPED) == []
    assert is_free(prices_of(normalise(json.dumps(free(**{key: "0.03"})).encode(), DAY).model.facets))


@pytest.mark.parametrize(
    "charged",
    [
        {"request": "0.01"},
        {"overrides": [{"min_prompt_tokens": 1000, "prompt": "1"}]},
        {"overrides": [{"utc_start": 0, "utc_end": 100, "prompt": "1"}]},
        {"request": "unreadable"},
        {"prompt": None},
    ],
    ids=str,
)
def test_what_cannot_be_avoided_or_is_not_known_makes_a_model_not_free(charged: Document) -> None:
    assert not is_free(prices_of(normalise(json.dumps(free(**charged)).encode(), DAY).model.facets))


# Dates, targets, fields


@pytest.mark.parametrize("none", ["2098-12-31", "9999-01-01"])
def test_a_date_over_ten_years_ahead_is_none(none: str) -> None:
    assert news_of(model("a/b"), model("a/b", expiration_date=none), model("a/b", expiration_date="2026-12-31")) == [
        "12:00 expiring a/b expiration_date None→2026-12-31"
    ]


def test_an_alias_that_moves_is_one_event_with_the_difference_in_price() -> None:
    def alias(slug: str, prompt: str, context: int) -> Document:
        return model(
            "~a/latest", alias_target={"slug": slug}, canonical_slug=slug, prompt=prompt, context_length=context
        )

    assert news_of(alias("a/one", "3", 1000), alias("a/two", "5", 2000), policy=UNDAMPED) == [
        "06:00 retargeted ~a/latest prompt 3→5 alias_target a/one→a/two canonical_slug a/one→a/two "
        "context_length 1000→2000"
    ]


def test_the_context_at_the_top_provider_is_watched() -> None:
    versions = [model("a/b", top_provider={"context_length": tokens}) for tokens in (128000, 32000)]
    assert news_of(*versions) == ["09:00 changed a/b top_provider.context_length 128000→32000"]


def test_a_field_that_changes_on_many_models_each_to_another_value_is_news_of_each() -> None:
    before = many(340)
    after = [model(f"many/m{n}", context_length=1000 + max(0, 39 - n)) for n in range(340)]
    assert len(World().poll("00:00", *before).poll("01:00", *after).hold("08:00").news) == 39


def test_a_field_that_is_respelled_on_many_models_is_one_line() -> None:
    before = [model(f"many/m{n}", reasoning={"effort": f"Level-{n % 7}"}) for n in range(340)]
    after = [model(f"many/m{n}", reasoning={"effort": f"level {n % 7}"}) for n in range(340)]
    (event,) = World().poll("00:00", *before).poll("01:00", *after).hold("08:00").events
    assert event.detail == "reasoning.effort respelled on 340 of 340 models"


# Never blind in silence


def dated(value: Any, count: int = 400) -> list[Document]:
    return [model(f"many/m{n}", expiration_date=value) for n in range(count)]


def test_a_field_that_many_models_have_and_that_cannot_be_read_any_more_is_suspect_once_until_it_ends() -> None:
    world = World().poll("00:00", *dated("2027-01-31")).poll("01:00", *dated(1767139200)).hold("08:00")
    assert [(event.kind, event.detail) for event in world.events] == [
        (
            "catalog_suspect",
            "expiration_date cannot be read of 400 models (many/m0, many/m1, many/m10, …). "
            "What was known before is kept, so a change there is not seen.",
        )
    ]
    assert world.health.gaps.suspect == ("expiration_date",)
    assert [line for decision in world.decisions for line in decision.problems] == [
        "expiration_date cannot be read of 400 models (many/m0, many/m1, many/m10, …); what was known before is kept"
    ]
    world = world.resumed().poll("09:00", *dated("2027-01-31"))
    assert world.health.gaps.suspect == ()
    flapping = world.poll("10:00", *dated("soon")).poll("11:00", *dated("2027-01-31")).poll("12:00", *dated("soon"))
    assert [event.kind for event in flapping.events] == ["catalog_suspect"]
    again = world.hold("11:00").poll("12:00", *dated("soon"))
    assert [event.kind for event in again.events] == ["catalog_suspect"] * 2


def test_a_price_that_rises_while_another_field_cannot_be_read_is_announced() -> None:
    blind = [{**document, "expiration_date": 1} for document in many(399)]
    world = World().poll("00:00", *many(400)).poll("01:00", *blind, model("many/m399", prompt="270")).hold("08:00")
    assert "04:00 repriced many/m399 prompt 3→270" in world.news


def test_a_field_that_few_models_have_is_suspect_when_none_of_them_can_be_read() -> None:
    def ending(value: Any) -> list[Document]:
        return [*many(400)[10:], *(model(f"many/m{n}", expiration_date=value) for n in range(10))]

    assert World().poll("00:00", *ending("2027-01-31")).poll("01:00", *ending("?")).news == ["01:00 catalog_suspect *"]


def test_a_field_that_cannot_be_read_of_five_models_is_not_suspect() -> None:
    odd = [model(f"many/m{n}", pricing={"image": "cheap"}) for n in range(5)]
    assert World().poll("00:00", *many(400)).poll("01:00", *many(400)[5:], *odd).hold("08:00").news == []


def test_prices_that_are_lost_on_all_models_are_suspect_by_their_field() -> None:
    without = [{**document, "pricing": {"completion": "15"}} for document in many(400)]
    (event,) = World().poll("00:00", *many(400)).poll("01:00", *without).hold("08:00").events
    assert (event.kind, (event.detail or "").partition(" cannot")[0]) == ("catalog_suspect", "pricing.prompt")


# Restless models


def moves(world: World, *prices: str, hold: timedelta) -> World:
    """The price moves to each of these and stays there for a while."""
    for price in prices:
        end = world.now + hold
        world = world.poll(world.now + HOUR, model("a/b", prompt=price)).hold(end)
    return world


def delays(world: World) -> list[float]:
    return [round((event.at - event.since) / HOUR) for event in world.events]


def test_each_reprice_makes_the_next_one_hold_still_three_times_as_long_up_to_two_days() -> None:
    world = World(Policy()).poll("00:00", model("a/b"))
    world = moves(world, "4", "5", "6", "7", "8", hold=timedelta(hours=60))
    assert delays(world) == [3, 8, 18, 36, 48]
    assert [event.detail for event in world.events] == [
        None,
        "2nd change in 14 days.",
        "3rd change in 14 days.",
        "4th change in 14 days.",
        "5th change in 14 days.",
    ]


def test_a_price_that_jumps_and_comes_back_within_the_stillness_that_it_needs_is_no_news() -> None:
    world = moves(World(Policy()).poll("00:00", model("a/b")), "4", hold=timedelta(hours=6))
    assert len(moves(world, "5", "4", "6", "4", hold=timedelta(hours=6)).events) == 1


def test_restlessness_halves_in_fourteen_days() -> None:
    at = DAY + timedelta(days=14)

    def needed(
        announced: list[datetime], key: str = "pricing", path: str = "pricing.prompt", **policy: Any
    ) -> timedelta:
        state = ModelState(Model("a/b", {}), DAY, recent={key: tuple(announced)})
        return Moment(at, None, replace(Policy(), **policy)).stillness(state, path)

    assert needed([]) == 3 * HOUR
    assert needed([at]) == 9 * HOUR
    assert needed([DAY]) == 3 * HOUR * 3**0.5
    assert needed([DAY, DAY]) == 9 * HOUR
    assert needed([at], "expiration_date", "expiration_date") == 6 * HOUR
    assert needed([at] * 9) == 48 * HOUR
    assert needed([at], settle=72 * HOUR) == 72 * HOUR
    assert needed([at] * 9, settle=timedelta()) == timedelta()


def test_what_was_announced_long_ago_is_forgotten() -> None:
    world = moves(World(Policy()).poll("00:00", model("a/b")), "4", hold=timedelta(hours=6))
    world = world.hold("90 00:00", every=timedelta(hours=11))
    world = moves(world, "5", hold=timedelta(hours=12))
    assert delays(world) == [3, 3]
    assert len(world.states["a/b"].recent["pricing"]) == 1


def test_damping_can_be_turned_off() -> None:
    world = moves(World(UNDAMPED).poll("00:00", model("a/b")), "4", "5", "6", hold=timedelta(hours=6))
    assert delays(world) == [3, 3, 3]
    assert world.states["a/b"].recent == {}


def test_a_date_that_is_set_and_withdrawn_again_and_again_is_announced_at_once_only_the_first_time() -> None:
    world = World(Policy()).poll("00:00", model("a/b"))
    for hour in range(4, 24, 4):
        date = "2026-12-31" if hour % 8 else None
        world = world.poll(f"{hour:02}:00", model("a/b", expiration_date=date)).hold(f"{hour + 3:02}:00")
    assert world.news == ["04:00 expiring a/b expiration_date None→2026-12-31"]


def test_a_date_that_is_withdrawn_for_good_is_announced_once_it_has_held_still() -> None:
    world = World(Policy()).poll("00:00", model("a/b")).poll("01:00", model("a/b", expiration_date="2026-12-31"))
    world = world.poll("02:00", model("a/b")).hold("1 00:00")
    assert world.news[1:] == ["08:00 expiring a/b expiration_date 2026-12-31→None"]


def test_a_model_that_comes_and_goes_is_announced_less_and_less() -> None:
    rest = many(20)
    world = World(Policy()).poll("00:00", model("a/b"), *rest)
    for hour in range(1, 23, 6):
        world = world.poll(f"{hour:02}:00", *rest).hold(f"{hour + 2:02}:00")
        world = world.poll(f"{hour + 3:02}:00", model("a/b"), *rest).hold(f"{hour + 5:02}:00")
    assert world.news == ["02:00 expired a/b", "04:00 returned a/b"]
    assert world.poll("1 02:00", *rest).hold("2 00:00").news[2:] == ["1 08:00 expired a/b"]


def test_a_target_that_moves_there_and_back_is_announced_at_once_only_the_first_time() -> None:
    world = World(Policy()).poll("00:00", model("~a/b", alias_target={"slug": "a/one"}))
    for hour in range(1, 9, 2):
        slug = "a/two" if hour % 4 == 1 else "a/one"
        world = world.poll(f"0{hour}:00", model("~a/b", alias_target={"slug": slug}, prompt=str(hour))).hold(
            f"0{hour + 1}:00"
        )
    assert world.news == ["01:00 retargeted ~a/b prompt 3→1 alias_target a/one→a/two"]


def test_polling_more_often_announces_the_same() -> None:
    prices = ["3", "4", "4", "4", "4", "5", "4", "4", "4", "6", "6", "6", "6", "6", "6", "6", "6", "6", "6", "6", "6"]
    hourly = five_minutes = World(Policy()).poll("00:00", model("a/b"))
    for number, price in enumerate(prices):
        at = DAY + (number + 1) * HOUR
        hourly = hourly.poll(at, model("a/b", prompt=price))
        five_minutes = five_minutes.poll(at, model("a/b", prompt=price)).hold(
            at + timedelta(minutes=55), timedelta(minutes=5)
        )
    assert len(hourly.events) == 2
    assert [event.prices for event in five_minutes.events] == [event.prices for event in hourly.events]
    assert all(abs(a.at - b.at) <= HOUR for a, b in zip(hourly.events, five_minutes.events, strict=True))


# Found by trying to break it


def test_a_plain_price_that_becomes_a_schedule_of_other_prices_is_no_publication() -> None:
    day, night = {"utc_start": 0, "utc_end": 1200, "prompt": "30"}, {"utc_start": 1200, "utc_end": 0, "prompt": "60"}
    windows = {"overrides": [day, night]}
    dearer = [model(f"many/m{n}", prompt="30", pricing=windows) for n in range(25)]
    world = World().poll("00:00", *many(60)).poll("01:00", *dearer, *many(60)[25:]).hold("08:00")
    assert len(world.news) == 25
    assert all(" repriced " in line for line in world.news)


def test_a_threshold_that_moves_on_many_models_is_news_of_each() -> None:
    def above(tokens: int) -> list[Document]:
        overrides = {"overrides": [{"min_prompt_tokens": tokens, "prompt": "6"}]}
        return [model(f"many/m{n}", pricing=overrides) for n in range(25)]

    world = World().poll("00:00", *above(200000), *many(60)[25:]).poll("01:00", *above(128000), *many(60)[25:])
    assert [line.partition(" ")[2] for line in world.hold("08:00").news] == [
        f"repriced {name} prompt@128000+ 3→6" for name in sorted(f"many/m{n}" for n in range(25))
    ]


def test_a_tier_that_was_published_with_others_and_has_moved_since_is_taken_in_with_them() -> None:
    published = catalogue(60, 25, **PUBLISHED[0])
    moved = model("many/m0", pricing={"overrides": [{"min_prompt_tokens": 200000, "prompt": "7", "completion": "30"}]})
    world = World().poll("00:00", *catalogue(60, 0)).poll("01:00", *published).poll("02:00", moved, *published[1:])
    assert [event.detail for event in world.hold("12:00").events] == ["pricing.overrides appeared on 25 of 60 models"]


@pytest.mark.parametrize(
    "entry",
    [
        {"min_prompt_tokens": "lots", "prompt": "2"},
        {"min_prompt_tokens": -1, "prompt": "2"},
        {"min_context": 200000, "prompt": "2"},
        "garbage",
        None,
    ],
    ids=str,
)
def test_a_tier_behind_what_is_not_understood_keeps_its_price(entry: Any) -> None:
    known = tiers((200000, "2"))
    odd = model("a/b", prompt="1", pricing={"overrides": [entry]})
    assert news_of(known, odd, known, policy=UNDAMPED) == []


def test_a_condition_that_many_models_get_is_one_line_and_suspect() -> None:
    regional = {"overrides": [{"region": "eu", "prompt": "4"}]}
    changed = [model(f"many/m{n}", pricing=regional) for n in range(45)]
    world = World().poll("00:00", *many(60)).poll("01:00", *changed, *many(60)[45:])
    assert world.last.problems == (
        "45 models (many/m0, many/m1, many/m10, …): their prices have a condition that is not understood (region); "
        "a price named with it is no news",
    )
    assert world.health.gaps.suspect == ("pricing.overrides",)
    assert world.news == ["01:00 catalog_suspect *"]


@pytest.mark.parametrize("value", ["USD", {"code": "USD"}, ["USD"]], ids=str)
def test_a_key_that_holds_no_price_and_is_not_known_is_no_price(value: Any) -> None:
    versions = [model("a/b", prompt=price, completion=price, pricing={"currency": value}) for price in ("0", "1", "0")]
    assert [line.rpartition(" ")[2] for line in news_of(*versions, policy=UNDAMPED)] == ["became_paid", "became_free"]
    odd = [model(f"many/m{n}", pricing={"currency": value}) for n in range(40)]
    assert World().poll("00:00", *odd).hold("04:00").news == []


@pytest.mark.parametrize("key", ["x@y", "prompt@5+"])
def test_a_key_that_looks_like_a_tier_is_none(key: str) -> None:
    assert news_of(model("a/b"), model("a/b", pricing={key: "2"})) == []


def test_a_target_that_never_settles_does_not_hide_a_price() -> None:
    def pointing(slug: str, prompt: str) -> Document:
        return model("~a/b", canonical_slug=slug, prompt=prompt)

    world = World(Policy()).poll("00:00", pointing("s1", "3")).poll("01:00", pointing("s2", "3"))
    for day in range(2, 6):
        for hour, slug in ((0, "s3"), (12, "s2")):
            world = world.poll(f"{day} {hour:02}:00", pointing(slug, "30")).hold(f"{day} {hour + 5:02}:00")
    (told,) = (line for line in world.news if "3→30" in line)
    assert told < "4"


def test_an_entry_without_an_id_that_was_there_before_is_not_the_missing_model_of_its_name() -> None:
    nameless = {"id": None, "name": "Name of a/b"}
    world = World().poll("00:00", model("a/b"), model("c/d"), nameless).poll("01:00", model("c/d"), nameless)
    assert world.hold("05:00").news == ["02:00 expired a/b"]


@pytest.mark.parametrize("date", ["0001-01-01", "1970-01-01", "2023-12-31"])
def test_a_date_that_went_by_years_ago_is_a_mistake_and_no_news(date: str) -> None:
    assert news_of(model("a/b"), model("a/b", expiration_date=date), model("a/b")) == []


def test_a_tier_that_comes_with_the_first_price_that_can_be_read_is_no_news() -> None:
    world = World().poll("00:00", model("c/d")).poll("01:00", model("c/d"), model("a/b", prompt="NaN"))
    world = world.poll("02:00", model("c/d"), tiers((200000, "2"))).hold("09:00")
    assert world.news == ["01:00 new a/b"]
