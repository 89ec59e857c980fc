"""The tables. Times are UTC; documents are compressed JSON; prices are decimal strings, as in the API."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

from watcher.store.documents import DamagedError

metadata = MetaData()

Name = Text().with_variant(Text(collation="C"), "postgresql")
"""What is compared and sorted by: byte for byte, on every database."""


class Time(TypeDecorator[datetime]):
    """A moment: aware, in UTC, on every database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse what has no time zone: it would silently be taken as UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None] | None:
        """Read as always, but tell what is no time apart from a bug."""
        process = super().result_processor(dialect, coltype)
        if process is None:
            return None

        def read(value: Any) -> datetime | None:
            try:
                return process(value)
            except (ValueError, TypeError) as error:
                raise DamagedError(str(error)) from error

        return read

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the moment with its time zone, which SQLite does not keep."""
        return value if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


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
    Column("imported", Boolean, nullable=False, default=False),  # a recorded snapshot, not a poll of ours
    Index("polls_at", "at"),
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

models = Table(
    "models",
    metadata,
    Column("id", Name, primary_key=True),
    Column("name", Text, nullable=False),
    Column("first_seen", Time, nullable=False),
    Column("last_seen", Time),  # null: the last good poll showed it
    Column("since", Time, nullable=False),  # when it was first observed as there, or as gone
    Column("present", Boolean, nullable=False),
    Column("listed", Boolean, nullable=False),  # false: only the feed ever had it
    Column("announced", Boolean),  # as subscribers were last told; null: never
    Column("missing", Integer, nullable=False, default=0),
    Column("reminded", Integer),
    Column("digest", LargeBinary, nullable=False),  # of the document as it came last
    Column("pending", LargeBinary),  # facets that are not as announced
    Column("benchmarks", LargeBinary),  # their latest form only
    Column("recent", LargeBinary),  # when changes were announced lately, by kind
)

versions = Table(
    "versions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("model", Name, ForeignKey("models.id"), nullable=False),
    Column("valid_from", Time, nullable=False),
    Column("valid_to", Time),  # null: still so
    Column("facets", LargeBinary, nullable=False),  # the normal form
    Column("raw", LargeBinary, nullable=False),  # the document as it came, without its benchmarks
    Index("versions_model", "model", "valid_from"),
)

events = Table(
    "events",
    metadata,
    Column("id", Name, primary_key=True),
    Column("at", Time, nullable=False),
    Column("kind", Text, nullable=False),
    Column("model", Name),
    Column("imported", Boolean, nullable=False, default=False),
    Column("body", LargeBinary, nullable=False),
    Index("events_at", "at"),
    Index("events_model", "model", "at"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("event", Name, ForeignKey("events.id"), nullable=False),
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
    Column("body", LargeBinary),  # the event as this channel is told of it, where that differs
    UniqueConstraint("event", "channel"),
    Index("deliveries_due", "state", "next_attempt"),
    Index("deliveries_waiting", "channel", "state", "next_attempt"),
    Index("deliveries_batch", "batch"),
)

# Channels that ask for a sign of life, a row each.
alive = Table(
    "alive",
    metadata,
    Column("channel", Name, primary_key=True),
    Column("seen_to", Time, nullable=False),  # every time for it up to here has been seen to
    Column("since", Time, nullable=False),  # the changes from here on are for the next one to count
)

# What is done once in a while, and when it was done last.
upkeep = Table(
    "upkeep",
    metadata,
    Column("name", Name, primary_key=True),
    Column("at", Time, nullable=False),
)

# The prices that a channel was last told, where its own min_change kept it from hearing of a later one.
told = Table(
    "told",
    metadata,
    Column("channel", Name, primary_key=True),
    Column("model", Name, primary_key=True),
    Column("key", Name, primary_key=True),
    Column("price", Text, nullable=False),
)
