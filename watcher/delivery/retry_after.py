"""How long a service wants us to wait."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isnan
from typing import Any

LONGEST_PAUSE = 86_400.0
"""Seconds that a service can ask for: more would outlast the alert."""


def requested_pause(headers: Mapping[str, str], body: Any, now: datetime) -> float | None:
    """Return the seconds that an answer asks for, between 0 and `LONGEST_PAUSE`, or None.

    The header is RFC 9110's, a number of seconds or a date; `body` is the answer's JSON, in which Telegram
    (`parameters.retry_after`), Discord (`retry_after`) and Matrix (`retry_after_ms`) say it. The longest counts.
    """
    fields = body if isinstance(body, dict) else {}
    parameters = fields.get("parameters")
    milliseconds = _seconds(fields.get("retry_after_ms"))
    requests = (
        _from_header(headers.get("Retry-After"), now),
        _seconds(parameters.get("retry_after")) if isinstance(parameters, dict) else None,
        _seconds(fields.get("retry_after")),
        None if milliseconds is None else milliseconds / 1000,
    )
    known = [seconds for seconds in requests if seconds is not None]
    return min(max(0.0, *known), LONGEST_PAUSE) if known else None


def _from_header(value: str | None, now: datetime) -> float | None:
    seconds = _seconds(value)
    if value is None or seconds is not None:
        return seconds
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError, TypeError):
        return None
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds()


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return None if isnan(seconds) else min(seconds, LONGEST_PAUSE * 1000)
