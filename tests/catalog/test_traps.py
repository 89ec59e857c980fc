"""Every trap of the API's description has a test here: what looks like a change and is none, and what is one."""

from datetime import timedelta
from typing import Any

import pytest

from tests.catalog.history import HOUR, UNDAMPED, Document, World, many, model, moment
from watcher.catalog.model import Alternative, FieldChange, PriceChange
from watcher.catalog.policy import Policy

ALL_PRICES = Policy(prices=("*",), damping=1)


def news_of(*versions: Document, policy: Policy = ALL_PRICES) -> list[str]:
    """The news of a model that is shown in these versions, six hours each."""
    world = World(policy)
    for number, version in enumerate(versions):
        at = moment("00:00") + 6 * number * HOUR
        world = world.poll(at, version).hold(at + 5 * HOUR)
    return world.news


# Spelling


def test_an_absent_optional_price_and_one_of_zero_are_the_same() -> None:
    zeros = {"request": "0", "image": "0", "web_search": "0.0", "internal_reasoning": 0}
    assert news_of(model("a/b", pricing=zeros), model("a/b"), model("a/b", pricing=zeros)) == []


def test_an_optional_price_that_appears_was_free_before() -> None:
    assert news_of(model("a/b"), model("a/b", pricing={"request": "0.01"})) == ["09:00 repriced a/b request 0→0.01"]


def test_minus_one_varies_and_is_no_price() -> None:
    world = World().poll("00:00", model("openrouter/auto", prompt="-1", completion="-1")).hold("1 00:00")
    (state,) = world.states.values()
    assert state.model.facets["pricing.prompt"] == "varies"
    assert world.news == []


def test_from_minus_one_to_a_price_has_no_percentage_and_no_direction() -> None:
    world = World().poll("00:00", model("a/b", prompt="-1", completion="-1"))
    world = world.poll("01:00", model("a/b", prompt="3", completion="15")).hold("06:00")
    (event,) = world.events
    assert event.prices == {"prompt": PriceChange("varies", "3", None), "completion": PriceChange("varies", "15", None)}
    assert event.direction is None


def test_to_minus_one_became_variable() -> None:
    news = news_of(model("a/b"), model("a/b", prompt="-1", completion=-1))
    assert news == ["09:00 repriced a/b completion 15→varies prompt 3→varies became_variable"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("8.333333333333333e-8", "8.333333333333334e-8"),
        ("0.000003", "3e-6"),
        ("0.000003", "0.0000030"),
        ("0.000003", 0.000003),
        ("0", "0.0"),
        ("0", "-0"),
        ("-1", "-1.0"),
    ],
)
def test_a_price_that_is_spelled_another_way_is_the_same(before: Any, after: Any) -> None:
    policy = Policy(prices=("*",), min_change=ALL_PRICES.min_change * 0)
    assert news_of(model("a/b", prompt=before), model("a/b", prompt=after), policy=policy) == []


def test_the_order_of_a_list_that_is_a_set_says_nothing() -> None:
    def ordered(*items: str) -> Document:
        modalities = {"input_modalities": list(items), "output_modalities": list(items)}
        return model("a/b", supported_parameters=list(items), architecture=modalities, supported_voices=list(items))

    assert news_of(ordered("x", "y", "z"), ordered("z", "x", "y")) == []
    voices = [{"name": "x", "id": 1}], [{"id": 1, "name": "x"}]
    assert news_of(*(model("a/b", supported_voices=each) for each in voices)) == []
    added = news_of(ordered("x", "y"), ordered("x", "y", "z"))
    assert len(added) == 1
    assert "supported_parameters ['x', 'y']→['x', 'y', 'z']" in added[0]


@pytest.mark.parametrize("nothing", [None, "", [], {}, "  "])
def test_null_and_empty_and_absent_are_the_same(nothing: Any) -> None:
    bare = model("a/b")
    given = model(
        "a/b",
        expiration_date=None if nothing in ([], {}) else nothing,
        hugging_face_id=None if nothing in ([], {}) else nothing,
        canonical_slug=None,
        knowledge_cutoff=nothing,
        per_request_limits=nothing,
        default_parameters={"temperature": nothing},
        something_new=nothing,
        pricing={"request": None, "discount": None, "overrides": None},
    )
    world = World(Policy(fold_models=1)).poll("00:00", bare).poll("01:00", given).hold("06:00")
    assert world.poll("07:00", bare).hold("12:00").news == []


