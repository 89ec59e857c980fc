"""Moments on the command line: `2026-01-04`, `2026-01-04T19:13Z`, or how long ago: `36h`, `7d`, `7d ago`."""

from datetime import UTC, datetime
from typing import Any

import click

from watcher.config.parse import WrongValueError, parse_duration


class When(click.ParamType[datetime]):
    """A moment in UTC; a time without a zone is UTC, too."""

    name = "when"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the moment, or fail with what was expected."""
        try:
            moment = datetime.fromisoformat(value)
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        try:
            return datetime.now(UTC) - parse_duration(value.removesuffix("ago").rstrip())
        except (WrongValueError, OverflowError):
            self.fail(f"{value!r} is neither a date such as 2026-01-04 nor a time ago such as 36h or 7d", param, ctx)
