"""The ids of models that a scan of `[mine] paths` found: a scan that fails forgets none of them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the table; nothing was scanned yet."""
    name = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table("found", sa.Column("model", name, primary_key=True))