def test_whole_floats_are_integers() -> None:
    assert news_of(model("a/b", context_length=128000), model("a/b", context_length=128000.0)) == []


def test_benchmarks_are_not_watched() -> None:
    world = World(Policy(fold_models=1)).poll("00:00", model("a/b", benchmarks={"elo": 1200}))
    world = world.poll("01:00", model("a/b", benchmarks={"elo": 1300, "rank": 1}))
    assert world.hold("1 00:00").news == []
    assert world.states["a/b"].pending == {}


def test_a_description_alone_is_no_news() -> None:
    assert news_of(model("a/b", description="long …"), model("a/b", description="short")) == []


def test_a_discount_is_a_field_and_not_a_price() -> None:
    news = news_of(model("a/b", pricing={"discount": 0}), model("a/b", pricing={"discount": 0.25}), model("a/b"))
    assert news == ["09:00 changed a/b discount None→0.25", "15:00 changed a/b discount 0.25→None"]


def test_an_unreadable_discount_is_none() -> None:
    assert news_of(model("a/b"), model("a/b", pricing={"discount": "a lot"})) == []


# Times of day


def window(start: int, end: int, **prices: Any) -> Document:
    return {"utc_start": start, "utc_end": end, **prices}


def by_hour(at: int, *windows: Document, base: str = "4", **fields: Any) -> Document:
    """The document as the API shows it at that hour: the top-level prices are those of the window in force."""
    shown = {"prompt": base, "completion": "15"}
    for one in windows:
        start, end = one["utc_start"] // 100, one["utc_end"] // 100
        if start <= at < end or (start > end and (at >= start or at < end)):
            shown |= {key: value for key, value in one.items() if key in shown}
    return model("a/b", **shown, pricing={"overrides": list(windows)}, **fields)


def days(world: World, first: int, last: int, *windows: Document, base: str = "4") -> World:
    """From day `first` up to `last`, the list is polled every hour."""
    for hour in range(first * 24, last * 24):
        world = world.poll(moment("00:00") + hour * HOUR, by_hour(hour % 24, *windows, base=base))
    return world


DAY_AND_NIGHT = (window(1600, 0, prompt="2"), window(0, 1600, prompt="3"))
NIGHT_ONLY = (window(2200, 600, prompt="2"),)
NO_KEY = (window(1600, 0, prompt="2"), window(0, 1600))


@pytest.mark.parametrize("windows", [DAY_AND_NIGHT, NIGHT_ONLY, NO_KEY, DAY_AND_NIGHT[:1]])
def test_time_of_day_prices_flip_all_day_without_one_event(windows: tuple[Document, ...]) -> None:
    assert days(World(ALL_PRICES), 0, 3, *windows).news == []


def test_a_changed_window_is_one_event_that_names_the_window() -> None:
    world = days(World(), 0, 1, *DAY_AND_NIGHT)
    world = days(world, 1, 3, window(1600, 0, prompt="1"), DAY_AND_NIGHT[1])
    assert world.news == ["1 03:00 repriced a/b prompt@16:00-00:00 2→1"]


def test_a_changed_window_that_wraps_past_midnight_is_one_event() -> None:
    world = days(World(), 0, 1, *NIGHT_ONLY)
    world = days(world, 1, 3, window(2200, 600, prompt="1"))
    assert world.news == ["1 03:00 repriced a/b prompt@22:00-06:00 2→1"]


def test_outside_of_windows_that_do_not_tile_the_day_the_base_price_holds_and_its_change_is_one_event() -> None:
    world = days(World(), 0, 1, *NIGHT_ONLY)
    world = days(world, 1, 3, *NIGHT_ONLY, base="5")
    assert world.news == [
        "1 09:00 repriced a/b prompt 4→5 prompt@06:00-22:00 4→5"
    ]  # unseen until the window ends at 06:00


def test_the_base_price_of_a_model_first_seen_within_a_window_is_learnt_silently_and_watched_from_then_on() -> None:
    world = days(World(), 0, 1, *NIGHT_ONLY)  # first seen at midnight, within the window
    assert world.states["a/b"].pending == {}
    assert days(world, 1, 3, *NIGHT_ONLY, base="5").news == ["1 09:00 repriced a/b prompt 4→5 prompt@06:00-22:00 4→5"]


