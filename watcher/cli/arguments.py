"""The types of arguments: moments such as `2026-01-04`, `yesterday` or `7d ago`, and values as in the configuration."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import click

from watcher.config.parse import WrongValueError, parse_duration

T = TypeVar("T")

_DAYS_AGO = {"today": 0, "yesterday": 1}


def argument(parse: Callable[[str], T]) -> Callable[[str], T]:
    """Return the type of an argument that `parse` reads: its WrongValueError is a mistake on the command line."""

    def read(value: str) -> T:
        try:
            return parse(value)
        except WrongValueError as error:
            raise click.BadParameter(str(error)) from None

    return read


def when(value: str) -> datetime:
    """Return the moment in UTC; a time without a zone is UTC, too. Raises click.BadParameter.

    A day, a month or a year is its first moment.
    """
    word = value.strip().lower()
    if word in _DAYS_AGO:
        word = f"{datetime.now(UTC) - timedelta(days=_DAYS_AGO[word]):%Y-%m-%d}"
    elif re.fullmatch(r"\d{4}(-\d\d)?", word):
        word += "-01-01"[len(word) - 4 :]
    try:
        moment = datetime.fromisoformat(word.upper())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    try:
        return datetime.now(UTC) - parse_duration(word.removesuffix("ago").rstrip())
    except (WrongValueError, OverflowError):
        text = f"{value!r} is neither a date such as 2026-01-04, yesterday or 2026-01, nor a time ago such as 36h or 7d"
        raise click.BadParameter(text) from None
