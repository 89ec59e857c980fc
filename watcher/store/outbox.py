"""Deliveries: one row for each (event, channel), written with the event and kept until it is sent or given up."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from sqlalchemy import Connection, and_, delete, func, insert, select, update

from watcher.catalog.model import Event
from watcher.store.documents import pack, unpack
from watcher.store.schema import deliveries, events, told

MAX_ERROR = 500
"""Characters kept of an error."""


class Delivery(Struct, frozen=True):
    """One event on its way to one channel, as that channel is told of it."""

    id: int
    channel: str
    event: Event
    state: str
    attempts: int
    created: datetime
    next_attempt: datetime | None = None
    sent: datetime | None = None
    last_error: str | None = None


class Outbox:
    """Reads and writes deliveries on an open connection, inside its transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, channel: str, event: Event, now: datetime, *, reworded: bool) -> None:
        """Queue an event for a channel. `reworded`: the channel is told other old prices than the event says."""
        row = {
            "event": event.id,
            "channel": channel,
            "state": "pending",
            "created": now,
            "attempts": 0,
            "next_attempt": now,
            "body": pack(event) if reworded else None,
        }
        self._connection.execute(insert(deliveries).values(row))

    def claim(self, channel: str, now: datetime, lease: timedelta) -> list[Delivery]:
        """Return what is due for a channel, oldest first, and keep other processes from it for the time of `lease`.

        A claim counts as an attempt: a process that dies in it leaves the deliveries pending, due after the lease.
        """
        due = and_(deliveries.c.channel == channel, deliveries.c.state == "pending", deliveries.c.next_attempt <= now)
        found = self.find(due)
        self._connection.execute(
            update(deliveries)
            .where(deliveries.c.id.in_([delivery.id for delivery in found]))
            .values(attempts=deliveries.c.attempts + 1, next_attempt=now + lease)
        )
        return found

    def mark_sent(self, ids: Sequence[int], now: datetime) -> None:
        """Note that the service accepted these deliveries."""
        values = {"state": "sent", "sent": now, "next_attempt": None, "last_error": None}
        self._connection.execute(update(deliveries).where(deliveries.c.id.in_(ids)).values(values))

    def mark_failed(self, ids: Sequence[int], next_attempt: datetime, error: str) -> None:
        """Note that sending failed, why (without secrets), and when to try again."""
        values = {"next_attempt": next_attempt, "last_error": error[:MAX_ERROR]}
        self._connection.execute(update(deliveries).where(deliveries.c.id.in_(ids)).values(values))

    def pending(self) -> dict[str, int]:
        """Return the number of deliveries that wait, by channel."""
        query = (
            select(deliveries.c.channel, func.count())
            .where(deliveries.c.state == "pending")
            .group_by(deliveries.c.channel)
        )
        return {row[0]: row[1] for row in self._connection.execute(query)}

    def due(self, now: datetime) -> bool:
        """Whether anything waits to be sent now."""
        query = select(deliveries.c.id).where(deliveries.c.state == "pending", deliveries.c.next_attempt <= now)
        return self._connection.execute(query.limit(1)).scalar() is not None

    def find(self, where: object = None) -> list[Delivery]:
        """Return deliveries, oldest first."""
        query = (
            select(deliveries, events.c.body.label("event_body"))
            .join(events, events.c.id == deliveries.c.event)
            .order_by(deliveries.c.id)
        )
        if where is not None:
            query = query.where(where)  # type: ignore[arg-type]
        return [
            Delivery(
                id=row.id,
                channel=row.channel,
                event=unpack(row.body or row.event_body, Event),
                state=row.state,
                attempts=row.attempts,
                created=row.created,
                next_attempt=row.next_attempt,
                sent=row.sent,
                last_error=row.last_error,
            )
            for row in self._connection.execute(query)
        ]

    # What a channel was told

    def told(self, channel: str, model: str) -> dict[str, str]:
        """Return the prices of a model that this channel was last told, where it did not hear of later ones."""
        query = select(told.c.key, told.c.price).where(told.c.channel == channel, told.c.model == model)
        return {row.key: row.price for row in self._connection.execute(query)}

    def save_told(self, channel: str, model: str, prices: Mapping[str, str]) -> None:
        """Replace what `told` returns."""
        self._connection.execute(delete(told).where(told.c.channel == channel, told.c.model == model))
        rows = [{"channel": channel, "model": model, "key": key, "price": price} for key, price in prices.items()]
        if rows:
            self._connection.execute(insert(told), rows)
