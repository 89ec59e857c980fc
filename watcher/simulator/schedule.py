"""Which price of a time-of-day model is in force at a moment."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_WINDOW = frozenset({"utc_start", "utc_end"})

_PRICES = frozenset(
    [
        "prompt",
        "completion",
        "request",
        "image",
        "image_output",
        "image_token",
        "audio",
        "audio_output",
        "input_audio_cache",
        "web_search",
        "internal_reasoning",
        "input_cache_read",
        "input_cache_write",
        "input_cache_write_1h",
    ]
)
"""What an override may set; any other key of it is a condition."""


def in_force(pricing: Mapping[str, Any], now: datetime) -> Mapping[str, Any]:
    """`pricing` with the prices of the time-of-day window that `now` falls in at the top level.

    Windows are `utc_start` and `utc_end` in HHMM, the end exclusive, and may wrap past midnight. Later entries win per
    key, a key that no entry gives keeps the base price. Entries with another condition (`min_prompt_tokens`, or one we
    do not know) are no matter of time and are passed over. Without a schedule `pricing` itself is returned.
    """
    overrides = pricing.get("overrides")
    if not isinstance(overrides, list):
        return pricing
    utc = now.astimezone(UTC)
    minute = utc.hour * 60 + utc.minute
    current: dict[str, Any] = {}
    for entry in overrides:
        if isinstance(entry, Mapping) and _holds(entry, minute):
            current.update((key, price) for key, price in entry.items() if key in _PRICES)
    return {**pricing, **current} if current else pricing


def _holds(entry: Mapping[str, Any], minute: int) -> bool:
    if entry.keys() - _PRICES != _WINDOW:
        return False
    start, end = _minute(entry["utc_start"]), _minute(entry["utc_end"])
    if start is None or end is None:
        return False
    if start < end:
        return start <= minute < end
    return minute >= start or minute < end


def _minute(hhmm: object) -> int | None:
    """Minutes since midnight UTC, or None for what is no time. 2400 is midnight at the end of the day."""
    if not isinstance(hhmm, int) or not 0 <= hhmm <= 2400 or hhmm % 100 > 59:
        return None
    return hhmm // 100 * 60 + hhmm % 100
