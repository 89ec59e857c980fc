"""Made-up events to try a channel with, marked as a test: one of every kind, and a second change of price."""

from datetime import UTC, datetime
from typing import Any

from watcher.catalog.model import Alternative, Event, FieldChange, Kind, Offer, PriceChange

_AT = datetime(2026, 1, 4, 20, 13, 29, tzinfo=UTC)
_SINCE = datetime(2026, 1, 4, 17, 13, 29, tzinfo=UTC)
_ID = "test-"
_MARK = "This is a test: none of this has happened."
_OFFER = Offer(context_length=200_000, prices={"prompt": "0.0000025", "completion": "0.000015"})


def is_sample(event: Event) -> bool:
    """Whether the event is made up; real ones have ids of hexadecimal digits."""
    return event.id.startswith(_ID)


def sample_events() -> tuple[Event, ...]:
    """Return events about models that do not exist."""
    return (
        _event(
            "expired",
            1,
            variant="free",
            offer=Offer(context_length=131_072, prices={"prompt": "0", "completion": "0"}),
            alternatives=(Alternative("example/test-1", "Example: Test 1", "variant"),),
        ),
        _event(
            "expiring",
            2,
            days_left=14,
            fields={"expiration_date": FieldChange(None, "2026-01-18")},
            offer=Offer(context_length=128_000, expiration_date="2026-01-18"),
        ),
        _event(
            "repriced",
            3,
            direction="down",
            prices={"prompt": PriceChange("0.000003", "0.0000025", "-16.67%")},
            offer=_OFFER,
        ),
        _event(
            "repriced",
            4,
            direction="up",
            marks=("became_paid",),
            prices={"completion": PriceChange("0", "0.000001"), "web_search": PriceChange("0.004", "0.005", "+25.00%")},
        ),
        _event(
            "retargeted", 5, fields={"alias_target": FieldChange("example/test-5-january", "example/test-5-february")}
        ),
        _event(
            "new",
            6,
            offer=Offer(
                context_length=1_000_000,
                max_completion_tokens=64_000,
                input_modalities=("image", "text"),
                output_modalities=("text",),
                supported_parameters=("reasoning", "tools"),
                prices={"prompt": "0.000003", "completion": "0.000015", "input_cache_read": "0.0000003"},
            ),
        ),
        _event("returned", 7, offer=_OFFER),
        _event(
            "changed",
            8,
            fields={
                "context_length": FieldChange(128_000, 200_000),
                "supported_parameters": FieldChange(["seed", "tools"], ["reasoning", "tools"]),
            },
        ),
        _event("undelivered", name="another channel"),
        _event("catalog_suspect"),
        _event("source_failing"),
        _event("source_recovered"),
        _event("alive"),
    )


def _event(kind: Kind, number: int | None = None, variant: str = "", name: str = "OpenRouter", **more: Any) -> Event:
    if number is None:
        return Event(f"{_ID}{kind}", kind, None, name, _AT, _SINCE, detail=_MARK)
    model, name = f"example/test-{number}", f"Example: Test {number}"
    if variant:
        model, name = f"{model}:{variant}", f"{name} ({variant})"
    url = f"https://openrouter.ai/{model}"
    return Event(f"{_ID}{kind}-{number}", kind, model, name, _AT, _SINCE, url=url, detail=_MARK, **more)
