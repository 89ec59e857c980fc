"""What is remembered of sources and polls."""

from datetime import datetime

from msgspec import Struct

from watcher.catalog.health import Health
from watcher.catalog.model import Event


class Source(Struct, frozen=True):
    """What is remembered of the list or the feed."""

    query: str
    """Address and parameters that the baseline holds for."""
    policy: str
    """Fingerprint of the policy that `next_due` was worked out with."""
    digest: bytes
    """Of the last body that was judged."""
    models: int = 0
    """Entries in that body."""
    next_due: datetime | None = None
    """When that same body would make something due."""
    health: Health = Health()


class Queued(Struct, frozen=True):
    """An event for a channel, to be sent when it is `due`."""

    channel: str
    event: Event
    due: datetime
    reworded: bool = False
    """Whether the channel is told other old prices than the event says."""


class Heartbeat(Struct, frozen=True):
    """How far a channel's signs of life have come."""

    seen_to: datetime
    """Every time for one up to here has been seen to."""
    since: datetime
    """From when the next one counts the changes."""


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
