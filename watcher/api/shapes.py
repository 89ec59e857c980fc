"""The shapes in which the API shows a model: today's document, its endpoint, its entry in other lists.

The official SDK defines which fields are required. What a document does not tell is null, empty or false.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from watcher.api.selection import provider, value

_ARCHITECTURE: Mapping[str, Any] = {
    "modality": None,
    "input_modalities": [],
    "output_modalities": [],
    "tokenizer": None,
    "instruct_type": None,
}
_VARIES = "-1"


def completed(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document with every field that today's schema requires; the fields that it has stay as they are.

    Documents of 2025 lack `links` and `supported_voices`. A price that is a number becomes a decimal string, and a
    price of tokens that is missing is `-1`, as for a model whose price varies.
    """
    slug = model.get("canonical_slug") or model.get("id")
    required: dict[str, Any] = {
        "canonical_slug": slug,
        "name": model.get("id"),
        "created": 0,
        "description": "",
        "supported_parameters": [],
        "links": {"details": f"/api/v1/models/{slug}/endpoints"},
    }
    nullable = dict.fromkeys(("context_length", "per_request_limits", "default_parameters", "supported_voices"))
    parts = {
        "architecture": _with_defaults(_ARCHITECTURE, model.get("architecture")),
        "top_provider": _with_defaults({"is_moderated": False}, model.get("top_provider")),
        "pricing": _prices(model.get("pricing")),
    }
    return {**_with_defaults({**required, **nullable}, model), **parts}


def _with_defaults(defaults: Mapping[str, Any], found: object) -> dict[str, Any]:
    if not isinstance(found, Mapping):
        return dict(defaults)
    return {**found, **{key: default for key, default in defaults.items() if found.get(key) is None}}


def _prices(pricing: object) -> dict[str, Any]:
    found = pricing if isinstance(pricing, Mapping) else {}
    prices = {key: price for key, price in found.items() if price is not None}
    for key, price in prices.items():
        if key not in ("discount", "overrides") and not isinstance(price, str):
            prices[key] = str(price)
    return {**dict.fromkeys(("prompt", "completion"), _VARIES), **prices}


def with_endpoints(model: Mapping[str, Any], recorded: Sequence[Mapping[str, Any]] | None) -> dict[str, Any]:
    """Return a model with the recorded endpoints, or else with the one that its document describes.

    That is the endpoint of today's top provider.
    """
    model = completed(model)
    host, parameters = provider(model), model["supported_parameters"]
    chooses = isinstance(parameters, list) and "tool_choice" in parameters
    endpoint = {
        "name": f"{host} | {model['id']}",
        "model_id": model["canonical_slug"],
        "model_name": model["name"],
        "provider_name": host,
        "tag": _slug(host),
        "context_length": value(model, "top_provider", "context_length") or model["context_length"] or 0,
        "max_completion_tokens": value(model, "top_provider", "max_completion_tokens"),
        "max_prompt_tokens": None,
        "pricing": model["pricing"],
        "quantization": "unknown",
        "status": 0,
        "supported_parameters": parameters,
        "native_tools": {},
        "service_tier": None,
        "supports_tool_choice": dict.fromkeys(("auto", "function", "none", "required"), chooses),
        "supports_diarization": False,
        "supports_implicit_caching": False,
        **dict.fromkeys(("uptime_last_5m", "uptime_last_30m", "uptime_last_1d")),
        **dict.fromkeys(("latency_last_30m", "throughput_last_30m")),
    }
    facts = {key: model[key] for key in ("id", "name", "created", "description", "architecture")}
    if recorded is None:
        return {**facts, "endpoints": [endpoint]}
    unknown = endpoint | dict.fromkeys(("max_completion_tokens", "max_prompt_tokens"))
    return {**facts, "endpoints": [{**unknown, **_named(model, each)} for each in recorded]}


def _named(model: Mapping[str, Any], endpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Return an endpoint with a name, and with prices as strings."""
    host = endpoint.get("provider_name") or endpoint.get("tag") or "unknown"
    stated = {key: value for key, value in endpoint.items() if value is not None}
    named = {"name": f"{host} | {model['id']}", "provider_name": host, "tag": _slug(str(host)), **stated}
    return {**named, "pricing": _prices(endpoint.get("pricing"))}


def as_provider(name: str) -> dict[str, Any]:
    """Return the entry of a provider in `/providers`; only its name is known."""
    unknown = ("privacy_policy_url", "terms_of_service_url", "status_page_url", "headquarters", "datacenters")
    return {"name": name, "slug": _slug(name), **dict.fromkeys(unknown)}


def as_image_model(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entry of a model in `/images/models`."""
    model = completed(model)
    return {
        **{key: model[key] for key in ("id", "name", "created", "description")},
        "architecture": {side: model["architecture"][side] for side in ("input_modalities", "output_modalities")},
        "endpoints": f"/api/v1/images/models/{model['id']}/endpoints",
        "supported_parameters": {},
        "supports_streaming": False,
    }


def as_video_model(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entry of a model in `/videos/models`."""
    model = completed(model)
    supported = ("aspect_ratios", "durations", "frame_images", "resolutions", "sizes")
    return {
        **{key: model[key] for key in ("id", "canonical_slug", "name", "created", "description")},
        "hugging_face_id": model.get("hugging_face_id"),
        "allowed_passthrough_parameters": [],
        **{f"supported_{name}": None for name in supported},
        **dict.fromkeys(("creativity", "generate_audio", "seed", "upscale_factor", "pricing_skus")),
    }


def _slug(name: str) -> str:
    return name.lower().replace(" ", "-")
