"""Deliveries: one row for each (event, channel), written with the event and kept until it is sent or given up."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import ColumnElement, Connection, bindparam, case, delete, func, insert, select, update

from watcher.catalog.decision import Queued
from watcher.catalog.model import Event, Kind
from watcher.store.documents import pack, unpack
from watcher.store.glance import LONGEST_WAIT, SLACK
from watcher.store.schema import Time, deliveries, events, told

MAX_ERROR = 500
"""Characters kept of an error."""

_AT_ONCE = 500
"""Rows of one statement; SQLite allowed no more than 999 values once."""

PENDING, SENT, GIVEN_UP = "pending", "sent", "given up"


class Delivery(Struct, frozen=True):
    """One event on its way to one channel, as that channel is told of it."""

    id: int
    channel: str
    event: Event
    state: str
    attempts: int
    created: datetime
    due: datetime
    next_attempt: datetime | None = None
    sent: datetime | None = None
    last_error: str | None = None
    batch: int | None = None


class PutOff(Struct, frozen=True):
    """A delivery that waits for a later time, or was queued by a clock that was ahead of this one."""

    id: int
    kind: Kind
    attempts: int
    created: datetime
    next_attempt: datetime
    failed: datetime | None
    """When an attempt last failed."""


class Condition(Struct, frozen=True):
    """How a channel does."""

    pending: int = 0
    last_success: datetime | None = None
    last_failure: datetime | None = None
    error: str | None = None
    """What was wrong, if it failed after it worked last."""

    @property
    def fails(self) -> bool:
        """Whether it failed after it worked last."""
        return self.last_failure is not None and (self.last_success is None or self.last_failure > self.last_success)


class Batch(Struct, frozen=True):
    """What goes to a channel as one message."""

    channel: str
    deliveries: tuple[Delivery, ...]

    @property
    def events(self) -> tuple[Event, ...]:
        """The events to tell."""
        return tuple(delivery.event for delivery in self.deliveries)


class Outbox:
    """Reads and writes deliveries on an open connection, inside its transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._events: dict[bytes, Event] = {}

    def add(self, queued: Sequence[Queued], now: datetime) -> None:
        """Queue events for channels."""
        rows = [
            {
                "event": each.event.id,
                "channel": each.channel,
                "state": PENDING,
                "created": now,
                "due": each.due,
                "attempts": 0,
                "next_attempt": each.due,
                "body": pack(each.event) if each.reworded else None,
            }
            for each in queued
        ]
        if rows:
            self._connection.execute(insert(deliveries), rows)

    def next_batch(self, channel: str, now: datetime, *, kinds: Sequence[str] | None = None) -> Batch | None:
        """Return what is to be sent to a channel now, noted as one attempt; None if nothing is due.

        A batch of which nobody knows whether it arrived comes again as it was; all else that is due comes together.
        While a channel is waited for after a failure, what is due later waits with it. With `kinds` only events of
        these kinds are chosen.
        """
        waiting = (deliveries.c.channel == channel, deliveries.c.state == PENDING)
        # What was due at once stays so when the clock is set back.
        at_once = deliveries.c.next_attempt <= deliveries.c.created
        failed = select(func.max(deliveries.c.next_attempt)).where(*waiting, deliveries.c.attempts > 0, ~at_once)
        retry = self._connection.execute(failed).scalar()
        if retry is not None and retry > now:
            return None
        due = [
            delivery
            for delivery in self.find(*waiting, (deliveries.c.next_attempt <= now) | at_once)
            if kinds is None or delivery.event.kind in kinds
        ]
        if not due:
            return None
        numbers = [delivery.batch for delivery in due if delivery.batch is not None]
        number = min(numbers, default=None)
        chosen = [delivery for delivery in due if delivery.batch == number]
        if number is None:
            number = 1 + (self._connection.execute(select(func.max(deliveries.c.batch))).scalar() or 0)
        self._change(chosen, batch=number, attempts=deliveries.c.attempts + 1)
        return Batch(channel, tuple(chosen))

    def mark_sent(self, sent: Sequence[Delivery], now: datetime) -> None:
        """Note that the service accepted these deliveries."""
        self._change(sent, state=SENT, sent=now, next_attempt=None, last_error=None)

    def mark_failed(
        self,
        failed: Sequence[Delivery],
        next_attempt: datetime,
        error: str,
        *,
        refused: bool,
        at: datetime | None = None,
    ) -> None:
        """Note that sending failed (`at` this time), why (without secrets), and when to try again.

        `refused`: the service said so, so it goes with whatever else is due then; else it may have arrived, and comes
        again as the same message.
        """
        batch = {"batch": None} if refused else {}
        self._change(failed, next_attempt=next_attempt, last_error=error[:MAX_ERROR], failed=at, **batch)

    def give_up(self, given_up: Sequence[Delivery], error: str, *, at: datetime | None = None) -> None:
        """Note that these deliveries are not tried any more, and why.

        `at`: when the channel failed to take them; None if that is not why.
        """
        self._change(given_up, state=GIVEN_UP, next_attempt=None, last_error=error[:MAX_ERROR], failed=at)

    def retry(self, again: Sequence[Delivery], now: datetime) -> None:
        """Have deliveries sent anew, whatever became of them, from now on."""
        values = {"state": PENDING, "next_attempt": now, "due": now, "attempts": 0, "batch": None, "sent": None}
        self._change(again, **values)

    def put_off(self, channel: str, now: datetime) -> list[PutOff]:
        """Return what waits for a channel and is not due at that time, or was queued after it."""
        where = (deliveries.c.channel == channel, deliveries.c.state == PENDING)
        later = (deliveries.c.next_attempt > now) | (deliveries.c.created > now + SLACK)
        names = ("id", "attempts", "created", "next_attempt", "failed")
        query = select(events.c.kind, *(deliveries.c[name] for name in names)).join(events).where(*where, later)
        return [PutOff(**row._mapping) for row in self._connection.execute(query)]

    def move(self, ids: Sequence[int], when: datetime, now: datetime) -> None:
        """Have deliveries sent at that time, not later, as if they had been queued by `now` at the latest."""
        earlier = {"due": when, "created": now}
        values = {
            name: case((deliveries.c[name] > at, bindparam(None, at, Time())), else_=deliveries.c[name])
            for name, at in earlier.items()
        }
        self._set(ids, next_attempt=when, **values)

    def _change(self, some: Sequence[Delivery], **values: object) -> None:
        self._set([delivery.id for delivery in some], **values)

    def _set(self, ids: Sequence[int], **values: object) -> None:
        for start in range(0, len(ids), _AT_ONCE):
            chosen = deliveries.c.id.in_(ids[start : start + _AT_ONCE])
            self._connection.execute(update(deliveries).where(chosen).values(values))

    def waiting(self, now: datetime) -> bool:
        """Whether any delivery is due, was tried in vain, or was put off by a clock that was wrong."""
        at_once = deliveries.c.next_attempt <= deliveries.c.created
        wrong = (deliveries.c.created > now + SLACK) | (deliveries.c.next_attempt > now + LONGEST_WAIT)
        either = (deliveries.c.next_attempt <= now) | at_once | deliveries.c.last_error.is_not(None) | wrong
        query = select(deliveries.c.id).where(deliveries.c.state == PENDING, either).limit(1)
        return self._connection.execute(query).first() is not None

    def pending(self) -> dict[str, int]:
        """Return the number of deliveries that wait, by channel."""
        query = select(deliveries.c.channel, func.count()).where(deliveries.c.state == PENDING)
        return {row[0]: row[1] for row in self._connection.execute(query.group_by(deliveries.c.channel))}

    def failing(self) -> dict[str, str]:
        """Return the last error of each channel whose last attempt failed."""
        query = select(deliveries.c.channel, func.max(deliveries.c.last_error)).where(
            deliveries.c.state == PENDING, deliveries.c.last_error.is_not(None)
        )
        return {row[0]: row[1] for row in self._connection.execute(query.group_by(deliveries.c.channel))}

    def conditions(self, now: datetime) -> dict[str, Condition]:
        """Return how each channel does that anything was ever queued for, as far back as deliveries are kept.

        What was sent or failed after `now`, by a clock that was wrong, says nothing of what came last.
        """
        waiting = func.sum(case((deliveries.c.state == PENDING, 1), else_=0))
        known = now + SLACK
        sent, failed_at = (
            func.max(case((column <= known, column))) for column in (deliveries.c.sent, deliveries.c.failed)
        )
        query = select(deliveries.c.channel, waiting, sent, failed_at)
        found = {
            row[0]: Condition(pending=row[1], last_success=row[2], last_failure=row[3])
            for row in self._connection.execute(query.group_by(deliveries.c.channel))
        }
        failed = select(deliveries.c.channel, deliveries.c.last_error).where(
            deliveries.c.last_error.is_not(None), deliveries.c.failed <= known
        )
        for channel, error in self._connection.execute(failed.order_by(deliveries.c.failed, deliveries.c.id)):
            found[channel] = replace(found[channel], error=error)
        return {name: one if one.fails else replace(one, error=None) for name, one in found.items()}

    def is_told_lost(self, channel: str, now: datetime) -> bool:
        """Whether it was announced before `now` that a channel lost alerts, and nothing has reached it since."""
        reached = (deliveries.c.channel == channel, deliveries.c.state == SENT, deliveries.c.sent <= now + SLACK)
        sent = self._connection.execute(select(func.max(deliveries.c.sent)).where(*reached)).scalar()
        query = select(events.c.body).where(events.c.kind == "undelivered", events.c.at <= now + SLACK)
        if sent is not None:
            query = query.where(events.c.at > sent)
        return any(unpack(row.body, Event).name == channel for row in self._connection.execute(query))

    def overdue(self, since: datetime) -> list[Delivery]:
        """Return what was due at that time or before and still waits."""
        return self.find(deliveries.c.state == PENDING, deliveries.c.due <= since)

    def messages(self, channel: str, since: datetime) -> list[datetime]:
        """Return when messages were sent to a channel from a time on."""
        query = select(func.max(deliveries.c.sent)).where(deliveries.c.channel == channel, deliveries.c.sent >= since)
        return list(self._connection.execute(query.group_by(deliveries.c.batch)).scalars())

    def next_due(self) -> datetime | None:
        """Return when something is to be sent next, None if nothing waits.

        While a channel is waited for after a failure, what is due sooner waits with it, as in `next_batch`.
        """
        retry = func.max(case((deliveries.c.attempts > 0, deliveries.c.next_attempt)))
        query = select(func.min(deliveries.c.next_attempt), retry).where(deliveries.c.state == PENDING)
        rows = self._connection.execute(query.group_by(deliveries.c.channel))
        return min((max(first, again or first) for first, again in rows), default=None)

    def find(self, *where: ColumnElement[bool]) -> list[Delivery]:
        """Return deliveries, oldest first."""
        query = (
            select(deliveries, events.c.body.label("event_body"))
            .join(events, events.c.id == deliveries.c.event)
            .where(*where)
            .order_by(deliveries.c.id)
        )
        return [
            Delivery(
                id=row.id,
                channel=row.channel,
                event=self._event(row.body or row.event_body),
                state=row.state,
                attempts=row.attempts,
                created=row.created,
                due=row.due,
                next_attempt=row.next_attempt,
                sent=row.sent,
                last_error=row.last_error,
                batch=row.batch,
            )
            for row in self._connection.execute(query)
        ]

    def _event(self, body: bytes) -> Event:
        """Return the event of a document; what many channels are told is one object."""
        found = self._events.get(body)
        if found is None:
            found = self._events[body] = unpack(body, Event)
        return found

    def listed(
        self, *, states: Sequence[str] = (), channel: str | None = None, ids: Sequence[int] | None = None
    ) -> list[Delivery]:
        """Return deliveries in these states (empty: all), to one channel or with these ids, oldest first."""
        where: list[ColumnElement[bool]] = []
        if states:
            where.append(deliveries.c.state.in_(states))
        if channel is not None:
            where.append(deliveries.c.channel == channel)
        if ids is not None:
            where.append(deliveries.c.id.in_(ids))
        return self.find(*where)

    # What a channel was told

    def prices(self) -> dict[tuple[str, str], dict[str, str]]:
        """Return the prices that a channel was last told of a model, where it did not hear of later ones."""
        found: dict[tuple[str, str], dict[str, str]] = {}
        for row in self._connection.execute(select(told)):
            found.setdefault((row.channel, row.model), {})[row.key] = row.price
        return found

    def heartbeats_waiting(self) -> set[str]:
        """Return the channels for which a heartbeat waits to be sent."""
        query = select(deliveries.c.channel).join(events, events.c.id == deliveries.c.event)
        query = query.where(deliveries.c.state == PENDING, events.c.kind == "alive")
        return set(self._connection.execute(query).scalars())

    def save_prices(self, channel: str, model: str, prices: Mapping[str, str]) -> None:
        """Replace what `prices` returns for a channel and a model."""
        self._connection.execute(delete(told).where(told.c.channel == channel, told.c.model == model))
        rows = [{"channel": channel, "model": model, "key": key, "price": price} for key, price in prices.items()]
        if rows:
            self._connection.execute(insert(told), rows)
