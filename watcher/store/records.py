"""The record of polls."""

from datetime import datetime

from msgspec import Struct


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
