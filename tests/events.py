"""One event of each kind, as the catalogue's core makes them: what the tests and the golden files tell."""

from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from watcher.catalog.model import Alternative, Event, FieldChange, Kind, Offer, PriceChange, Provider

AT = datetime(2026, 1, 4, 20, 13, 29, tzinfo=UTC)
SINCE = datetime(2026, 1, 4, 17, 13, 29, tzinfo=UTC)


def event(kind: Kind, model: str | None = "openai/gpt-4o", name: str = "OpenAI: GPT-4o", **more: Any) -> Event:
    """Return an event with what a test does not care about filled in."""
    url = f"https://openrouter.ai/{model}" if model else None
    number = sum(map(ord, f"{kind}{model}"))
    return replace(Event(f"{number:08x}-{kind}", kind, model, name, AT, SINCE, url=url), **more)


def repriced(**prices: tuple[str, str, str | None]) -> Event:
    """Return a `repriced` event from key=(old, new, change)."""
    return event("repriced", prices={key: PriceChange(*values) for key, values in prices.items()})


NEW = event(
    "new",
    "anthropic/claude-sonnet-4.5",
    "Anthropic: Claude Sonnet 4.5",
    offer=Offer(
        context_length=1_000_000,
        max_completion_tokens=64_000,
        input_modalities=("image", "text"),
        output_modalities=("text",),
        prices={
            "prompt": "0.000003",
            "completion": "0.000015",
            "prompt@200000+": "0.000006",
            "completion@200000+": "0.0000225",
            "input_cache_read": "0.0000003",
            "web_search": "0.01",
        },
    ),
)
NEW_UNLISTED = event("new", "z-ai/glm-5", "Z.AI: GLM 5", marks=("unlisted",))
EXPIRED = event(
    "expired",
    "deepseek/deepseek-r1-0528",
    "DeepSeek: R1 0528",
    offer=Offer(context_length=163_840, prices={"prompt": "0.00000028", "completion": "0.0000011"}),
    alternatives=(
        Alternative("deepseek/deepseek-r1-0528:free", "DeepSeek: R1 0528 (free)", "variant"),
        Alternative("deepseek/deepseek-r1-2505", "DeepSeek: R1", "same_weights"),
    ),
)
EXPIRING = event(
    "expiring",
    "openai/gpt-4-turbo",
    "OpenAI: GPT-4 Turbo",
    days_left=14,
    fields={"expiration_date": FieldChange(None, "2026-01-18")},
    offer=Offer(context_length=128_000, expiration_date="2026-01-18"),
    alternatives=(Alternative("openai/gpt-4-turbo-preview", "OpenAI: GPT-4 Turbo Preview", "same_model"),),
)
CHEAPER = event(
    "repriced",
    direction="down",
    prices={
        "prompt": PriceChange("0.000003", "0.0000025", "-16.67%"),
        "completion": PriceChange("0.0000083333333333333", "0.000008", "-4.00%"),
    },
    offer=Offer(context_length=128_000),
)
DEARER = event(
    "repriced",
    "qwen/qwen3-max",
    "Qwen: Qwen3 Max",
    direction="mixed",
    prices={
        "prompt@16:30-00:30": PriceChange("0.0000012", "0.00000126", "+5.00%"),
        "prompt@200000+": PriceChange("0.000003", "0.0000024", "-20.00%"),
        "web_search": PriceChange("0.004", "0.005", "+25.00%"),
    },
)
FREED = event(
    "repriced",
    "mistralai/devstral-2512",
    "Mistral: Devstral 2",
    direction="down",
    marks=("became_free",),
    prices={"prompt": PriceChange("0.0000001", "0"), "completion": PriceChange("0.0000003", "0")},
)
RETARGETED = event(
    "retargeted",
    "~anthropic/claude-sonnet-latest",
    "Anthropic: Claude Sonnet Latest",
    fields={"alias_target": FieldChange("anthropic/claude-sonnet-4", "anthropic/claude-sonnet-4.5")},
    prices={"prompt": PriceChange("0.000003", "0.0000033", "+10.00%")},
)
RETURNED = event(
    "returned",
    "x-ai/grok-3-mini",
    "xAI: Grok 3 Mini",
    prices={"prompt": PriceChange("0.0000003", "0.00000025", "-16.67%")},
    offer=Offer(context_length=131_072, prices={"prompt": "0.00000025", "completion": "0.0000005"}),
)
CHANGED = event(
    "changed",
    "google/gemini-2.5-flash",
    "Google: Gemini 2.5 Flash",
    fields={
        "context_length": FieldChange(128_000, 1_048_576),
        "top_provider.is_moderated": FieldChange(True, False),
        "supported_parameters": FieldChange(["seed", "tools", "top_k"], ["reasoning", "tools", "top_k"]),
        "hugging_face_id": FieldChange(None, "google/gemini"),
    },
)
FOLDED = event(
    "changed",
    None,
    "The whole catalogue",
    url="https://openrouter.ai/models",
    fields={"hugging_face_id": FieldChange(), "per_request_limits": FieldChange(None, {"prompt_tokens": 1})},
    detail="hugging_face_id changed on 300 of 329 models; per_request_limits appeared on 329 of 329 models",
)
NOVITA = Provider("Novita", "novita/fp8", "fp8")
PROVIDER_REPRICED = event(
    "provider_repriced",
    "z-ai/glm-5.2",
    "Z.AI: GLM 5.2",
    direction="down",
    prices={
        "prompt": PriceChange("0.0000014", "0.00000133", "-5.00%"),
        "completion": PriceChange("0.0000044", "0.00000418", "-5.00%"),
    },
    provider=NOVITA,
    detail="2nd change in 14 days.",
)
PROVIDER_GONE = event(
    "provider_gone",
    "minimax/minimax-m2.5",
    "MiniMax: MiniMax M2.5",
    provider=Provider("AtlasCloud", "atlas-cloud/fp8", "fp8"),
    detail="4 other endpoints are left.",
)
PROVIDER_ADDED = event(
    "provider_added",
    "moonshotai/kimi-k2.6",
    "MoonshotAI: Kimi K2.6",
    provider=Provider("Nebius", "nebius/int4", "int4"),
    offer=Offer(context_length=262_144, prices={"prompt": "0.00000095", "completion": "0.000004"}),
)
SUSPECT = event("catalog_suspect", None, "OpenRouter", detail="120 of 329 models were gone at once.")
FAILING = event("source_failing", None, "OpenRouter", detail="3 polls in a row failed: HTTP 503.")
RECOVERED = event("source_recovered", None, "OpenRouter", detail="It was out for 42 minutes.")

ALL = (
    NEW, NEW_UNLISTED, EXPIRED, EXPIRING, CHEAPER, DEARER, FREED, RETARGETED, RETURNED, CHANGED, FOLDED, PROVIDER_GONE,
    PROVIDER_REPRICED, PROVIDER_ADDED, SUSPECT, FAILING, RECOVERED,
)  # fmt: skip