def test_a_window_that_states_only_one_key_leaves_the_other_alone() -> None:
    world = days(World(), 0, 2, *NO_KEY)
    facets = world.states["a/b"].model.facets
    assert (facets["pricing.prompt"], facets["pricing.completion"]) == ("00:00=4 16:00=2", "15")


def test_windows_that_begin_are_one_event() -> None:
    world = World().poll("00:00", model("a/b", prompt="3")).hold("05:00")
    for hour in range(6, 40):
        world = world.poll(moment("00:00") + hour * HOUR, by_hour(hour % 24, *DAY_AND_NIGHT))
    assert world.news == ["09:00 repriced a/b prompt@16:00-00:00 3→2"]


# Long contexts


def long_context(tokens: int = 200000, **prices: Any) -> Document:
    return model("a/b", pricing={"overrides": [{"min_prompt_tokens": tokens, **prices}]})


def test_a_changed_price_for_long_prompts_is_a_reprice_that_names_the_tier() -> None:
    news = news_of(long_context(prompt="6"), long_context(prompt="5"), policy=UNDAMPED)
    assert news == ["09:00 repriced a/b prompt@200000+ 6→5"]


def test_a_tier_that_appears_or_goes_is_measured_against_the_price_without_it() -> None:
    news = news_of(model("a/b"), long_context(prompt="6", completion="20"), model("a/b"), policy=UNDAMPED)
    assert news == [
        "09:00 repriced a/b completion@200000+ 15→20 prompt@200000+ 3→6",
        "15:00 repriced a/b completion@200000+ 20→15 prompt@200000+ 6→3",
    ]


def tiered(base: str, tier: str | None) -> Document:
    overrides = [] if tier is None else [{"min_prompt_tokens": 200000, "prompt": tier}]
    return model("a/b", prompt=base, pricing={"overrides": overrides})


def test_a_tier_at_the_price_of_the_key_is_no_news_and_neither_is_that_it_stays_there() -> None:
    world = World().poll("00:00", tiered("3", None)).poll("01:00", tiered("3", "3")).hold("06:00")
    world = world.poll("07:00", tiered("4", "3")).hold("12:00")
    assert world.states["a/b"].pending == {}
    versions = tiered("3", None), tiered("3", "3"), tiered("4", "3"), tiered("4", "5")
    assert news_of(*versions, policy=UNDAMPED) == [
        "15:00 repriced a/b prompt 3→4",
        "21:00 repriced a/b prompt@200000+ 3→5",
    ]


def test_a_tier_that_keeps_nearly_the_old_price_of_the_key_is_measured_against_that() -> None:
    versions = tiered("3", None), tiered("4", "3.01"), tiered("4", "3.02"), tiered("4", "3.04")
    assert news_of(*versions, policy=UNDAMPED) == [
        "09:00 repriced a/b prompt 3→4",
        "21:00 repriced a/b prompt@200000+ 3→3.04",
    ]


def test_a_glitch_of_the_key_is_no_news_of_a_tier_that_went() -> None:
    world = World().poll("00:00", tiered("3", "3")).poll("01:00", tiered("3", None)).hold("12:00")
    world = world.poll("13:00", tiered("9", None)).poll("14:00", tiered("3", None)).hold("1 00:00")
    assert world.news == []
    world = world.poll("1 01:00", tiered("9", None)).hold("2 00:00")
    assert world.news == ["1 04:00 repriced a/b prompt 3→9 prompt@200000+ 3→9"]


def test_a_key_that_a_tier_does_not_give_inherits_the_base_price() -> None:
    world = World().poll("00:00", long_context(prompt="6"))
    assert "pricing.completion@200000+" not in world.states["a/b"].model.facets


def test_later_overrides_win_key_by_key() -> None:
    overrides = [{"min_prompt_tokens": 1000, "prompt": "5", "completion": "20"}, {"prompt": "4"}]
    facets = World().poll("00:00", model("a/b", pricing={"overrides": overrides})).states["a/b"].model.facets
    assert (facets["pricing.prompt"], facets["pricing.prompt@1000+"]) == ("4", "4")
    assert (facets["pricing.completion"], facets["pricing.completion@1000+"]) == ("15", "20")


