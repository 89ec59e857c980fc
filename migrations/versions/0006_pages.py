"""Pages ask for what is there now and what was announced last, in databases of many years."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the indexes."""
    op.create_index("versions_began", "versions", ["valid_from"])
    op.create_index("versions_ended", "versions", ["valid_to", "model"])
    op.create_index("events_kind", "events", ["kind", "at"])
