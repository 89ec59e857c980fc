"""Which price of a model that is priced by time of day or day of the week is in force at a moment."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_WINDOW = frozenset({"utc_start", "utc_end"})
_TIME = _WINDOW | {"utc_days"}
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
"""As `utc_days` names them, in the order of `datetime.weekday()`."""

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
    """Return `pricing` with the prices that hold at `now` at the top level.

    An entry of `overrides` may have a window (`utc_start` and `utc_end` in HHMM, the end exclusive, may wrap past
    midnight), weekdays (`utc_days`), or both: then it holds in that window of those UTC days. Later entries win per
    key; a key that no entry gives keeps the base price. An entry with another condition (`min_prompt_tokens`, an
    unknown one) does not depend on time and is skipped. Without an entry that holds, `pricing` itself is returned.
    """
    overrides = pricing.get("overrides")
    if not isinstance(overrides, list):
        return pricing
    utc = now.astimezone(UTC)
    current: dict[str, Any] = {}
    for entry in overrides:
        if isinstance(entry, Mapping) and _holds(entry, utc):
            current.update((key, price) for key, price in entry.items() if key in _PRICES)
    return {**pricing, **current} if current else pricing


def _holds(entry: Mapping[str, Any], utc: datetime) -> bool:
    conditions = entry.keys() - _PRICES
    if not conditions or not conditions <= _TIME:
        return False
    if "utc_days" in conditions and not _on_day(entry["utc_days"], _DAYS[utc.weekday()]):
        return False
    if conditions.isdisjoint(_WINDOW):
        return True
    start, end = _minute(entry.get("utc_start")), _minute(entry.get("utc_end"))
    if start is None or end is None:
        return False
    minute = utc.hour * 60 + utc.minute
    if start < end:
        return start <= minute < end
    return minute >= start or minute < end


def _on_day(days: object, today: str) -> bool:
    return isinstance(days, list) and today in days and all(day in _DAYS for day in days)


def _minute(hhmm: object) -> int | None:
    """Minutes since midnight UTC, or None for what is no time. 2400 is midnight at the end of the day."""
    if not isinstance(hhmm, int) or not 0 <= hhmm <= 2400 or hhmm % 100 > 59:
        return None
    return hhmm // 100 * 60 + hhmm % 100