def test_a_tier_within_a_window_has_a_schedule() -> None:
    overrides = [window(1600, 0, prompt="2"), {**window(0, 1600, prompt="5"), "min_prompt_tokens": 1000}]
    facets = World().poll("00:00", model("a/b", pricing={"overrides": overrides})).states["a/b"].model.facets
    assert facets["pricing.prompt"] == "00:00=3 16:00=2"
    assert facets["pricing.prompt@1000+"] == "00:00=5 16:00=2"


def test_an_optional_price_can_be_given_by_a_tier_alone() -> None:
    news = news_of(model("a/b"), long_context(input_cache_read="1"))
    assert news == ["09:00 repriced a/b input_cache_read@200000+ 0→1"]


@pytest.mark.parametrize(
    "override",
    [
        {"on_full_moon": True, "prompt": "1"},
        {"min_prompt_tokens": "many", "prompt": "1"},
        {"min_prompt_tokens": True, "prompt": "1"},
        {"min_prompt_tokens": -1, "prompt": "1"},
        {"utc_start": 1600, "prompt": "1"},
        window(1661, 1700, prompt="1"),
        window(-1, 1700, prompt="1"),
        {"utc_start": "noon", "utc_end": "1700", "prompt": "1"},
        {"utc_days": "saturday", "prompt": "1"},
        {"utc_days": ["caturday"], "prompt": "1"},
        {"utc_days": [], "prompt": "1"},
        {"utc_start": True, "utc_end": False, "prompt": "1"},
        "cheap",
        None,
    ],
)
def test_an_override_with_an_unknown_condition_is_skipped(override: Any) -> None:
    assert news_of(model("a/b"), model("a/b", pricing={"overrides": [override]})) == []


def test_an_override_of_null_is_none() -> None:
    override = {"min_prompt_tokens": None, "utc_start": None, "utc_end": None, "prompt": "4", "completion": None}
    news = news_of(model("a/b"), model("a/b", pricing={"overrides": [override]}))
    assert news == ["09:00 repriced a/b prompt 3→4"]


def test_overrides_that_are_no_list_are_skipped() -> None:
    assert news_of(model("a/b"), model("a/b", pricing={"overrides": {"prompt": "1"}})) == []


def test_a_price_that_cannot_be_read_is_not_zero_and_not_news() -> None:
    priced = model("a/b", pricing={"request": "0.5"})
    assert news_of(priced, model("a/b", pricing={"request": "ask us"}), priced) == []


def test_a_price_that_cannot_be_read_is_not_in_the_offer() -> None:
    world = World().poll("00:00", model("c/d")).poll("01:00", model("c/d"), model("a/b", pricing={"request": "ask us"}))
    (event,) = world.events
    assert event.offer is not None
    assert event.offer.prices.keys() == {"prompt", "completion"}


def test_a_price_that_was_never_readable_is_watched_once_it_is() -> None:
    first = model("a/b", pricing={"request": "ask us"})
    versions = (first, model("a/b", pricing={"request": "0.5"}), model("a/b", pricing={"request": "0.6"}))
    assert news_of(*versions) == ["15:00 repriced a/b request 0.5→0.6"]


def test_a_price_that_was_never_readable_and_goes_is_no_news() -> None:
    first = model("a/b", pricing={"request": "ask us"})
    assert news_of(first, model("a/b"), model("a/b", pricing={"request": "0.6"})) == [
        "15:00 repriced a/b request 0→0.6"
    ]


# Identity


def test_a_moved_canonical_slug_is_announced_at_once() -> None:
    world = World().poll("00:00", model("a/b", canonical_slug="a/b-1"))
    world = world.poll("01:00", model("a/b", canonical_slug="a/b-2"))
    assert world.hold("06:00").news == ["01:00 retargeted a/b canonical_slug a/b-1→a/b-2"]


def test_a_canonical_slug_that_is_left_out_is_not_moved() -> None:
    slug = model("a/b", canonical_slug="a/b-1")
    assert news_of(slug, model("a/b"), slug, model("a/b", canonical_slug=None)) == []


def test_a_canonical_slug_that_moves_while_it_is_left_out_is_announced_when_it_is_given_again() -> None:
    versions = model("a/b", canonical_slug="a/b-1"), model("a/b"), model("a/b", canonical_slug="a/b-2")
    assert news_of(*versions) == ["12:00 retargeted a/b canonical_slug a/b-1→a/b-2"]


