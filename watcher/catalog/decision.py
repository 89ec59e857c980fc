"""What is remembered between two polls, and what is decided at one. Values only: nothing here acts."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Literal

from msgspec import Struct

from watcher.catalog.feed import FeedModel
from watcher.catalog.health import Health
from watcher.catalog.model import Event
from watcher.catalog.reading import Snapshot
from watcher.catalog.state import ModelState, ModelStates

Outcome = Literal["good", "refused", "failed", "overtaken"]

ChannelPrices = Mapping[tuple[str, str], Mapping[str, str]]
"""(channel, model) → price key → the price that the channel was last told, where its `min_change` hid later ones."""


class SourceState(Struct, frozen=True):
    """What is remembered of the list or the feed."""

    query: str = ""
    """Address and parameters that the baseline holds for; empty before the first good poll."""
    policy: str = ""
    """Fingerprint of the policy that `next_due` was worked out with."""
    digest: bytes = b""
    """Of the last body that was judged."""
    models: int = 0
    """Entries in that body."""
    next_due: datetime | None = None
    """When that same body would make something due."""
    health: Health = Health()


class Heartbeat(Struct, frozen=True):
    """How far a channel's heartbeats have come."""

    seen_to: datetime
    """Every time for one up to here has been seen to."""
    since: datetime
    """From when the next one counts the changes."""


class Queued(Struct, frozen=True):
    """An event for a channel, to be sent when it is `due`."""

    channel: str
    event: Event
    due: datetime
    reworded: bool = False
    """Whether the channel is told other old prices than the event says."""


class Known(Struct, frozen=True):
    """What is remembered before a poll."""

    list: SourceState = SourceState()
    feed: SourceState = SourceState()
    last_good: datetime | None = None
    """The time of the last poll that was believed (UTC)."""
    last_poll: datetime | None = None
    """The time of the last poll of all."""
    overtaken: bool = False
    """Whether a poll that asked the source later than this one is stored already."""
    states: ModelStates = {}
    """Every model known, by id; left out where nothing has to be judged."""
    prices: ChannelPrices = {}
    heartbeats: Mapping[str, Heartbeat] = {}
    """How far the heartbeats of each channel have come."""
    heartbeats_waiting: Collection[str] = ()
    """Channels for which one waits to be sent."""
    changes: Mapping[str, int] = {}
    """Channel → changes of models announced since its last heartbeat, for those that are due."""
    last_pruned: datetime | None = None
    """When the database was last rid of what is too old."""
    version: int = 0
    """What tells this moment of the database from a later one."""


class Fetched(Struct, frozen=True):
    """What the source said, or why it could not be understood."""

    snapshot: Snapshot | None = None
    """None: the list could not be read, for the reason in `error`."""
    error: str | None = None
    digest: bytes = b""
    """Of the list's body."""
    count: int | None = None
    """The API's own count of models, where it was asked."""
    fresh: bool = True
    """Whether the answer is younger than the last poll; one that a cache had by then is no second look."""
    feed: tuple[FeedModel, ...] | None = None
    """None: there is no feed, or none that is not known."""
    feed_whole: bool = True
    """Whether the feed was not cut off."""
    feed_digest: bytes = b""
    feed_error: str | None = None


class Decision(Struct, frozen=True):
    """What follows from one poll."""

    outcome: Outcome
    list: SourceState = SourceState()
    feed: SourceState = SourceState()
    reason: str | None = None
    """Why the poll is not good."""
    states: dict[str, ModelState] = {}
    """The models that are not as before."""
    events: tuple[Event, ...] = ()
    """Most important first, without heartbeats."""
    problems: tuple[str, ...] = ()
    """A sentence about each thing in the list that cannot be read, and could be before."""
    feed_error: str | None = None
    """Why the feed could not be used."""
    baseline: bool = False
    """Whether this showed how things are, which is no news."""
    deliveries: tuple[Queued, ...] = ()
    prices: ChannelPrices = {}
    """Those that are not as before; an empty one is forgotten."""
    heartbeats: Mapping[str, Heartbeat] = {}
    """Those that are not as before."""
