"""Prices in the shape of LiteLLM's `model_prices_and_context_window.json`."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from watcher.catalog import price
from watcher.catalog.pricing import TOKEN_PRICES
from watcher.export.periods import Exported, Known, as_json, is_number, left_out, split

_FIELDS = {
    "prompt": "input_cost_per_token",
    "completion": "output_cost_per_token",
    "request": "input_cost_per_request",
    "image": "input_cost_per_image",
    "image_token": "input_cost_per_image_token",
    "audio": "input_cost_per_audio_token",
    "audio_output": "output_cost_per_audio_token",
    "internal_reasoning": "output_cost_per_reasoning_token",
    "input_cache_read": "cache_read_input_token_cost",
    "input_cache_write": "cache_creation_input_token_cost",
    "input_cache_write_1h": "cache_creation_input_token_cost_above_1hr",
}
_WITH_TIERS = frozenset({"prompt", "completion", "input_cache_read", "input_cache_write"})
_MODES = {
    ("embeddings",): "embedding",
    ("image",): "image_generation",
    ("video",): "video_generation",
    ("rerank",): "rerank",
    ("speech",): "audio_speech",
    ("transcription",): "audio_transcription",
}
_SUPPORTS = {
    "tools": "supports_function_calling",
    "tool_choice": "supports_tool_choice",
    "structured_outputs": "supports_response_schema",
    "reasoning": "supports_reasoning",
}
_ACCEPTS = {
    "image": "supports_vision",
    "audio": "supports_audio_input",
    "video": "supports_video_input",
    "file": "supports_pdf_input",
}


def export(models: Sequence[Known], _at: datetime | None) -> Exported:
    """Return an entry for each model with its last price; one that is gone has a `deprecation_date`.

    What the format has no field for is said in the entry's `metadata.notes`.
    """
    remarks = left_out(models)
    entries: dict[str, Any] = {}
    for model in models:
        last = model.periods[-1].prices
        if not all(is_number(price.usual(last.get(key, price.UNKNOWN))) for key in TOKEN_PRICES):
            continue
        entry, notes = _entry(model)
        if notes:
            entry["metadata"] = {"notes": "; ".join(notes)}
            remarks.append(f"{model.id}: {'; '.join(notes)}")
        entries[f"openrouter/{model.id}"] = entry
    return as_json(entries, remarks, indent=4)


def _entry(model: Known) -> tuple[dict[str, Any], list[str]]:
    facets, last = model.facets, model.periods[-1]
    outputs = tuple(facets.get("architecture.output_modalities", ()))
    context, most = facets.get("context_length"), facets.get("top_provider.max_completion_tokens")
    flags = [_SUPPORTS.get(name) for name in facets.get("supported_parameters", ())]
    flags += [_ACCEPTS.get(name) for name in facets.get("architecture.input_modalities", ())]
    limits = {
        "max_tokens": most or context,
        "max_input_tokens": context,
        "max_output_tokens": most,
        "deprecation_date": facets.get("expiration_date") if last.end is None else f"{last.end:%Y-%m-%d}",
    }
    entry = {
        "litellm_provider": "openrouter",
        "mode": _MODES.get(outputs, "chat"),
        **{field: value for field, value in limits.items() if value is not None},
        **dict.fromkeys(filter(None, flags), True),
    }
    notes = [] if last.end is None else [f"not listed any more since {last.end:%Y-%m-%dT%H:%M:%SZ}"]
    for key, window, value in split(last.prices):
        if not is_number(value):
            continue
        field = _field(key) if window is None else None
        if field is not None:
            entry[field] = Decimal(value)
        elif key == "web_search" and window is None:
            entry["search_context_cost_per_query"] = {
                f"search_context_size_{size}": Decimal(value) for size in ("low", "medium", "high")
            }
        else:
            notes.append(f"{key} {window or ''}".strip() + f" costs {value} USD")
    return entry, notes


def _field(key: str) -> str | None:
    """Return the field of a price, that of a tier by its thousands of tokens."""
    name, _, tier = key.partition("@")
    field, tokens = _FIELDS.get(name), int(tier.rstrip("+") or 0)
    if field is None or not tokens:
        return field
    return f"{field}_above_{tokens // 1000}k_tokens" if name in _WITH_TIERS and not tokens % 1000 else None
