"""The endpoints of providers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Column, Integer, LargeBinary, Text

from watcher.store.schema import Name, Time

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create their tables."""
    op.create_table(
        "endpoints",
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
        Column("recent", LargeBinary),
    )
    op.create_table(
        "endpoint_versions",
        Column("id", Integer, primary_key=True),
        Column("endpoint", Name, sa.ForeignKey("endpoints.id"), nullable=False),
        Column("valid_from", Time, nullable=False),
        Column("valid_to", Time),
        Column("facets", LargeBinary, nullable=False),
        Column("raw", LargeBinary, nullable=False),
    )
    op.create_index("endpoint_versions_endpoint", "endpoint_versions", ["endpoint", "valid_from"])
    op.create_table(
        "endpoint_lists",
        Column("model", Name, primary_key=True),
        Column("asked", Time, nullable=False),
        Column("answered", Time),
        Column("error", Text),
        Column("measured", LargeBinary),
    )
