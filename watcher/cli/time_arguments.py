"""Moments on the command line: `2026-01-04`, `2026-01-04T19:13Z`, or how long ago: `36h`, `7d`, `7d ago`."""

from datetime import UTC, datetime

import click

from watcher.config.parse import WrongValueError, parse_duration


def when(value: str) -> datetime:
    """Return the moment in UTC; a time without a zone is UTC, too. Raises click.BadParameter."""
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    try:
        return datetime.now(UTC) - parse_duration(value.removesuffix("ago").rstrip())
    except (WrongValueError, OverflowError):
        text = f"{value!r} is neither a date such as 2026-01-04 nor a time ago such as 36h or 7d"
        raise click.BadParameter(text) from None
