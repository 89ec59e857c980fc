"""The built-in catalogue: raw model documents as `GET /api/v1/models` lists them.

The facts stand in `catalogue.psv` beside this file, one model a line; what can be derived from a sibling (variants,
aliases) or is too structured for a line (overrides, reasoning, benchmarks) stands here. Ids, prices and dates are those
of early 2026; the descriptions are our own.
"""

import csv
from copy import deepcopy
from decimal import Decimal
from importlib.resources import files
from typing import Any

Document = dict[str, Any]
"""One model as the API writes it: a JSON object."""

_PER_UNIT = frozenset({"request", "image", "web_search"})
"""Prices per request, image or search; the table gives all others in USD per million tokens."""

_FREE = ("openai/gpt-oss-20b", "qwen/qwen3-coder", "z-ai/glm-4.5-air", "xiaomi/mimo-v2-flash", "google/gemma-3-27b-it")
_BATCH = ("openai/gpt-5.2", "openai/gpt-5-mini", "anthropic/claude-sonnet-4.5")
_THINKING = ("anthropic/claude-3.7-sonnet",)
_EXTENDED = ("openai/gpt-4o",)

_ALIASES = (
    ("~anthropic/claude-opus-latest", "Anthropic: Claude Opus Latest", "anthropic/claude-opus-4.5"),
    ("~anthropic/claude-sonnet-latest", "Anthropic: Claude Sonnet Latest", "anthropic/claude-sonnet-4.5"),
    ("~google/gemini-flash-latest", "Google: Gemini Flash Latest", "google/gemini-3-flash-preview"),
    ("~openai/gpt-codex-latest", "OpenAI: GPT Codex Latest", "openai/gpt-5.1-codex-mini"),
)

_PRICING: dict[str, Document] = {
    # Long-context pricing: dearer beyond 200,000 prompt tokens.
    "anthropic/claude-sonnet-4.5": {
        "overrides": [{"min_prompt_tokens": 200000, "prompt": "0.000006", "completion": "0.0000225"}],
    },
    "google/gemini-3-pro-preview": {
        "overrides": [{"min_prompt_tokens": 200000, "prompt": "0.000004", "completion": "0.000018"}],
    },
    # Time-of-day pricing: two windows that tile the day; the night rate begins at 16:30 UTC and wraps past midnight.
    "deepseek/deepseek-chat-v3.1": {
        "overrides": [
            {"utc_start": 30, "utc_end": 1630, "prompt": "0.00000015", "completion": "0.00000075"},
            {"utc_start": 1630, "utc_end": 30, "prompt": "0.000000075", "completion": "0.000000375"},
        ],
    },
    # Priced by weekday: cheaper at the weekend.
    "moonshotai/kimi-k2-0905": {
        "overrides": [{"utc_days": ["saturday", "sunday"], "prompt": "0.0000002", "completion": "0.00000095"}],
    },
    "mistralai/codestral-2508": {"discount": 0.25},
    "anthropic/claude-opus-4.5": {"input_cache_write_1h": "0.00001"},
    # The upstream spells some prices as long floats.
    "microsoft/phi-4": {"input_cache_read": "8.333333333333334e-8"},
    # Older documents give every optional price, as zero.
    "openai/gpt-4": {"request": "0", "image": "0", "web_search": "0", "internal_reasoning": "0"},
    "mistralai/mistral-nemo": {"request": "0", "image": "0", "web_search": "0", "internal_reasoning": "0"},
}

_EXTRA: dict[str, Document] = {
    "openai/gpt-5.2": {
        "reasoning": {"supported_efforts": ["low", "medium", "high", "xhigh"], "default_effort": "medium"},
        "benchmarks": {"arena_elo": 1441, "rank": 2},
    },
    "anthropic/claude-opus-4.5": {"benchmarks": {"arena_elo": 1467, "rank": 1}},
    "anthropic/claude-sonnet-4.5": {"reasoning": {"mandatory": False, "supports_max_tokens": True}},
    "moonshotai/kimi-k2-thinking": {"reasoning": {"mandatory": True}},
    "openai/gpt-audio": {"supported_voices": ["alloy", "ash", "coral", "sage", "verse"]},
    "openai/gpt-4": {"expiration_date": None},
    "mistralai/mistral-nemo": {"default_parameters": {"temperature": 0.3}},
    "qwen/qwen3-coder": {"default_parameters": {"temperature": 0.7, "top_p": 0.8, "frequency_penalty": None}},
    "gryphe/mythomax-l2-13b": {"per_request_limits": {"prompt_tokens": 3072, "completion_tokens": 1024}},
}


