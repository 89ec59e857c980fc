"""Moments in the query of a URL."""

from datetime import UTC, datetime

import msgspec

from watcher.api.query import BadQueryError


def written(moment: datetime) -> str:
    """Return a moment exactly, so that whoever asks for it gets what held then."""
    return str(msgspec.to_builtins(moment.astimezone(UTC)))


def parse_moment(name: str, written: str) -> datetime:
    """Return the moment of a parameter, such as `2026-07-14T00:00Z`; without a zone it is UTC. Raises BadQueryError."""
    if "T" in written:
        written = written.replace(" ", "+")  # an unescaped plus sign of a zone
    try:
        moment = datetime.fromisoformat(written)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadQueryError(f'"{name}" must be a moment such as 2026-07-14T00:00Z') from None
