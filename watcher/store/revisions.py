"""The versions of the schema."""

REVISIONS = ("0001", "0002", "0003", "0004", "0007", "0008")
"""The migrations in `migrations/`, oldest first; a test holds the two together."""
