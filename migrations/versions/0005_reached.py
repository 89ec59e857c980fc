"""Which targets of a channel have a message that others of them did not take yet."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column; so far only the process that sent a message knew."""
    op.add_column("deliveries", sa.Column("reached", sa.Text(), nullable=True))