def test_a_canonical_slug_that_was_never_given_is_no_move_when_it_comes() -> None:
    assert news_of(model("a/b"), model("a/b", canonical_slug="a/b-1")) == []


def test_an_alias_that_points_elsewhere_is_announced_at_once() -> None:
    def alias(slug: str) -> Document:
        return model("~a/latest", alias_target={"slug": slug, "name": f"Name of {slug}"})

    world = World().poll("00:00", alias("a/one")).poll("01:00", alias("a/two")).hold("06:00")
    assert world.news == ["01:00 retargeted ~a/latest alias_target a/one→a/two"]
    assert world.events[0].url == "https://openrouter.ai/~a/latest"


def test_a_variant_is_a_model_of_its_own_with_its_own_price() -> None:
    paid = model("a/b", prompt="3")
    world = World().poll("00:00", paid, model("a/b:free", prompt="0", completion="0"))
    world = world.poll("01:00", paid, model("a/b:free", prompt="1", completion="2")).hold("06:00")
    assert world.news == ["04:00 repriced a/b:free completion 0→2 prompt 0→1 became_paid"]


def test_an_expired_variant_names_its_sibling_and_other_ids_of_the_same_model() -> None:
    gone = model("a/b:free", name="A: Bee (free)", canonical_slug="a/b-1", hugging_face_id="hf/b")
    rest = [
        model("a/b", name="A: Bee", canonical_slug="a/b-1", hugging_face_id="hf/b"),
        model("x/slug", name="Other 1", canonical_slug="a/b-1"),
        model("x/weights", name="Other 2", hugging_face_id="hf/b"),
        model("x/name", name="X: Bee"),
        model("x/none", name="X: Wasp"),
    ]
    world = World().poll("00:00", gone, *rest).poll("01:00", *rest).poll("02:00", *rest)
    (event,) = world.events
    assert event.kind == "expired"
    assert event.alternatives == (
        Alternative("a/b", "A: Bee", "variant"),
        Alternative("x/slug", "Other 1", "same_model"),
        Alternative("x/weights", "Other 2", "same_weights"),
    )


# Whole-catalogue rewrites


@pytest.mark.parametrize("value", ["x", 7, {"deep": "er"}, ["list"]])
def test_328_models_gaining_a_field_are_one_line(value: Any) -> None:
    world = World().poll("00:00", *many(328)).poll("01:00", *many(328, links=value)).hold("1 00:00")
    (event,) = world.events
    assert (event.kind, event.model) == ("changed", None)
    assert "appeared on 328 of 328 models" in (event.detail or "")
    assert all(not state.pending for state in world.states.values())


def test_328_models_gaining_a_null_are_no_line() -> None:
    assert World().poll("00:00", *many(328)).poll("01:00", *many(328, expiration_date=None)).hold("1 00:00").news == []


def test_a_field_that_goes_from_all_models_or_is_respelled_on_them_is_one_line_each() -> None:
    world = World().poll("00:00", *many(30, knowledge_cutoff="2025-01-01", hugging_face_id="x"))
    world = world.poll("01:00", *many(30, knowledge_cutoff="2025-01")).hold("06:00")
    assert world.news == ["04:00 changed * hugging_face_id x→None knowledge_cutoff 2025-01-01→2025-01"]


def test_a_rewrite_of_too_few_models_is_announced_model_by_model() -> None:
    few = [model(f"few/m{number}", context_length=2000) for number in range(19)]
    world = World().poll("00:00", *[{**each, "context_length": 1000} for each in few])
    assert len(world.poll("01:00", *few).hold("06:00").events) == 19


def test_a_rewrite_of_too_small_a_share_is_announced_model_by_model() -> None:
    before, rest = many(20), [model(f"rest/m{number}") for number in range(181)]
    world = World().poll("00:00", *before, *rest).poll("01:00", *many(20, context_length=2000), *rest)
    assert len(world.hold("06:00").events) == 20


def test_a_rewrite_of_just_enough_models_of_just_enough_a_share_is_one_line() -> None:
    before, rest = many(20), [model(f"rest/m{number}") for number in range(180)]
    world = World().poll("00:00", *before, *rest).poll("01:00", *many(20, context_length=2000), *rest)
    assert world.hold("06:00").news == ["04:00 changed * context_length 1000→2000"]


