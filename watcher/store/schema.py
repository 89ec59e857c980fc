"""The tables. Times are UTC; documents are compressed JSON; prices are decimal strings, as in the API."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Table, Text

from watcher.store.documents import DamagedError

metadata = sa.MetaData()

Name = Text().with_variant(Text(collation="C"), "postgresql")
"""A text that is compared and sorted byte for byte on every database."""


class Time(sa.TypeDecorator[datetime]):
    """A moment: aware, in UTC, on every database."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Refuse a time without a zone: it would silently be taken as UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Callable[[Any], datetime | None]:
        """Return the function that reads a moment. SQLite has it as text without a zone; what is no time is damage."""

        def read(value: Any) -> datetime | None:
            if value is None:
                return None
            try:
                moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
            except (ValueError, TypeError) as error:
                raise DamagedError(str(error)) from error
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)

        return read


polls = Table(
    "polls",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Time, nullable=False),
    Column("outcome", Text, nullable=False),  # good, refused, failed, overtaken
    Column("models", Integer),  # entries in the list
    Column("events", Integer, nullable=False, default=0),
    Column("milliseconds", Integer, nullable=False),
    Column("reason", Text),  # why it is not good
    Column("feed", Text),  # why the feed could not be read
    Column("not_before", Time),  # what the source says about when to ask again
    Column("imported", sa.Boolean, nullable=False, default=False),  # a recorded snapshot, not a poll of ours
    sa.Index("polls_at", "at"),
)

# What is remembered of the list and of the feed, a row each. It changes only when what they show does.
sources = Table(
    "sources",
    metadata,
    Column("name", Name, primary_key=True),  # list, feed
    Column("query", Text, nullable=False),  # the baseline holds for this address and these parameters
    Column("policy", Text, nullable=False),  # of the judgement behind next_due
    Column("digest", LargeBinary, nullable=False),  # of the last body that was judged
    Column("models", Integer, nullable=False, default=0),  # entries in that body
    Column("next_due", Time),  # when an unchanged body makes something due
    Column("health", LargeBinary, nullable=False),
)


def _observed(*more: Column[Any]) -> list[Column[Any]]:
    """Return the columns of what is observed, one row each: a model, or a provider's endpoint of one."""
    return [
        Column("id", Name, primary_key=True),
        Column("name", Text, nullable=False),
        Column("first_seen", Time, nullable=False),
        Column("last_seen", Time),  # null: the last good poll showed it
        Column("since", Time, nullable=False),  # when it was first observed as there, or as gone
        Column("present", sa.Boolean, nullable=False),
        Column("listed", sa.Boolean, nullable=False),  # false: only the feed ever had it
        Column("announced", sa.Boolean),  # whether subscribers were last told that it is there; null: never told
        Column("missing", Integer, nullable=False, default=0),
        Column("reminded", Integer),
        Column("digest", LargeBinary, nullable=False),  # of the document as it came last
        Column("pending", LargeBinary),  # facets that are not as announced
        *more,
        Column("recent", LargeBinary),  # when changes were announced lately, by kind
    ]


def _versions(name: str, of: str, column: str, *indexes: sa.Index) -> Table:
    """Return the table of what the rows of another one were like, and when."""
    return Table(
        name,
        metadata,
        Column("id", Integer, primary_key=True),
        Column(column, Name, sa.ForeignKey(f"{of}.id"), nullable=False),
        Column("valid_from", Time, nullable=False),
        Column("valid_to", Time),  # null: still so
        Column("facets", LargeBinary, nullable=False),  # the normal form; as before if only the spelling changed
        Column("raw", LargeBinary, nullable=False),  # the document as it came, without what changes all the time
        sa.Index(f"{name}_{column}", column, "valid_from"),
        *indexes,
    )


models = Table("models", metadata, *_observed(Column("benchmarks", LargeBinary)))  # of these, their latest form only
_moments = (sa.Index("versions_began", "valid_from"), sa.Index("versions_ended", "valid_to", "model"))
versions = _versions("versions", "models", "model", *_moments)

# An id is that of the model, a space, and the tag of the provider.
endpoints = Table("endpoints", metadata, *_observed())
endpoint_versions = _versions("endpoint_versions", "endpoints", "endpoint")

# The models whose endpoints were asked for, a row each.
endpoint_lists = Table(
    "endpoint_lists",
    metadata,
    Column("model", Name, primary_key=True),
    Column("asked", Time, nullable=False),
    Column("answered", Time),
    Column("error", Text),  # why they did not come, if they were asked for later
    Column("measured", LargeBinary),  # status, uptime and the like by tag, in their latest form only
)

events = Table(
    "events",
    metadata,
    Column("id", Name, primary_key=True),
    Column("at", Time, nullable=False),
    Column("kind", Text, nullable=False),
    Column("model", Name),
    Column("imported", sa.Boolean, nullable=False, default=False),
    Column("body", LargeBinary, nullable=False),
    sa.Index("events_at", "at"),
    sa.Index("events_kind", "kind", "at"),
    sa.Index("events_model", "model", "at"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("event", Name, sa.ForeignKey("events.id"), nullable=False),
    Column("channel", Name, nullable=False),
    Column("state", Text, nullable=False),  # pending, sent, given up
    Column("created", Time, nullable=False),
    Column("due", Time, nullable=False),  # when it was first to be sent: at once, or with a digest
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_attempt", Time),
    Column("batch", Integer),  # what went as one message, and goes as that again if nobody knows whether it arrived
    Column("sent", Time),
    Column("failed", Time),  # when an attempt last failed
    Column("last_error", Text),
    Column("body", LargeBinary),  # the event as worded for this channel, if that differs
    Column("reached", Text),  # digests of the channel's targets that have it, while others are tried again
    sa.UniqueConstraint("event", "channel"),
    sa.Index("deliveries_due", "state", "next_attempt"),
    sa.Index("deliveries_waiting", "channel", "state", "next_attempt"),
    sa.Index("deliveries_batch", "batch"),
)

# Channels that ask for a heartbeat, a row each.
heartbeats = Table(
    "alive",
    metadata,
    Column("channel", Name, primary_key=True),
    Column("seen_to", Time, nullable=False),  # all heartbeats up to here are queued or skipped
    Column("since", Time, nullable=False),  # the next one counts the changes from here on
)

# What is done once in a while: when it was done last, or may be done again.
maintenance = Table("upkeep", metadata, Column("name", Name, primary_key=True), Column("at", Time, nullable=False))

# Models whose ids the last whole scan of `[mine] paths` found.
found_models = Table("found", metadata, Column("model", Name, primary_key=True))

# The prices that a channel was last told, where its own min_change kept it from hearing of a later one.
channel_prices = Table(
    "told",
    metadata,
    Column("channel", Name, primary_key=True),
    Column("model", Name, primary_key=True),
    Column("key", Name, primary_key=True),
    Column("price", Text, nullable=False),
)

# What the user acknowledged, a row for each model.
acknowledged = Table(
    "acknowledged",
    metadata,
    Column("model", Name, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

# The tokens that the user needs in a month, as imported.
usage = Table(
    "usage",
    metadata,
    Column("model", Name, primary_key=True),
    *(Column(name, BigInteger, nullable=False) for name in ("prompt", "completion", "cached", "requests")),
)
