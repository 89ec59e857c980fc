"""The record of polls, and what else the store knows without a database library."""

from datetime import datetime, timedelta

from msgspec import Struct

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007")
"""The versions of the schema, oldest first: the files in `migrations/`."""

SLACK = timedelta(minutes=5)
"""Clocks differ by less. What lies further in the future was written by a wrong clock."""
LONGEST_WAIT = timedelta(days=9)
"""No delivery is put off for longer: a weekly digest, and the quiet hours after it."""


class Poll(Struct, frozen=True):
    """One row of the record of polls."""

    at: datetime
    outcome: str
    milliseconds: int
    models: int | None = None
    events: int = 0
    reason: str | None = None
    feed: str | None = None
    not_before: datetime | None = None
    """When the source may be asked again, if it said so: sooner, it would give the same answer or none."""


def maintenance_due(last_pruned: datetime | None, now: datetime) -> bool:
    """Whether the database is to be checked and pruned: once a day, and after the clock was set back."""
    return last_pruned is None or not timedelta(0) <= now - last_pruned < timedelta(days=1)
