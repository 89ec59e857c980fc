"""When changes of each model were announced lately: restless ones have to hold still for longer."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column; nothing was announced lately as far as is known."""
    op.add_column("models", sa.Column("recent", sa.LargeBinary(), nullable=True))
