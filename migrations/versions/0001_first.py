"""The first schema."""

import sqlalchemy as sa
from alembic import op

from watcher.store.schema import Name, Time

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create all tables."""
    op.create_table(
        "events",
        sa.Column("id", Name, nullable=False),
        sa.Column("at", Time(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("model", Name, nullable=True),
        sa.Column("imported", sa.Boolean(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("events_at", "events", ["at"], unique=False)
    op.create_index("events_model", "events", ["model", "at"], unique=False)
    op.create_table(
        "models",
        sa.Column("id", Name, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("first_seen", Time(), nullable=False),
        sa.Column("last_seen", Time(), nullable=True),
        sa.Column("since", Time(), nullable=False),
        sa.Column("present", sa.Boolean(), nullable=False),
        sa.Column("listed", sa.Boolean(), nullable=False),
        sa.Column("announced", sa.Boolean(), nullable=True),
        sa.Column("missing", sa.Integer(), nullable=False),
        sa.Column("reminded", sa.Integer(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("pending", sa.LargeBinary(), nullable=True),
        sa.Column("benchmarks", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "polls",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", Time(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("models", sa.Integer(), nullable=True),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("feed", sa.Text(), nullable=True),
        sa.Column("not_before", Time(), nullable=True),
        sa.Column("imported", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("polls_at", "polls", ["at"], unique=False)
    op.create_table(
        "sources",
        sa.Column("name", Name, nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("models", sa.Integer(), nullable=False),
        sa.Column("next_due", Time(), nullable=True),
        sa.Column("health", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "alive",
        sa.Column("channel", Name, nullable=False),
        sa.Column("seen_to", Time(), nullable=False),
        sa.Column("since", Time(), nullable=False),
        sa.PrimaryKeyConstraint("channel"),
    )
    op.create_table(
        "upkeep",
        sa.Column("name", Name, nullable=False),
        sa.Column("at", Time(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "told",
        sa.Column("channel", Name, nullable=False),
        sa.Column("model", Name, nullable=False),
        sa.Column("key", Name, nullable=False),
        sa.Column("price", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "model", "key"),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("event", Name, nullable=False),
        sa.Column("channel", Name, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created", Time(), nullable=False),
        sa.Column("due", Time(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt", Time(), nullable=True),
        sa.Column("batch", sa.Integer(), nullable=True),
        sa.Column("sent", Time(), nullable=True),
        sa.Column("failed", Time(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["event"],
            ["events.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("event", "channel"),
    )
    op.create_index("deliveries_due", "deliveries", ["state", "next_attempt"], unique=False)
    op.create_index("deliveries_waiting", "deliveries", ["channel", "state", "next_attempt"], unique=False)
    op.create_index("deliveries_batch", "deliveries", ["batch"], unique=False)
    op.create_table(
        "versions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model", Name, nullable=False),
        sa.Column("valid_from", Time(), nullable=False),
        sa.Column("valid_to", Time(), nullable=True),
        sa.Column("facets", sa.LargeBinary(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model"],
            ["models.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("versions_model", "versions", ["model", "valid_from"], unique=False)
