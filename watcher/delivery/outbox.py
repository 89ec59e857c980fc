"""Sending what waits: a message a channel, all channels side by side, and each outcome stored as it comes.

    rows due → batch (stored) → send, within a deadline → sent | try again later | given up     one transaction each

The batch is stored before it is sent. So a process that dies in between leaves behind what it was about to say, and the
next one says the very same again, under the same Message-ID.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from logging import getLogger
from typing import TYPE_CHECKING

from msgspec import Struct

from watcher.catalog.event import undelivered_event
from watcher.catalog.model import Event
from watcher.config.settings import Channel, Config, DeliverySettings
from watcher.delivery.statuses import LONGEST_PAUSE
from watcher.rules.timing import due_at, free_at
from watcher.store.glance import LONGEST_WAIT, SLACK
from watcher.store.records import Queued

if TYPE_CHECKING:
    from watcher.delivery.channel import Result
    from watcher.store.outbox import Batch, PutOff
    from watcher.store.outbox import Delivery as Row
    from watcher.store.session import Session
    from watcher.store.store import Store
    from watcher.store.turn import Claims

MOST_AT_ONCE = 64
"""Channels that are sent to side by side; they wait for the network, not for us."""

Send = Callable[[Channel, Sequence[Event]], "Result"]
"""Send events to a channel and tell what became of them; it never raises for what a service does."""

_log = getLogger("watcher")


class Attempt(Struct, frozen=True):
    """What became of one message to one channel."""

    channel: str
    state: str
    """`sent`, `pending` for what is tried again, or `given up`."""
    events: tuple[str, ...]
    detail: str
    next_attempt: datetime | None = None


def drain(
    store: "Store",
    config: Config,
    send: Send,
    *,
    clock: Callable[[], datetime],
    jitter: Callable[[], float] = random.random,
) -> list[Attempt]:
    """Send what is due to each channel, and return what became of it.

    A channel that fails or hangs neither holds up nor repeats what another is sent. Where another process is sending
    from the same file, its end is waited for, and then what is left is sent; where another machine is sending to a
    channel from a database that they share, that channel is left to it.

    Args:
        store: where the deliveries are.
        config: the channels, and how long to try.
        send: sends one message.
        clock: the time (UTC).
        jitter: a number from 0 to 1, so that many watchers do not come back at the same moment.
    """
    seen = store.glance(clock())
    if seen is not None and not seen.waiting:
        return []
    with store.sending() as claims:
        return _Drain(store, claims, config, send, clock, jitter).run()


class _Drain:
    def __init__(
        self,
        store: "Store",
        claims: "Claims",
        config: Config,
        send: Send,
        clock: Callable[[], datetime],
        jitter: Callable[[], float],
    ) -> None:
        self._store = store
        self._claims = claims
        self._config = config
        self._send = send
        self._clock = clock
        self._jitter = jitter
        self._attempts: list[Attempt] = []
        self._configured = {channel.name for channel in config.channels}

    def run(self) -> list[Attempt]:
        """Go on until nothing is due, alerts about what was given up included."""
        self._round(self._config.channels)
        told = self._give_up_overdue()
        if told:
            self._round([channel for channel in self._config.channels if channel.name in told])
        self._note_waiting()
        return self._attempts

    def _round(self, channels: Sequence[Channel]) -> None:
        if not channels:
            return
        by_name = {channel.name: channel for channel in channels}
        with ThreadPoolExecutor(min(len(channels), MOST_AT_ONCE), "watcher-channel") as pool:
            running: dict[Future[Result], Batch] = {}
            try:
                for batch in self._batches(channels):
                    running[pool.submit(self._send, by_name[batch.channel], batch.events)] = batch
                while running:
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        batch = running.pop(future)
                        following = self._settle(by_name[batch.channel], batch, _result(future))
                        if following is None:
                            self._claims.release(batch.channel)
                        else:
                            running[pool.submit(self._send, by_name[batch.channel], following.events)] = following
            except BaseException:  # what cannot be noted as sent must not be sent
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _batches(self, channels: Sequence[Channel]) -> "Iterator[Batch]":
        """Return the first batch of each channel; all are stored in one transaction."""
        with self._store.writing() as session:
            found = {channel.name: self._next_batch(session, channel) for channel in channels}
        for name, batch in found.items():
            if batch is None:
                self._claims.release(name)
            else:
                yield batch

    def _next_batch(self, session: "Session", channel: Channel) -> "Batch | None":
        if not self._claims.claim(channel.name):
            return None
        now = self._clock()
        self._mend_times(session, channel, now)
        if channel.timing.max_per_hour is not None or channel.timing.quiet_hours is not None:
            sent = session.outbox.messages(channel.name, now - timedelta(hours=1))
            if free_at(channel.timing, sent, now) > now:
                return session.outbox.next_batch(channel.name, now, kinds=channel.timing.urgent)
        return session.outbox.next_batch(channel.name, now)

    def _mend_times(self, session: "Session", channel: Channel, now: datetime) -> None:
        """Find anew when to send what a clock that once stood in the future has put off."""
        ids: dict[datetime, list[int]] = {}
        for row in session.outbox.put_off(channel.name, now):
            when = self._time_anew(channel, row, now)
            if when != row.next_attempt or row.created > now + SLACK:
                ids.setdefault(when, []).append(row.id)
        for when, some in ids.items():
            session.outbox.move(some, when, now)

    def _time_anew(self, channel: Channel, row: "PutOff", now: datetime) -> datetime:
        if channel.name not in self._configured:  # it may come back with its digest; till then nothing is known of it
            wrong = row.created > now + SLACK or row.next_attempt > now + LONGEST_WAIT
            return min(row.next_attempt, now) if wrong else row.next_attempt
        if row.attempts and row.next_attempt <= row.created:  # it was due at once, and was being sent when we died
            return min(row.next_attempt, now)
        if not row.attempts:  # what is queued later is not due earlier, so it is never after what would be queued now
            return min(row.next_attempt, due_at(channel.timing, row.kind, now))
        asked = row.failed is not None and row.failed <= now + SLACK
        longest = max(longest_pause(self._config.delivery), timedelta(seconds=LONGEST_PAUSE if asked else 0))
        return row.next_attempt if row.next_attempt <= now + longest else now

    def _settle(self, channel: Channel, batch: "Batch", result: "Result") -> "Batch | None":
        """Store what became of a batch, and return the channel's next one if this one arrived."""
        now = self._clock()
        delivered = {row.event.id for row in batch.deliveries} if result.ok else set(result.delivered)
        accepted = [row for row in batch.deliveries if row.event.id in delivered]
        left = [row for row in batch.deliveries if row.event.id not in delivered]
        following: Batch | None = None
        with self._store.writing() as session:
            session.outbox.mark_sent(accepted, now)
            self._note(channel.name, "sent", accepted, result.detail)
            if result.permanent:
                self._give_up(session, channel.name, left, result.detail)
            elif left:
                again = now + pause(self._config.delivery, left[0].attempts + 1, result.retry_after, self._jitter())
                session.outbox.mark_failed(left, again, result.detail, refused=result.status is not None, at=now)
                self._note(channel.name, "pending", left, result.detail, again)
            else:
                following = self._next_batch(session, channel)
        return following

    def _give_up_overdue(self) -> set[str]:
        """Give up what has waited too long, and return the channels that are to be told so."""
        names: list[str] = []
        with self._store.writing() as session:
            now = self._clock()
            for name in sorted(session.outbox.pending()):
                if name not in self._configured and self._claims.claim(name):
                    self._mend_times(session, Channel(name), now)
                    names.append(name)
            overdue = session.outbox.overdue(now - self._config.delivery.give_up)
            for name in sorted({row.channel for row in overdue}):
                if not self._claims.claim(name):
                    continue
                names.append(name)
                rows = [row for row in overdue if row.channel == name]
                error = rows[-1].last_error or "the channel is not configured any more"
                self._give_up(session, name, rows, error)
            told = set(session.outbox.pending())
        for name in names:
            self._claims.release(name)
        return told

    def _give_up(self, session: "Session", name: str, rows: "Sequence[Row]", error: str) -> None:
        """Record that these alerts are lost to a channel, and tell it to the channels that work."""
        if not rows:
            return
        now = self._clock()
        session.outbox.give_up(rows, error, at=now)
        self._note(name, "given up", rows, error)
        alerts = "1 alert" if len(rows) == 1 else f"{len(rows)} alerts"
        _log.error("channel %s: gave up on %s: %s", name, alerts, error)
        if all(row.event.kind == "undelivered" for row in rows):
            return  # news of lost news is not worth more of it
        if session.outbox.is_told_lost(name, now):
            return  # that the channel does not work is known; what is lost is in the record
        event = undelivered_event(name, len(rows), error, now, min(row.created for row in rows))
        session.state.add_events((event,))
        failing = session.outbox.failing()
        working = {channel.name for channel in self._config.channels} - failing.keys() - {name}
        session.outbox.add([Queued(channel, event, now) for channel in sorted(working)], now)

    def _note_waiting(self) -> None:
        """Note what was tried before, and is not due again yet."""
        noted = {attempt.channel for attempt in self._attempts if attempt.state == "pending"}
        with self._store.reading() as session:
            rows = [row for row in session.outbox.listed(states=["pending"]) if row.last_error is not None]
        for name in sorted({row.channel for row in rows} - noted):
            waiting = [row for row in rows if row.channel == name]
            self._note(name, "pending", waiting, waiting[-1].last_error or "", waiting[-1].next_attempt)

    def _note(
        self, name: str, state: str, rows: "Sequence[Row]", detail: str, next_attempt: datetime | None = None
    ) -> None:
        if rows:
            ids = tuple(row.event.id for row in rows)
            self._attempts.append(Attempt(name, state, ids, detail, next_attempt))


def _result(future: "Future[Result]") -> "Result":
    """Return what became of a message; a bug of ours is that channel's failure, and costs no other its record."""
    try:
        return future.result()
    except Exception as error:
        from watcher.delivery.channel import Result

        return Result(False, f"sending broke off ({type(error).__name__})")


def pause(delivery: DeliverySettings, attempts: int, retry_after: float | None, jitter: float) -> timedelta:
    """Return how long to wait after so many attempts.

    It doubles with each attempt from `retry_first` to `retry_most`, give or take a half by `jitter` (0 to 1); a service
    that asks for more (`retry_after`, seconds) gets it.
    """
    most = longest_pause(delivery).total_seconds() / 1.5
    doubled = delivery.retry_first.total_seconds() * 2.0 ** min(attempts - 1, 60)
    return timedelta(seconds=max(min(doubled, most) * (0.5 + jitter), retry_after or 0))


def longest_pause(delivery: DeliverySettings) -> timedelta:
    """Return the longest that is waited for after an attempt, where the service asks for nothing."""
    return 1.5 * max(delivery.retry_most, delivery.retry_first)
