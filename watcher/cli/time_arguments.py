"""Moments on the command line: `2026-01-04`, `2026-01-04T19:13Z`, or how long ago: `36h`, `7d`, `7d ago`."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from watcher.cli.table import counted
from watcher.config.parse import WrongValueError, parse_duration

if TYPE_CHECKING:
    from watcher.store.session import Session


class When(click.ParamType[datetime]):
    """A moment in UTC; a time without a zone is UTC, too."""

    name = "when"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the moment. Fails with what was expected."""
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        try:
            ago: timedelta = parse_duration(value.removesuffix("ago").rstrip())
            return datetime.now(UTC) - ago
        except (WrongValueError, OverflowError):
            self.fail(f"{value!r} is neither a date such as 2026-01-04 nor a time ago such as 36h or 7d", param, ctx)


def format_time(moment: datetime) -> str:
    """Return the moment as a listing shows it."""
    return moment.strftime("%Y-%m-%d %H:%M")


def ahead(session: "Session", now: datetime) -> str | None:
    """Return a line about records that lie in the future; None if there are none."""
    from watcher.store.records import SLACK

    number, last = session.history.after(now + SLACK)
    if last is None:
        return None
    lie, were = ("lies", "it was") if number == 1 else ("lie", "they were")
    records = f"{counted(number, 'record')} {lie} in the future, up to {format_time(last)} UTC"
    return f"{records}: the clock was wrong when {were} made, or is wrong now"
