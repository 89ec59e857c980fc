"""The versions of the schema."""

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007")
"""The migrations in `migrations/`, oldest first; a test holds the two together."""
