"""The built-in catalogue looks like the real one and has everything in it that a reader must cope with."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from watcher.api.selection import CATEGORIES
from watcher.simulator import built_in

MODELS = built_in()
BY_ID = {model["id"]: model for model in MODELS}
REQUIRED = {
    "id", "canonical_slug", "name", "created", "pricing", "context_length", "architecture", "top_provider",
    "per_request_limits", "supported_parameters", "default_parameters", "supported_voices", "links",
}  # fmt: skip


def _overrides(model: dict[str, Any]) -> list[dict[str, Any]]:
    return model["pricing"].get("overrides", [])


def test_it_has_at_least_60_models_each_once():
    assert len(MODELS) >= 60
    assert len(BY_ID) == len(MODELS)


def test_every_model_has_what_the_api_promises():
    for model in MODELS:
        assert model.keys() >= REQUIRED, model["id"]
        assert re.fullmatch(r"~?[a-z0-9-]+/[a-z0-9.-]+(:[a-z]+)?", model["id"])
        assert model["architecture"].keys() == {
            "modality", "input_modalities", "output_modalities", "tokenizer", "instruct_type"
        }  # fmt: skip
        assert model["links"]["details"] == f"/api/v1/models/{model['id']}/endpoints"
        assert model["description"].endswith(".")
        assert datetime(2023, 1, 1, tzinfo=UTC).timestamp() < model["created"] < datetime.now(UTC).timestamp()


def test_every_price_is_a_decimal_string_of_at_least_zero_or_minus_one():
    for model in MODELS:
        for key, price in model["pricing"].items():
            if key not in ("overrides", "discount"):
                assert isinstance(price, str)
                assert Decimal(price) >= 0 or price == "-1", (model["id"], key)
        assert {"prompt", "completion"} <= model["pricing"].keys()


def test_prices_are_exact():
    assert BY_ID["openai/gpt-5.2"]["pricing"]["prompt"] == "0.00000175"
    assert BY_ID["openai/gpt-5.2"]["pricing"]["web_search"] == "0.01"
    assert BY_ID["openai/gpt-4"]["pricing"]["completion"] == "0.00006"
    assert BY_ID["openai/gpt-5.2:batch"]["pricing"]["prompt"] == "0.000000875"


def test_models_come_newest_first():
    created = [model["created"] for model in MODELS]
    assert created == sorted(created, reverse=True)


def test_every_variant_stands_beside_its_sibling():
    variants = [model for model in MODELS if ":" in model["id"]]
    assert {model["id"].split(":")[1] for model in variants} >= {"free", "batch", "thinking"}
    for model in variants:
        sibling = BY_ID[model["id"].split(":")[0]]
        assert model["canonical_slug"] == sibling["canonical_slug"]
        if model["id"].endswith(":free"):
            assert model["pricing"] == {"prompt": "0", "completion": "0"}


def test_every_alias_points_to_a_model_that_is_listed():
    aliases = [model for model in MODELS if model["id"].startswith("~")]
    assert len(aliases) >= 3
    for model in aliases:
        target = BY_ID[model["alias_target"]["slug"]]
        assert model["alias_target"]["name"] == target["name"]
        assert model["pricing"] == target["pricing"]


def test_time_of_day_windows_tile_the_day():
    schedules = [[o for o in _overrides(model) if "utc_start" in o] for model in MODELS]
    schedules = [schedule for schedule in schedules if schedule]
    assert schedules
    for schedule in schedules:
        assert sorted(o["utc_start"] for o in schedule) == sorted(o["utc_end"] for o in schedule)


def test_it_has_one_of_everything_that_is_hard_to_read():
    pricing = [model["pricing"] for model in MODELS]
    assert BY_ID["openrouter/auto"]["pricing"]["prompt"] == "-1"
    assert any("discount" in prices for prices in pricing)
    assert any(o.get("min_prompt_tokens") == 200000 for model in MODELS for o in _overrides(model))
    assert any("utc_days" in o for model in MODELS for o in _overrides(model))
    assert any("e-" in price for prices in pricing for price in prices.values() if isinstance(price, str))
    assert any(prices.get("image") == "0" for prices in pricing) and any("image" not in prices for prices in pricing)
    outputs = {out for model in MODELS for out in model["architecture"]["output_modalities"]}
    assert outputs >= {"text", "image", "audio", "embeddings"}
    assert {model["hugging_face_id"] for model in MODELS} >= {None, ""}
    expirations = {model["expiration_date"] for model in MODELS}
    assert None in expirations
    assert [date.fromisoformat(day) for day in expirations if day]
    for key in ("benchmarks", "reasoning", "knowledge_cutoff", "supported_voices", "per_request_limits"):
        assert any(model.get(key) for model in MODELS), key


def test_every_category_has_a_model():
    for category in CATEGORIES:
        texts = [f"{model['name']} {model['description']}" for model in MODELS]
        assert any(map(CATEGORIES[category].search, texts)), category


def test_a_copy_may_be_changed_without_changing_the_next_or_a_sibling():
    mine = built_in()
    for model in mine:
        model["architecture"]["output_modalities"].clear()
        model["pricing"].clear()
        break
    assert built_in() == MODELS
    assert all(model["pricing"] for model in mine[1:])
