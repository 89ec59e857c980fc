"""Made-up events to try a channel with, marked as a test: one of every kind, and a second change of price."""

from datetime import UTC, datetime
from typing import Any

from watcher.catalog.model import Alternative, Event, FieldChange, Kind, Offer, PriceChange, Provider

_AT = datetime(2026, 1, 4, 20, 13, 29, tzinfo=UTC)
_SINCE = datetime(2026, 1, 4, 17, 13, 29, tzinfo=UTC)
_ID = "test-"
_MARK = "This is a test: none of this has happened."
_OFFER = Offer(context_length=200_000, prices={"prompt": "0.0000025", "completion": "0.000015"})
_FREE = Offer(context_length=131_072, prices={"prompt": "0", "completion": "0"})
_EXPIRING = Offer(context_length=128_000, expiration_date="2026-01-18")
_LARGE = Offer(
    context_length=1_000_000,
    max_completion_tokens=64_000,
    input_modalities=("image", "text"),
    output_modalities=("text",),
    supported_parameters=("reasoning", "tools"),
    prices={"prompt": "0.000003", "completion": "0.000015", "input_cache_read": "0.0000003"},
)
_ALTERNATIVE = Alternative("example/test-1", "Example: Test 1", "variant")
_CHEAPER = {"prompt": PriceChange("0.000003", "0.0000025", "-16.67%")}
_DEARER = {"completion": PriceChange("0", "0.000001"), "web_search": PriceChange("0.004", "0.005", "+25.00%")}
_PROVIDER = Provider("Example Cloud", "example-cloud/fp8", "fp8")
_DATE = {"expiration_date": FieldChange(None, "2026-01-18")}
_TARGET = {"alias_target": FieldChange("example/test-5-january", "example/test-5-february")}
_FIELDS = {
    "context_length": FieldChange(128_000, 200_000),
    "supported_parameters": FieldChange(["seed", "tools"], ["reasoning", "tools"]),
}


def is_sample(event: Event) -> bool:
    """Whether the event is made up; real ones have ids of hexadecimal digits."""
    return event.id.startswith(_ID)


def sample_events() -> tuple[Event, ...]:
    """Return events about models that do not exist."""
    return (
        _event("expired", 1, ":free", offer=_FREE, alternatives=(_ALTERNATIVE,)),
        _event("expiring", 2, days_left=14, fields=_DATE, offer=_EXPIRING),
        _event("repriced", 3, direction="down", prices=_CHEAPER, offer=_OFFER),
        _event("repriced", 4, direction="up", marks=("became_paid",), prices=_DEARER),
        _event("retargeted", 5, fields=_TARGET),
        _event("new", 6, offer=_LARGE),
        _event("returned", 7, offer=_OFFER),
        _event("changed", 8, fields=_FIELDS),
        _event("provider_gone", 9, provider=_PROVIDER),
        _event("provider_repriced", 10, provider=_PROVIDER, direction="down", prices=_CHEAPER, offer=_OFFER),
        _event("provider_added", 11, provider=_PROVIDER, offer=_OFFER),
        Event(f"{_ID}undelivered", "undelivered", None, "another channel", _AT, _SINCE, detail=_MARK),
        *(
            Event(f"{_ID}{kind}", kind, None, "OpenRouter", _AT, _SINCE, detail=_MARK)
            for kind in ("catalog_suspect", "source_failing", "source_recovered", "alive")
        ),
    )


def _event(kind: Kind, number: int, variant: str = "", **more: Any) -> Event:
    model = f"example/test-{number}{variant}"
    name = f"Example: Test {number}" + (f" ({variant[1:]})" if variant else "")
    url = f"https://openrouter.ai/{model}"
    return Event(f"{_ID}{kind}-{number}", kind, model, name, _AT, _SINCE, url=url, detail=_MARK, **more)
