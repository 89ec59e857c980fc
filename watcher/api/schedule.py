"""The price in force at a moment, of a model that is priced by time of day or day of the week."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_WINDOW = frozenset({"utc_start", "utc_end"})
_TIME = _WINDOW | {"utc_days"}
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
"""The names in `utc_days`, in the order of `datetime.weekday()`."""

_PRICES = frozenset(
    {"prompt", "completion", "request", "image", "image_output", "image_token", "audio", "audio_output"}
    | {"input_audio_cache", "web_search", "internal_reasoning"}
    | {"input_cache_read", "input_cache_write", "input_cache_write_1h"}
)
"""The keys that an override may set. Any other key is a condition."""


def in_force(pricing: Mapping[str, Any], now: datetime) -> Mapping[str, Any]:
    """Return `pricing` with the prices that hold at `now` at the top level.

    An entry of `overrides` may have a window (`utc_start` and `utc_end` in HHMM, the end exclusive, past midnight if it
    is the smaller one), UTC weekdays (`utc_days`), or both. Of several that hold, the last one wins for each key; a key
    without one keeps the base price. An entry with any other condition, such as `min_prompt_tokens`, is skipped.
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
    """Return the minutes since midnight, None if it is not a time. 2400 is midnight at the end of the day."""
    if not isinstance(hhmm, int) or not 0 <= hhmm <= 2400 or hhmm % 100 > 59:
        return None
    return hhmm // 100 * 60 + hhmm % 100