def test_a_rewrite_in_two_polls_is_a_line_each_and_other_models_keep_their_own() -> None:
    news = [model("other/one", context_length=7)]
    world = World().poll("00:00", *many(60), model("other/one"))
    world = world.poll("01:00", *many(30, knowledge_cutoff="2025"), *many(60)[30:], *news)
    world = world.poll("02:00", *many(60, knowledge_cutoff="2025"), *news).hold("12:00")
    assert world.news == [
        "04:00 changed * knowledge_cutoff None→2025",
        "04:00 changed other/one context_length 1000→7",
        "05:00 changed * knowledge_cutoff None→2025",
    ]


def test_where_ids_lead_is_never_folded() -> None:
    world = World().poll("00:00", *many(30, canonical_slug="x/w"))
    world = world.poll("01:00", *many(30, canonical_slug="x/y")).hold("09:00")
    assert [event.kind for event in world.events] == ["retargeted"] * 30


def test_prices_are_never_folded() -> None:
    world = World().poll("00:00", *many(30)).poll("01:00", *many(30, prompt="2")).hold("06:00")
    assert [event.kind for event in world.events] == ["repriced"] * 30


def test_when_models_end_is_never_folded() -> None:
    world = World().poll("00:00", *many(30, expiration_date="2026-03-04"))
    world = world.poll("01:00", *many(30, expiration_date="2026-05-01"))
    assert [event.kind for event in world.events] == ["expiring"] * 30
    world = world.hold("60 00:00", every=timedelta(hours=3))
    assert [event.days_left for event in world.events if event.model == "many/m0"][1:] == [14, 3, 1]


# Flaps


@pytest.mark.parametrize(
    "glitch", [{"prompt": "4"}, {"completion": "0"}, {"context_length": 5}, {"supported_parameters": ["tools"]}]
)
def test_a_glitch_of_one_poll_is_no_news(glitch: Document) -> None:
    world = World().poll("00:00", model("a/b")).poll("01:00", model("a/b", **glitch)).poll("02:00", model("a/b"))
    assert world.hold("1 00:00").news == []


def test_a_model_missing_from_one_poll_is_no_news() -> None:
    world = World().poll("00:00", model("a/b"), model("c/d")).poll("01:00", model("c/d"))
    assert world.poll("02:00", model("a/b"), model("c/d")).hold("1 00:00").news == []


def test_a_price_that_flips_five_times_in_six_hours_is_no_news() -> None:
    world = World().poll("00:00", model("a/b", prompt="3"))
    for hour in range(1, 7):
        world = world.poll(f"0{hour}:00", model("a/b", prompt="2.4" if hour % 2 else "3"))
    assert world.hold("1 00:00").news == []


def test_a_price_that_flips_and_stays_is_one_event() -> None:
    world = World().poll("00:00", model("a/b", prompt="3"))
    for hour in range(1, 6):
        world = world.poll(f"0{hour}:00", model("a/b", prompt="2.4" if hour % 2 else "3"))
    assert world.hold("1 00:00").news == ["08:00 repriced a/b prompt 3→2.4"]


def test_an_id_that_vanishes_for_16_hours_expires_and_returns() -> None:
    here, rest = model("a/b:free"), model("c/d")
    world = World().poll("00:00", here, rest).poll("01:00", rest).hold("16:00").poll("17:00", here, rest)
    assert world.hold("2 00:00").news == ["02:00 expired a/b:free", "17:00 returned a/b:free"]
    assert [event.since for event in world.events] == [moment("01:00"), moment("17:00")]


def test_a_model_that_returns_says_what_is_different_now() -> None:
    rest = model("c/d")
    world = World().poll("00:00", model("a/b", canonical_slug="a/b-1"), rest).poll("01:00", rest).hold("16:00")
    back = model("a/b", prompt="0", completion="0", context_length=9, canonical_slug="a/b-2", description="x")
    world = world.poll("17:00", back, rest).hold("2 00:00")
    assert world.news[1:] == [
        "17:00 returned a/b completion 15→0 prompt 3→0 canonical_slug a/b-1→a/b-2 context_length 1000→9 became_free"
    ]
    assert world.events[1].direction == "down"


