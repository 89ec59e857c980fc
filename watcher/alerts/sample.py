"""A made-up piece of news, marked as such, to see how a channel shows it."""

from datetime import UTC, datetime

from watcher.catalog.model import Alternative, Event, Offer, PriceChange

_AT = datetime(2026, 1, 4, 20, 13, 29, tzinfo=UTC)
_MARK = "This is a test: nothing of it has happened."


def sample_events() -> tuple[Event, ...]:
    """Return two events about models that do not exist."""
    return (
        Event(
            id="test-expired",
            kind="expired",
            model="example/test-1:free",
            name="Example: Test 1 (free)",
            at=_AT,
            since=_AT,
            url="https://openrouter.ai/example/test-1:free",
            offer=Offer(context_length=131072, prices={"prompt": "0", "completion": "0"}),
            alternatives=(Alternative("example/test-1", "Example: Test 1", "variant"),),
            detail=_MARK,
        ),
        Event(
            id="test-repriced",
            kind="repriced",
            model="example/test-2",
            name="Example: Test 2",
            at=_AT,
            since=_AT,
            direction="down",
            url="https://openrouter.ai/example/test-2",
            prices={"prompt": PriceChange("0.000003", "0.0000025", "-16.67%")},
            offer=Offer(context_length=200000, prices={"prompt": "0.0000025", "completion": "0.000015"}),
            detail=_MARK,
        ),
    )
