"""Counts for a monitor."""

from datetime import datetime

from sqlalchemy import func, select

from watcher.store.outbox import PENDING
from watcher.store.rows import Rows
from watcher.store.schema import deliveries, events, polls


class Figures(Rows):
    """Counts what is stored."""

    def polls(self, after: int) -> dict[str, int]:
        """Return how many polls were stored after the one with this id, by outcome."""
        query = select(polls.c.outcome, func.count()).where(polls.c.id > after, polls.c.imported.is_(False))
        return dict(self._connection.execute(query.group_by(polls.c.outcome)).tuples().all())

    def events(self) -> dict[str, int]:
        """Return how many events were ever announced, by kind."""
        query = select(events.c.kind, func.count()).where(events.c.imported.is_(False)).group_by(events.c.kind)
        return dict(self._connection.execute(query).tuples().all())

    def deliveries(self) -> dict[tuple[str, str], int]:
        """Return how many deliveries are stored, by channel and state."""
        columns = (deliveries.c.channel, deliveries.c.state)
        query = select(*columns, func.count()).group_by(*columns)
        return {(channel, state): count for channel, state, count in self._connection.execute(query)}

    def oldest_due(self, now: datetime) -> dict[str, datetime]:
        """Return when the oldest delivery that waits was due, by channel; those of digests to come are not due."""
        waiting = select(deliveries.c.channel, func.min(deliveries.c.due)).where(
            deliveries.c.state == PENDING, deliveries.c.due <= now
        )
        return dict(self._connection.execute(waiting.group_by(deliveries.c.channel)).tuples().all())
