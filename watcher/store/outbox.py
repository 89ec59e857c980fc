"""Deliveries: one row for each (event, channel), written with the event and kept until it is sent or given up."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import ColumnElement, Connection, bindparam, case, delete, func, insert, select, update

from watcher.catalog.decision import Queued
from watcher.catalog.model import Event
from watcher.store.documents import pack, unpack
from watcher.store.records import LONGEST_WAIT, SLACK
from watcher.store.rows import Rows
from watcher.store.schema import channel_prices, deliveries, events

MAX_ERROR = 500
"""Characters of an error that are stored."""

PENDING, SENT, GIVEN_UP = "pending", "sent", "given up"


class Delivery(Struct, frozen=True):
    """One event on its way to one channel, as worded for that channel."""

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
    reached: str | None = None
    """Digests of the channel's targets that have it, with spaces between them."""


class PutOff(Delivery, frozen=True, kw_only=True):
    """A delivery that waits for a later time, or was queued by a clock that was ahead of this one."""

    next_attempt: datetime
    failed: datetime | None
    """When an attempt last failed."""


class Condition(Struct, frozen=True):
    """Whether a channel works."""

    pending: int = 0
    last_success: datetime | None = None
    last_failure: datetime | None = None
    error: str | None = None
    """The last error, if it failed after its last success."""

    @property
    def fails(self) -> bool:
        """Whether it failed after its last success."""
        return self.last_failure is not None and (self.last_success is None or self.last_failure > self.last_success)


_waits = deliveries.c.state == PENDING
_at_once = deliveries.c.next_attempt <= deliveries.c.created
"""Whether it was due when it was queued: it stays due if the clock is set back."""
_Deliveries = Sequence[Delivery]
_D = TypeVar("_D", bound=Delivery)


