"""The first schema."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Column, Integer, LargeBinary, Text

from watcher.store.schema import Name, Time

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create all tables."""
    op.create_table(
        "events",
        Column("id", Name, primary_key=True),
        Column("at", Time, nullable=False),
        Column("kind", Text, nullable=False),
        Column("model", Name),
        Column("imported", sa.Boolean, nullable=False),
        Column("body", LargeBinary, nullable=False),
    )
    op.create_index("events_at", "events", ["at"])
    op.create_index("events_model", "events", ["model", "at"])
    op.create_table(
        "models",
        Column("id", Name, primary_key=True),
        Column("name", Text, nullable=False),
        Column("first_seen", Time, nullable=False),
        Column("last_seen", Time),
        Column("since", Time, nullable=False),
        Column("present", sa.Boolean, nullable=False),
        Column("listed", sa.Boolean, nullable=False),
        Column("announced", sa.Boolean),
        Column("missing", Integer, nullable=False),
        Column("reminded", Integer),
        Column("digest", LargeBinary, nullable=False),
        Column("pending", LargeBinary),
        Column("benchmarks", LargeBinary),
    )
    op.create_table(
        "polls",
        Column("id", Integer, primary_key=True),
        Column("at", Time, nullable=False),
        Column("outcome", Text, nullable=False),
        Column("models", Integer),
        Column("events", Integer, nullable=False),
        Column("milliseconds", Integer, nullable=False),
        Column("reason", Text),
        Column("feed", Text),
        Column("not_before", Time),
        Column("imported", sa.Boolean, nullable=False),
    )
    op.create_index("polls_at", "polls", ["at"])
    op.create_table(
        "sources",
        Column("name", Name, primary_key=True),
        Column("query", Text, nullable=False),
        Column("policy", Text, nullable=False),
        Column("digest", LargeBinary, nullable=False),
        Column("models", Integer, nullable=False),
        Column("next_due", Time),
        Column("health", LargeBinary, nullable=False),
    )
    op.create_table(
        "alive",
        Column("channel", Name, primary_key=True),
        Column("seen_to", Time, nullable=False),
        Column("since", Time, nullable=False),
    )
    op.create_table("upkeep", Column("name", Name, primary_key=True), Column("at", Time, nullable=False))
    op.create_table(
        "told",
        Column("channel", Name, primary_key=True),
        Column("model", Name, primary_key=True),
        Column("key", Name, primary_key=True),
        Column("price", Text, nullable=False),
    )
    op.create_table(
        "deliveries",
        Column("id", Integer, primary_key=True),
        Column("event", Name, nullable=False),
        Column("channel", Name, nullable=False),
        Column("state", Text, nullable=False),
        Column("created", Time, nullable=False),
        Column("due", Time, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("next_attempt", Time),
        Column("batch", Integer),
        Column("sent", Time),
        Column("failed", Time),
        Column("last_error", Text),
        Column("body", LargeBinary),
        sa.ForeignKeyConstraint(["event"], ["events.id"]),
        sa.UniqueConstraint("event", "channel"),
    )
    op.create_index("deliveries_due", "deliveries", ["state", "next_attempt"])
    op.create_index("deliveries_waiting", "deliveries", ["channel", "state", "next_attempt"])
    op.create_index("deliveries_batch", "deliveries", ["batch"])
    op.create_table(
        "versions",
        Column("id", Integer, primary_key=True),
        Column("model", Name, sa.ForeignKey("models.id"), nullable=False),
        Column("valid_from", Time, nullable=False),
        Column("valid_to", Time),
        Column("facets", LargeBinary, nullable=False),
        Column("raw", LargeBinary, nullable=False),
    )
    op.create_index("versions_model", "versions", ["model", "valid_from"])
