"""What the user acknowledges, and the tokens that the user needs in a month."""

from alembic import op
from sqlalchemy import BigInteger, Column, LargeBinary

from watcher.store.schema import Name

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the tables; nothing is acknowledged, and no usage is known."""
    op.create_table(
        "acknowledged", Column("model", Name, primary_key=True), Column("body", LargeBinary, nullable=False)
    )
    counts = [Column(name, BigInteger, nullable=False) for name in ("prompt", "completion", "cached", "requests")]
    op.create_table("usage", Column("model", Name, primary_key=True), *counts)
