"""Which events a channel wants, and what a price change weighs for it."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from tests.events import (
    CHEAPER,
    FAILING,
    FOLDED,
    FREED,
    NEW,
    NEW_UNLISTED,
    NOVITA,
    PROVIDER_ADDED,
    PROVIDER_GONE,
    PROVIDER_REPRICED,
    event,
    repriced,
)
from watcher.catalog.model import DEFAULT_KINDS, KINDS, Event, Offer, Provider
from watcher.config.settings import Rules
from watcher.rules.rules import apply_min_change, wants


def rules(**settings: Any) -> Rules:
    return Rules(**{"events": KINDS} | settings)


def offer(**more: Any) -> Event:
    return event("new", offer=Offer(**more))


def test_the_kind_decides_first() -> None:
    assert wants(rules(events=("repriced",)), CHEAPER)
    assert not wants(rules(events=("new",)), CHEAPER)


@pytest.mark.parametrize(
    ("models", "exclude", "model", "wanted"),
    [
        (("*",), (), "openai/gpt-4o", True),
        (("openai/*",), (), "openai/gpt-4o", True),
        (("openai/gpt-*",), (), "openai/gpt-4o:free", True),
        (("OpenAI/GPT-*",), (), "openai/gpt-4o", True),
        (("openai/gpt-*",), (), "OpenAI/GPT-4o", True),
        (("gpt-*",), (), "openai/gpt-4o", False),
        (("*gpt-*",), (), "openai/gpt-4o", True),
        (("*:free",), (), "openai/gpt-4o", False),
        (("openai/gpt-4o",), (), "openai/gpt-4o:free", False),
        (("anthropic/*", "openai/*"), (), "openai/gpt-4o", True),
        (("openai/*",), ("*-4o*",), "openai/gpt-4o", False),
        (("openai/gpt-4o",), ("openai/gpt-4o",), "openai/gpt-4o", False),
        (("anthropic/*",), (), "~anthropic/claude-sonnet-latest", True),
        (("*",), ("anthropic/*",), "~anthropic/claude-sonnet-latest", False),
        ((), (), "openai/gpt-4o", False),
    ],
)
def test_models_are_chosen_by_globs_over_the_whole_id_and_exclude_wins(
    models: tuple[str, ...], exclude: tuple[str, ...], model: str, wanted: bool
) -> None:
    assert wants(rules(models=models, exclude=exclude), event("new", model)) is wanted


FREE = {"prompt": "0", "completion": "0"}
PAID = {"prompt": "0.000001", "completion": "0.000002"}


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        (offer(prices=FREE), True),
        (offer(prices=FREE | {"web_search": "0.01"}), True),
        (offer(prices=FREE | {"image": "0.01"}), False),
        (offer(prices=PAID), False),
        (offer(prices={"prompt": "varies", "completion": "varies"}), False),
        (FREED, True),
        (event("repriced", marks=("became_paid",), offer=Offer(prices=PAID)), True),
        (replace(repriced(prompt=("0", "0.000001", None)), offer=Offer(prices=PAID | {"completion": "0"})), True),
        (event("expired", "z-ai/glm:free"), True),
        (event("new", "z-ai/glm"), False),
    ],
)
def test_free_only_gets_what_is_free_and_what_stops_being_so(told: Event, wanted: bool) -> None:
    assert wants(rules(free_only=True), told) is wanted


@pytest.mark.parametrize(
    ("settings", "told", "wanted"),
    [
        ({"modalities": ("image",)}, offer(input_modalities=("image", "text"), output_modalities=("text",)), True),
        ({"modalities": ("image", "audio")}, offer(output_modalities=("audio",)), True),
        ({"modalities": ("image",)}, offer(input_modalities=("text",), output_modalities=("text",)), False),
        ({"supported_parameters": ("tools",)}, offer(supported_parameters=("seed", "tools")), True),
        ({"supported_parameters": ("tools", "seed")}, offer(supported_parameters=("tools",)), False),
        ({"max_prompt_price": Decimal(3)}, offer(prices={"prompt": "0.000003"}), True),
        ({"max_prompt_price": Decimal("2.99")}, offer(prices={"prompt": "0.000003"}), False),
        ({"max_prompt_price": Decimal(3)}, offer(prices={"prompt": "varies"}), False),
        ({"max_prompt_price": Decimal(2)}, repriced(prompt=("0.000002", "0.000003", "+50.00%")), True),
        ({"max_prompt_price": Decimal(2)}, repriced(prompt=("0.000003", "0.000002", "-33.33%")), True),
        ({"max_prompt_price": Decimal(1)}, repriced(prompt=("0.000003", "0.000002", "-33.33%")), False),
        ({"max_prompt_price": Decimal(2)}, offer(prices={"prompt@16:30-00:30": "0.000002"}), True),
        ({"max_prompt_price": Decimal(1)}, offer(prices={"prompt@16:30-00:30": "0.000002"}), False),
        ({"max_prompt_price": Decimal(2)}, offer(prices={"prompt": "0.000003", "prompt@9+": "0.000001"}), False),
        ({"min_context": 128_000}, offer(context_length=128_000), True),
        ({"min_context": 128_000}, offer(context_length=127_999), False),
        ({"min_context": 128_000}, offer(), False),
    ],
)
def test_rules_about_the_offer(settings: dict[str, Any], told: Event, wanted: bool) -> None:
    assert wants(rules(**settings), told) is wanted


STRICT = rules(
    models=("nobody/*",),
    free_only=True,
    modalities=("smell",),
    supported_parameters=("tools",),
    max_prompt_price=Decimal("0.01"),
    min_context=10**9,
)


def test_rules_about_models_hide_nothing_about_the_source_or_the_whole_catalogue() -> None:
    assert not wants(STRICT, NEW)
    assert wants(STRICT, FAILING)
    assert wants(STRICT, FOLDED)


def test_what_is_not_known_of_a_model_in_the_feed_alone_hides_nothing() -> None:
    settings = {"modalities": ("image",), "supported_parameters": ("tools",), "min_context": 10**6}
    assert wants(rules(**settings, max_prompt_price=Decimal("0.01")), NEW_UNLISTED)


# --- a channel's own min_change

FIVE = rules(min_change=Decimal("0.05"))


def test_a_large_enough_change_passes_as_it_is_and_leaves_nothing_to_remember() -> None:
    change = repriced(prompt=("0.000003", "0.0000025", "-16.67%"))
    adjusted, told = apply_min_change(FIVE, change, {})
    assert adjusted is not None
    assert (adjusted.prices, adjusted.direction, told) == (change.prices, "down", {})


def test_small_changes_add_up_until_the_channel_gets_their_sum() -> None:
    first, told = apply_min_change(FIVE, repriced(prompt=("0.00000100", "0.00000103", "+3.00%")), {})
    assert (first, told) == (None, {"prompt": "0.00000100"})
    second, told = apply_min_change(FIVE, repriced(prompt=("0.00000103", "0.00000106", "+2.91%")), told)
    assert second is not None
    assert second.prices["prompt"].old == "0.00000100"
    assert second.prices["prompt"].change == "+6.00%"
    assert second.direction == "up"
    assert told == {}


def test_a_change_that_was_kept_and_is_undone_is_forgotten() -> None:
    assert apply_min_change(FIVE, repriced(prompt=("0.00000103", "0.000001", "-2.91%")), {"prompt": "0.000001"}) == (
        None,
        {},
    )


def test_the_direction_is_the_one_the_channel_sees() -> None:
    adjusted, _ = apply_min_change(
        FIVE, repriced(prompt=("0.00000096", "0.0000009", "-6.25%")), {"prompt": "0.0000008"}
    )
    assert adjusted is not None
    assert (adjusted.direction, adjusted.prices["prompt"].change) == ("up", "+12.50%")


@pytest.mark.parametrize(
    ("prices", "up", "down"),
    [
        ({"prompt": ("0.000001", "0.000002", "+100.00%")}, True, False),
        ({"prompt": ("0.000002", "0.000001", "-50.00%")}, False, True),
        ({"prompt": ("0", "0.000001", None)}, True, False),
        ({"prompt": ("0.000001", "0", None)}, False, True),
        (
            {"prompt": ("0.000001", "0.000002", "+100.00%"), "completion": ("0.000002", "0.000001", "-50.00%")},
            True,
            True,
        ),
        ({"prompt": ("varies", "0.000001", None)}, True, True),
    ],
)
def test_a_channel_gets_the_changes_in_its_direction(prices: dict[str, Any], up: bool, down: bool) -> None:
    for direction, wanted in (("up", up), ("down", down), (None, True)):
        adjusted, told = apply_min_change(rules(direction=direction), repriced(**prices), {})
        assert (adjusted is not None, told) == (wanted, {})


def test_a_change_in_the_other_direction_is_what_the_next_one_is_measured_from() -> None:
    up = rules(direction="up", min_change=Decimal("0.05"))
    dropped, told = apply_min_change(up, repriced(prompt=("0.000010", "0.000005", "-50.00%")), {})
    assert (dropped, told) == (None, {})
    risen, _ = apply_min_change(up, repriced(prompt=("0.000005", "0.000006", "+20.00%")), told)
    assert risen is not None
    assert risen.prices["prompt"].old == "0.000005"


def test_a_direction_hides_no_other_news() -> None:
    assert apply_min_change(rules(direction="up"), NEW, {}) == (NEW, {})


def test_one_price_that_weighs_enough_takes_the_others_along() -> None:
    change = repriced(prompt=("0.0000010", "0.0000011", "+10.00%"), completion=("0.0000010", "0.00000101", "+1.00%"))
    adjusted, told = apply_min_change(FIVE, change, {"completion": "0.00000099", "request": "0.01"})
    assert adjusted is not None
    assert adjusted.prices["completion"].old == "0.00000099"
    assert told == {"request": "0.01"}


def test_a_price_that_is_back_at_what_the_channel_knows_is_not_sent() -> None:
    change = repriced(prompt=("0.0000010", "0.0000011", "+10.00%"), completion=("0.00000101", "0.000001", "-0.99%"))
    adjusted, told = apply_min_change(FIVE, change, {"completion": "0.000001"})
    assert adjusted is not None
    assert list(adjusted.prices) == ["prompt"]
    assert told == {}


@pytest.mark.parametrize(
    ("old", "new"),
    [("0.000001", "0"), ("0", "0.000001"), ("varies", "0.000001"), ("0.000001", "varies"), (None, "0.1")],
)
def test_to_and_from_free_and_varies_always_weighs_enough(old: Any, new: str) -> None:
    adjusted, told = apply_min_change(rules(min_change=Decimal(10)), repriced(prompt=(old, new, None)), {})
    assert adjusted is not None
    assert adjusted.prices["prompt"].change is None
    assert told == {}


def test_without_a_min_change_everything_passes() -> None:
    adjusted, _ = apply_min_change(rules(), repriced(prompt=("0.000001", "0.00000100001", "+0.00%")), {})
    assert adjusted is not None


def test_the_threshold_itself_passes() -> None:
    assert apply_min_change(FIVE, repriced(prompt=("0.000001", "0.00000105", "+5.00%")), {})[0] is not None
    assert apply_min_change(FIVE, repriced(prompt=("0.000001", "0.00000095", "-5.00%")), {})[0] is not None
    assert apply_min_change(FIVE, repriced(prompt=("0.000001", "0.0000010499", "+4.99%")), {})[0] is None


def test_other_kinds_pass_as_they_are() -> None:
    assert apply_min_change(FIVE, NEW, {"prompt": "0.1"}) == (NEW, {"prompt": "0.1"})


# Providers


@pytest.mark.parametrize(
    ("settings", "tag", "quantization", "wanted"),
    [
        ({"providers": ("novita",)}, "novita/fp8", "fp8", True),
        ({"providers": ("NOVITA/fp8",)}, "novita/fp8", "fp8", True),
        ({"providers": ("novita",)}, "novita#2", None, True),
        ({"providers": ("novita/fp8", "x")}, "novita", None, False),
        ({"providers": ("nov",)}, "novita/fp8", "fp8", False),
        ({"quantization": ("bf16", "FP8")}, "novita/fp8", "fp8", True),
        ({"quantization": ("bf16",)}, "novita/fp8", "fp8", False),
        ({"quantization": ("unknown",)}, "novita", None, True),
        ({"providers": ("novita",), "quantization": ("bf16",)}, "novita/fp8", "fp8", False),
    ],
)
def test_a_channel_gets_the_prices_of_the_endpoints_that_it_names(
    settings: dict[str, Any], tag: str, quantization: str | None, wanted: bool
) -> None:
    own = Provider("Novita", tag, quantization)
    named = rules(events=DEFAULT_KINDS, **settings)
    assert wants(named, replace(PROVIDER_REPRICED, provider=own)) is wanted
    assert wants(named, CHEAPER, [own]) is not wanted, "in place of the model's own price"
    assert wants(named, CHEAPER), "unless nobody knows who offers it"
    assert wants(named, FREED, [Provider("X", "other", "int4")])


def test_without_providers_a_channel_gets_news_of_them_only_by_kind() -> None:
    news = (PROVIDER_REPRICED, PROVIDER_GONE, PROVIDER_ADDED)
    assert [wants(rules(events=DEFAULT_KINDS), told) for told in news] == [False] * 3
    assert [wants(rules(), told) for told in news] == [True] * 3
    assert wants(rules(), CHEAPER, [NOVITA])


def test_that_an_endpoint_goes_is_told_only_to_who_asks_even_if_it_is_named() -> None:
    assert not wants(rules(events=DEFAULT_KINDS, providers=("atlas-cloud",)), PROVIDER_GONE)
    assert wants(rules(events=("provider_gone",), providers=("atlas-cloud",)), PROVIDER_GONE)
    assert not wants(rules(events=("provider_gone",), providers=("novita",)), PROVIDER_GONE)


def test_the_other_rules_hold_for_endpoints_too() -> None:
    assert not wants(rules(models=("openai/*",)), PROVIDER_ADDED)
    assert not wants(rules(max_prompt_price=Decimal("0.5")), PROVIDER_ADDED)
    dropped, told = apply_min_change(rules(direction="up"), PROVIDER_REPRICED, {})
    assert (dropped, told) == (None, {})
    small, told = apply_min_change(rules(min_change=Decimal("0.1")), PROVIDER_REPRICED, {})
    assert small is None and told == {"prompt": "0.0000014", "completion": "0.0000044"}