def test_free_for_a_day_is_announced_and_so_is_its_end() -> None:
    world = World().poll("00:00", model("a/b", prompt="3", completion="15"))
    world = world.poll("01:00", model("a/b", prompt="0", completion="0")).hold("1 00:00")
    world = world.poll("1 01:00", model("a/b", prompt="3", completion="15")).hold("2 00:00")
    assert world.news == [
        "04:00 repriced a/b completion 15→0 prompt 3→0 became_free",
        "1 04:00 repriced a/b completion 0→15 prompt 0→3 became_paid",
    ]


# Expiration dates: the first day of these histories is 2 March 2026


def dated(date: str | None) -> Document:
    return model("a/b", expiration_date=date)


def test_an_expiration_date_is_announced_when_it_is_set_moved_and_withdrawn() -> None:
    world = World().poll("00:00", dated(None)).poll("01:00", dated("2026-06-01"))
    world = world.poll("02:00", dated("2026-07-01")).poll("03:00", dated(None)).hold("1 00:00")
    assert world.news == [
        "01:00 expiring a/b expiration_date None→2026-06-01",
        "02:00 expiring a/b expiration_date 2026-06-01→2026-07-01",
        "03:00 expiring a/b expiration_date 2026-07-01→None",
    ]
    assert [event.days_left for event in world.events] == [91, 121, None]


def reminded(world: World) -> list[tuple[str, int | None]]:
    return [
        (line.partition(" expiring")[0], event.days_left) for line, event in zip(world.news, world.events, strict=True)
    ]


REMINDERS = [("6 00:00", 14), ("17 00:00", 3), ("19 00:00", 1)]


def test_reminders_come_once_each_and_nothing_when_the_date_is_reached() -> None:
    world = World().poll("00:00", dated("2026-03-22")).hold("25 00:00")
    assert reminded(world) == REMINDERS
    assert world.events[0].fields == {"expiration_date": FieldChange("2026-03-22", "2026-03-22")}


def test_reminders_come_once_each_across_restarts() -> None:
    world = World().poll("00:00", dated("2026-03-22"))
    for hour in range(1, 25 * 24, 3):
        world = world.resumed().poll(moment("00:00") + hour * HOUR, dated("2026-03-22"))
    assert [days_left for _, days_left in reminded(world)] == [14, 3, 1]


def test_several_reminders_that_are_due_at_once_are_one() -> None:
    world = World().poll("00:00", dated("2026-03-22")).poll("18 00:00", dated("2026-03-22")).hold("25 00:00")
    assert reminded(world) == [("18 00:00", 2), ("19 00:00", 1)]


def test_a_date_that_is_set_near_stands_for_the_reminders_before_it() -> None:
    world = World().poll("00:00", dated(None)).poll("01:00", dated("2026-03-05")).hold("10 00:00")
    assert reminded(world) == [("01:00", 3), ("2 00:00", 1)]


def test_a_date_that_is_moved_away_has_its_own_reminders() -> None:
    world = World().poll("00:00", dated("2026-03-03")).poll("01:00", dated("2026-03-22")).hold("25 00:00")
    assert reminded(world) == [("01:00", 20), *REMINDERS]


def test_a_date_that_is_reached_and_a_model_that_goes_is_expired_and_no_more() -> None:
    rest = model("c/d")
    world = World().poll("00:00", dated("2026-03-03"), rest).poll("1 01:00", dated("2026-03-03"), rest)
    world = world.poll("1 02:00", rest).hold("3 00:00")
    assert world.news == ["1 03:00 expired a/b"]


def test_a_date_in_the_past_or_that_cannot_be_read_has_no_reminder() -> None:
    assert World().poll("00:00", dated("2026-02-01")).hold("2 00:00").news == []
    assert World().poll("00:00", dated("soon")).hold("2 00:00").news == []


def test_a_model_that_returns_with_a_near_date_says_it_and_keeps_the_later_reminders() -> None:
    rest = model("c/d")
    world = World().poll("00:00", dated(None), rest).poll("01:00", rest).hold("03:00")
    world = world.poll("04:00", dated("2026-03-05"), rest).hold("4 00:00")
    assert world.news[1:] == [
        "04:00 returned a/b expiration_date None→2026-03-05",
        "2 00:00 expiring a/b expiration_date 2026-03-05→2026-03-05",
    ]