class Outbox(Rows):
    """Reads and writes deliveries."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._event = cache(lambda body: unpack(body, Event))  # one in memory, however many channels get it

    def add(self, queued: Sequence[Queued], now: datetime) -> None:
        """Queue events for channels."""
        rows = [
            {
                "event": each.event.id,
                "channel": each.channel,
                "state": PENDING,
                "created": now,
                "due": each.due,
                "next_attempt": each.due,
                "body": pack(each.event) if each.reworded else None,
            }
            for each in queued
        ]
        self._each(insert(deliveries), rows)

    def next_batch(self, channel: str, now: datetime, *, kinds: Sequence[str] | None = None) -> list[Delivery]:
        """Return what to send to a channel now as one message, and count it as an attempt; none if nothing is due.

        A batch that may have arrived comes again unchanged and whole, if any of it is due. Everything else that is due
        (of these `kinds`) comes together. New deliveries to a failed channel wait for its next attempt.
        """
        waiting = (deliveries.c.channel == channel, _waits)
        retry = self._scalar(
            select(func.max(deliveries.c.next_attempt)).where(*waiting, deliveries.c.attempts > 0, ~_at_once)
        )
        if retry is not None and retry > now:
            return []
        due = [
            delivery
            for delivery in self._find(Delivery, *waiting, (deliveries.c.next_attempt <= now) | _at_once)
            if kinds is None or delivery.event.kind in kinds
        ]
        if not due:
            return []
        number = min((delivery.batch for delivery in due if delivery.batch is not None), default=None)
        chosen = due if number is None else self._find(Delivery, *waiting, deliveries.c.batch == number)
        if number is None:
            number = 1 + (self._scalar(select(func.max(deliveries.c.batch))) or 0)
        self._change(chosen, batch=number, attempts=deliveries.c.attempts + 1)
        return chosen

    def mark_sent(self, sent: _Deliveries, now: datetime) -> None:
        """Note that the service accepted these deliveries."""
        self._change(sent, state=SENT, sent=now, next_attempt=None, last_error=None)

    def mark_failed(self, failed: _Deliveries, again: datetime, error: str, *, refused: bool, at: datetime) -> None:
        """Note that sending failed (`at` this time), why (without secrets), and when to try `again`.

        A message that the service `refused` is composed anew then. Any other may have arrived, so the same comes again.
        """
        batch = {"batch": None} if refused else {}
        self._change(failed, next_attempt=again, last_error=error[:MAX_ERROR], failed=at, **batch)

    def note_reached(self, reached: Mapping[int, Iterable[str]]) -> None:
        """Note for deliveries, by their ids, which targets of the channel have them."""
        statement = update(deliveries).where(deliveries.c.id == bindparam("of")).values(reached=bindparam("by"))
        self._each(statement, [{"of": id, "by": " ".join(sorted(targets))} for id, targets in reached.items()])

    def give_up(self, given_up: _Deliveries, error: str, *, at: datetime | None = None) -> None:
        """Note that these deliveries are not tried again, and why; `at`: when the channel failed, if it did."""
        self._change(given_up, state=GIVEN_UP, next_attempt=None, last_error=error[:MAX_ERROR], failed=at)

    def retry(self, again: _Deliveries, now: datetime) -> None:
        """Queue deliveries anew, whatever their state."""
        self._change(again, state=PENDING, next_attempt=now, due=now, attempts=0, batch=None, sent=None, reached=None)

    def put_off(self, channel: str, now: datetime) -> list[PutOff]:
        """Return the deliveries to a channel that wait for a later time than `now`, or were queued after it."""
        later = (deliveries.c.next_attempt > now) | (deliveries.c.created > now + SLACK)
        return self._find(PutOff, deliveries.c.channel == channel, _waits, later)

    def overdue(self, since: datetime) -> list[Delivery]:
        """Return the deliveries that were due at that time or before, and still wait."""
        return self._find(Delivery, _waits, deliveries.c.due <= since)

    def move(self, row: PutOff, when: datetime, now: datetime) -> None:
        """Have a delivery sent at `when` and no later, as if it had been queued by `now` at the latest."""
        self._change([row], next_attempt=when, due=min(row.due, when), created=min(row.created, now))

    def _change(self, chosen: _Deliveries, **values: object) -> None:
        statement = update(deliveries).where(deliveries.c.id == bindparam("of")).values(values)
        self._each(statement, [{"of": each.id} for each in chosen])

    # What waits

    def waiting(self, now: datetime) -> bool:
        """Whether a delivery is due, has failed, or was put off by a wrong clock."""
        wrong = (deliveries.c.created > now + SLACK) | (deliveries.c.next_attempt > now + LONGEST_WAIT)
        either = (deliveries.c.next_attempt <= now) | _at_once | deliveries.c.last_error.is_not(None) | wrong
        return self._scalar(select(deliveries.c.id).where(_waits, either).limit(1)) is not None

    def next_due(self) -> datetime | None:
        """Return when something is to be sent next; None if nothing waits. See `next_batch` for failed channels."""
        retry = func.max(case((deliveries.c.attempts > 0, deliveries.c.next_attempt)))
        query = select(func.min(deliveries.c.next_attempt), retry).where(_waits).group_by(deliveries.c.channel)
        return min((max(first, again or first) for first, again in self._connection.execute(query)), default=None)

    def pending(self) -> dict[str, int]:
        """Return the number of waiting deliveries by channel."""
        query = select(deliveries.c.channel, func.count()).where(_waits).group_by(deliveries.c.channel)
        return dict(self._connection.execute(query).tuples().all())

    def counts(self) -> dict[tuple[str, str], int]:
        """Return how many deliveries are stored, by channel and state."""
        columns = (deliveries.c.channel, deliveries.c.state)
        query = select(*columns, func.count()).group_by(*columns)
        return {(channel, state): count for channel, state, count in self._connection.execute(query)}

    def oldest_due(self, now: datetime) -> dict[str, datetime]:
        """Return when the oldest delivery that waits was due, by channel; those of digests to come are not due."""
        query = select(deliveries.c.channel, func.min(deliveries.c.due)).where(_waits, deliveries.c.due <= now)
        return dict(self._connection.execute(query.group_by(deliveries.c.channel)).tuples().all())

    def failing(self) -> set[str]:
        """Return the channels whose last attempt failed."""
        query = select(deliveries.c.channel).where(_waits, deliveries.c.last_error.is_not(None))
        return set(self._connection.execute(query).scalars())

    def heartbeats_waiting(self) -> set[str]:
        """Return the channels for which a heartbeat waits."""
        query = select(deliveries.c.channel).join(events).where(_waits, events.c.kind == "alive")
        return set(self._connection.execute(query).scalars())

    # Lists

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
        return self._find(Delivery, *where)

    def _find(self, kind: type[_D], *where: ColumnElement[bool]) -> list[_D]:
        names = [name for name in kind.__struct_fields__ if name != "event"]
        body = func.coalesce(deliveries.c.body, events.c.body)
        query = select(body, *(deliveries.c[name] for name in names)).join(events).where(*where)
        return [
            kind(event=self._event(own), **dict(zip(names, values, strict=True)))
            for own, *values in self._connection.execute(query.order_by(deliveries.c.id))
        ]

    def messages(self, channel: str, since: datetime) -> list[datetime]:
        """Return when messages were sent to a channel, from a time on."""
        query = select(func.max(deliveries.c.sent)).where(deliveries.c.channel == channel, deliveries.c.sent >= since)
        return list(self._connection.execute(query.group_by(deliveries.c.batch)).scalars())

    # Whether channels work

    def conditions(self, now: datetime) -> dict[str, Condition]:
        """Return the condition of each channel that has deliveries. What a wrong clock dated after `now` is ignored."""
        known = now + SLACK
        waiting = func.sum(case((_waits, 1), else_=0))
        sent, failed = (func.max(case((at <= known, at))) for at in (deliveries.c.sent, deliveries.c.failed))
        query = select(deliveries.c.channel, waiting, sent, failed).group_by(deliveries.c.channel)
        found = {channel: Condition(*values) for channel, *values in self._connection.execute(query)}
        errors = select(deliveries.c.channel, deliveries.c.last_error).where(
            deliveries.c.last_error.is_not(None), deliveries.c.failed <= known
        )
        for channel, error in self._connection.execute(errors.order_by(deliveries.c.failed, deliveries.c.id)):
            if found[channel].fails:
                found[channel] = replace(found[channel], error=error)
        return found

    def is_loss_announced(self, channel: str, now: datetime) -> bool:
        """Whether it was announced before `now` that a channel lost alerts, and nothing has reached it since."""
        reached = (deliveries.c.channel == channel, deliveries.c.state == SENT, deliveries.c.sent <= now + SLACK)
        sent = self._scalar(select(func.max(deliveries.c.sent)).where(*reached))
        query = select(events.c.body).where(events.c.kind == "undelivered", events.c.at <= now + SLACK)
        if sent is not None:
            query = query.where(events.c.at > sent)
        return any(unpack(body, Event).name == channel for body in self._connection.execute(query).scalars())

    # The prices that a channel knows

    def prices(self) -> dict[tuple[str, str], dict[str, str]]:
        """Return (channel, model) → price key → the price that the channel was last told, if later ones were hidden."""
        found: dict[tuple[str, str], dict[str, str]] = {}
        for row in self._connection.execute(select(channel_prices)):
            found.setdefault((row.channel, row.model), {})[row.key] = row.price
        return found

    def save_prices(self, channel: str, model: str, prices: Mapping[str, str]) -> None:
        """Replace what `prices` returns for a channel and a model."""
        self._connection.execute(
            delete(channel_prices).where(channel_prices.c.channel == channel, channel_prices.c.model == model)
        )
        rows = [{"channel": channel, "model": model, "key": key, "price": price} for key, price in prices.items()]
        self._each(insert(channel_prices), rows)
