"""What the user acknowledges, and the tokens that the user needs in a month."""

import sqlalchemy as sa
from alembic import op

from watcher.store.schema import Name

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the tables; nothing is acknowledged, and no usage is known."""
    op.create_table(
        "acknowledged",
        sa.Column("model", Name, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("model"),
    )
    counts = (
        sa.Column(name, sa.BigInteger(), nullable=False) for name in ("prompt", "completion", "cached", "requests")
    )
    op.create_table("usage", sa.Column("model", Name, nullable=False), *counts, sa.PrimaryKeyConstraint("model"))