def built_in() -> list[Document]:
    """A fresh copy of the catalogue, newest first, that the caller may change.

    A document's top-level price is its base price; `schedule.in_force` gives the price of a moment.
    """
    listed = (files("watcher.simulator") / "catalogue.psv").read_text("utf-8").splitlines()
    rows = csv.DictReader(listed, delimiter="|", quoting=csv.QUOTE_NONE)
    models = {row["id"]: _document(row) for row in rows}
    for id_ in _FREE:
        models[f"{id_}:free"] = variant(models[id_], "free", factor=0)
    for id_ in _BATCH:
        models[f"{id_}:batch"] = variant(models[id_], "batch", factor=Decimal("0.5"))
    for id_ in _THINKING:
        models[f"{id_}:thinking"] = variant(models[id_], "thinking", factor=1)
    for id_ in _EXTENDED:
        models[f"{id_}:extended"] = variant(models[id_], "extended", factor=2)
    for id_, name, target in _ALIASES:
        models[id_] = alias(id_, name, models[target])
    # Siblings are built from shared parts; a copy keeps a change to one from showing in another.
    return [deepcopy(model) for model in sorted(models.values(), key=lambda model: -int(model["created"]))]


def variant(model: Document, suffix: str, factor: Decimal | int) -> Document:
    """The `id:suffix` sibling of a model: the same but for its id, its name and its prices times `factor`."""
    id_ = f"{model['id']}:{suffix}"
    pricing = {
        key: _plain(Decimal(price) * factor)
        for key, price in model["pricing"].items()
        if isinstance(price, str) and (factor or key in ("prompt", "completion"))
    }
    return {**model, "id": id_, "name": f"{model['name']} ({suffix})", "pricing": pricing, "links": _links(id_)}


def alias(id_: str, name: str, target: Document) -> Document:
    """The moving alias `id_` (`~author/name-latest`) as it reads while it points to `target`."""
    return {
        **target,
        "id": id_,
        "canonical_slug": id_,
        "name": name,
        "description": f"Always the newest of its line; today {target['name']}.",
        "alias_target": {"slug": target["id"], "name": target["name"]},
        "links": _links(id_),
    }


def _document(row: dict[str, str]) -> Document:
    id_, context = row["id"], int(row["context"])
    inputs, outputs = (side.split(",") for side in row["modalities"].split(">"))
    words = row["traits"].split()
    traits = dict(word.split("=", 1) for word in words if "=" in word)
    return {
        "id": id_,
        "canonical_slug": row["canonical_slug"] or id_,
        "hugging_face_id": traits.get("hf"),
        "name": row["name"],
        "created": int(row["created"]),
        "description": row["description"],
        "context_length": context,
        "architecture": {
            "modality": f"{'+'.join(inputs)}->{'+'.join(outputs)}",
            "input_modalities": inputs,
            "output_modalities": outputs,
            "tokenizer": row["tokenizer"],
            "instruct_type": traits.get("instruct"),
        },
        "pricing": _pricing(row["prices"]) | _PRICING.get(id_, {}),
        "top_provider": {
            "context_length": context,
            "max_completion_tokens": int(row["output"]) if row["output"] else None,
            "is_moderated": "moderated" in words,
        },
        "per_request_limits": None,
        "supported_parameters": _parameters(words, outputs),
        "default_parameters": None,
        "supported_voices": None,
        "knowledge_cutoff": traits.get("cutoff"),
        "expiration_date": traits.get("expires"),
        "links": _links(id_),
        **_EXTRA.get(id_, {}),
    }


def _pricing(text: str) -> Document:
    """`"1.75 14 web_search=0.01"` as the API's decimal strings of USD per token (or image, request, search)."""
    prompt, completion, *others = text.split()
    pricing = {"prompt": _per_token(prompt), "completion": _per_token(completion)}
    for other in others:
        key, value = other.split("=")
        pricing[key] = value if key in _PER_UNIT else _per_token(value)
    return pricing


def _per_token(per_million: str) -> str:
    return per_million if per_million == "-1" else _plain(Decimal(per_million).scaleb(-6))


def _plain(price: Decimal) -> str:
    return format(price.normalize(), "f")


def _parameters(traits: list[str], outputs: list[str]) -> list[str]:
    if outputs == ["embeddings"]:
        return []
    parameters = ["max_tokens", "temperature", "top_p", "stop", "seed"]
    if "reasoning" in traits:
        parameters += ["reasoning", "include_reasoning"]
    if "tools" in traits:
        parameters += ["tools", "tool_choice"]
    if "structured" in traits:
        parameters += ["structured_outputs", "response_format"]
    return parameters


def _links(id_: str) -> Document:
    return {"details": f"/api/v1/models/{id_}/endpoints"}
