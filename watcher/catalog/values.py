"""Readers for the values of a model's document whose type the API promises.

A reader gets the value and the time of the poll (UTC). It returns the normal form, or None where the value means the
same as absent, and raises ValueError where the value is not what the API promises.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from hashlib import blake2b
from typing import Any

from watcher.catalog import price

FARTHEST_YEARS = 10
"""An expiration date further ahead means none: the API has written 2098-12-31 and 9999-01-01 for it."""

LATEST_YEARS = 2
"""An expiration date longer ago is a mistake (1970-01-01, say), because the model is still listed."""


def clean(text: str) -> str:
    """Return the text stripped, without NUL characters, which databases refuse."""
    return text.replace("\0", "").strip()


def whole(value: object) -> int | None:
    """Return a whole number that is not negative, however it is written; None for anything else."""
    if isinstance(value, str) and len(value) < 20 and value.strip().isascii() and value.strip().isdigit():
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**15 else None


def _text(value: object, _now: datetime) -> str:
    if isinstance(value, str | int) and not isinstance(value, bool) and (text := clean(str(value))):
        return text
    raise ValueError("not a text")


def _optional_text(value: object, now: datetime) -> str | None:
    return None if isinstance(value, str) and not clean(value) else _text(value, now)


def _description(value: object, _now: datetime) -> str | None:
    """Read a text as a digest, enough to see that it changed."""
    text = clean(str(value))
    return blake2b(text.encode(), digest_size=8).hexdigest() if text else None


def _whole(value: object, _now: datetime) -> int:
    if (number := whole(value)) is None:
        raise ValueError("not a whole number")
    return number


def _flag(value: object, _now: datetime) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("neither true nor false")


def _names(value: object, now: datetime) -> list[str]:
    """Read a list that is a set."""
    if isinstance(value, list):
        return sorted({_text(name, now) for name in value})
    raise ValueError("not a list")


def _day(value: object, _now: datetime) -> str:
    return date.fromisoformat(str(value).strip()[:10]).isoformat()


def _period(value: object, now: datetime) -> str:
    """Read a year, a month or a day."""
    text = str(value).strip()[:10]
    return _day(text + "-01-01"[len(text) - 4 :], now)[: len(text)]


def _end(value: object, now: datetime) -> str | None:
    day = _day(value, now)
    if int(day[:4]) < now.year - LATEST_YEARS:
        raise ValueError("too long ago")
    return None if int(day[:4]) > now.year + FARTHEST_YEARS else day


def _fraction(value: object, _now: datetime) -> str | None:
    fraction = price.canonical(value)
    return None if fraction in (price.FREE, price.VARIES) else fraction


READERS: Mapping[str, Callable[[Any, datetime], Any]] = {
    "name": _text,
    "canonical_slug": _text,
    "alias_target.slug": _text,
    "hugging_face_id": _optional_text,
    "description": _description,
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
    # Of endpoints alone:
    "provider_name": _optional_text,
    "quantization": _optional_text,
    "max_completion_tokens": _whole,
}
"""The reader for each path with a promised type."""
