"""The memory between two polls, and the decision at one. Plain values: nothing here acts."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Literal

from msgspec import Struct

from watcher.catalog.endpoints import Asked, Endpoints
from watcher.catalog.feed import FeedModel
from watcher.catalog.health import Health
from watcher.catalog.model import Event, Tokens
from watcher.catalog.reading import Snapshot
from watcher.catalog.state import ModelState, ModelStates

Outcome = Literal["good", "refused", "failed", "overtaken"]

ChannelPrices = Mapping[tuple[str, str], Mapping[str, str]]
"""(channel, model) → price key → the price last sent to the channel, where its `min_change` hid later ones."""


class SourceState(Struct, frozen=True):
    """What is remembered of the list or the feed."""

    query: str = ""
    """Address and parameters of the baseline; empty before the first good poll."""
    policy: str = ""
    """Fingerprint of the policy behind `next_due`."""
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
    """All times up to here are done."""
    since: datetime
    """The next one counts the changes from here."""


class Acknowledgement(Struct, frozen=True):
    """What the user knows about a model and does not want to hear again; see `rules.acknowledged`."""

    at: datetime
    until: datetime | None = None
    """When it lapses; None: it holds until it is taken back."""
    expiration_date: str | None = None
    """The end that is known; None: reminders of an end go on."""
    prices: Mapping[str, str] = {}
    """The prices that are known, by key, as in `Offer.prices`."""


class Queued(Struct, frozen=True):
    """An event for a channel, to be sent when it is `due`."""

    channel: str
    event: Event
    due: datetime
    reworded: bool = False
    """Whether its old prices are the channel's, not those of the stored event."""


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
    """Every known model by id; empty where nothing has to be judged."""
    endpoints: ModelStates = {}
    """Every known endpoint by id (see `endpoints`); empty if nobody asks for them."""
    asked: Mapping[str, Asked] = {}
    """When the endpoints of each model were asked for."""
    endpoints_not_before: datetime | None = None
    """Until when the source does not want to be asked for endpoints."""
    prices: ChannelPrices = {}
    acknowledged: Mapping[str, Acknowledgement] = {}
    """By model."""
    usage: Mapping[str, Tokens] = {}
    """By model, as it was imported."""
    heartbeats: Mapping[str, Heartbeat] = {}
    """By channel."""
    heartbeats_waiting: Collection[str] = ()
    """Channels with a heartbeat that waits to be sent."""
    changes: Mapping[str, int] = {}
    """Channel → changes of models announced since its last heartbeat, where one is due."""
    mine: frozenset[str] = frozenset()
    """Ids of models that the last whole scan of `[mine] paths` found."""
    last_pruned: datetime | None = None
    """When old rows were last deleted from the database."""
    version: int = 0
    """Tells this moment of the database from a later one."""


class Fetched(Struct, frozen=True):
    """The answer of the source, or why there is none."""

    snapshot: Snapshot | None = None
    """None: the list is unchanged, or unreadable for the reason in `error`."""
    error: str | None = None
    digest: bytes = b""
    """Of the list's body."""
    count: int | None = None
    """The API's own count of models, where it was asked."""
    fresh: bool = True
    """Whether the answer is younger than the last poll; an older one, from a cache, confirms nothing."""
    feed: tuple[FeedModel, ...] | None = None
    """None: there is no feed, or it is unchanged."""
    feed_whole: bool = True
    """Whether the feed was not cut off."""
    feed_digest: bytes = b""
    feed_error: str | None = None
    endpoints: tuple[Endpoints, ...] = ()
    """The answers about endpoints at this poll."""
    endpoints_not_before: datetime | None = None
    """As in `Known`."""


class Decision(Struct, frozen=True):
    """What follows from one poll."""

    outcome: Outcome
    list: SourceState = SourceState()
    feed: SourceState = SourceState()
    reason: str | None = None
    """Why the poll is not good."""
    states: dict[str, ModelState] = {}
    """The models whose state changed."""
    events: tuple[Event, ...] = ()
    """Most important first, without heartbeats."""
    problems: tuple[str, ...] = ()
    """A sentence about each newly unreadable part of the list."""
    feed_error: str | None = None
    """Why the feed could not be used."""
    baseline: bool = False
    """Whether this list is the first for its query, and so not news."""
    deliveries: tuple[Queued, ...] = ()
    endpoints: dict[str, ModelState] = {}
    """The endpoints whose state changed."""
    asked: dict[str, Asked] = {}
    """The models whose endpoints were asked for."""
    prices: ChannelPrices = {}
    """The changed ones; an empty mapping is to be forgotten."""
    heartbeats: Mapping[str, Heartbeat] = {}
    """The changed ones."""
