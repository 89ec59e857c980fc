"""The endpoints of providers."""

import sqlalchemy as sa
from alembic import op

from watcher.store.schema import Name, Time

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create their tables."""
    op.create_table(
        "endpoints",
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
        sa.Column("recent", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "endpoint_versions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("endpoint", Name, nullable=False),
        sa.Column("valid_from", Time(), nullable=False),
        sa.Column("valid_to", Time(), nullable=True),
        sa.Column("facets", sa.LargeBinary(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["endpoint"], ["endpoints.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("endpoint_versions_endpoint", "endpoint_versions", ["endpoint", "valid_from"], unique=False)
    op.create_table(
        "endpoint_lists",
        sa.Column("model", Name, nullable=False),
        sa.Column("asked", Time(), nullable=False),
        sa.Column("answered", Time(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("measured", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("model"),
    )
