"""The values of a model's document as the API promises them, however they are spelled."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from watcher.catalog import price
from watcher.catalog.pricing import whole

FARTHEST_YEARS = 10
"""An expiration date further ahead means none: the API has written 2098-12-31 and 9999-01-01 for it."""


LATEST_YEARS = 2
"""A model that is there was not to go longer ago: such a date is a mistake, as 1970-01-01 is."""


class UnreadableValueError(ValueError):
    """A value is not what the API promises there."""


def clean(text: str) -> str:
    """Return the text without NUL, which databases refuse."""
    return text.replace("\0", "").strip()


def _text(value: object, _now: datetime) -> str:
    if isinstance(value, str | int) and not isinstance(value, bool) and (text := clean(str(value))):
        return text
    raise UnreadableValueError


def _optional_text(value: object, now: datetime) -> str | None:
    return None if isinstance(value, str) and not clean(value) else _text(value, now)


def _whole(value: object, _now: datetime) -> int:
    if (number := whole(value)) is None:
        raise UnreadableValueError
    return number


def _flag(value: object, _now: datetime) -> bool:
    if isinstance(value, bool):
        return value
    raise UnreadableValueError


def _names(value: object, now: datetime) -> list[str]:
    if isinstance(value, list):
        return sorted({_text(name, now) for name in value})
    raise UnreadableValueError


def _day(value: object, _now: datetime) -> str:
    try:
        return date.fromisoformat(str(value).strip()[:10]).isoformat()
    except ValueError:
        raise UnreadableValueError from None


def _period(value: object, now: datetime) -> str:
    """Return a year, a month or a day."""
    text = str(value).strip()[:10]
    return _day(text + "-01-01"[len(text) - 4 :], now)[: len(text)]


def _end(value: object, now: datetime) -> str | None:
    day = _day(value, now)
    if int(day[:4]) < now.year - LATEST_YEARS:
        raise UnreadableValueError
    return None if int(day[:4]) > now.year + FARTHEST_YEARS else day


def _fraction(value: object, _now: datetime) -> str | None:
    try:
        fraction = price.canonical(value)
    except ValueError:
        raise UnreadableValueError from None
    return fraction if fraction not in (price.FREE, price.VARIES) else None


READERS: Mapping[str, Callable[[Any, datetime], Any]] = {
    "name": _text,
    "canonical_slug": _text,
    "alias_target.slug": _text,
    "hugging_face_id": _optional_text,
    "context_length": _whole,
    "top_provider.context_length": _whole,
    "top_provider.max_completion_tokens": _whole,
    "top_provider.is_moderated": _flag,
    "architecture.input_modalities": _names,
    "architecture.output_modalities": _names,
    "supported_parameters": _names,
    "supported_voices": _names,
    "expiration_date": _end,
    "knowledge_cutoff": _period,
    "discount": _fraction,
}
"""For each path with a promised type: what returns the value in normal form, or None where that means absent.

It gets the time of the poll (UTC) as well, and raises UnreadableValueError.
"""
