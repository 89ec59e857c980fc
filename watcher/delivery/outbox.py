"""Sends what is due: one message to each channel, all channels side by side, each outcome stored at once.

    rows due → batch (stored) → send, within a deadline → sent | try again later | given up     one transaction each

The batch is stored before it is sent. If the process dies in between, the next one sends the same message again, with
the same Message-ID.
"""

import random
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from logging import getLogger
from typing import TYPE_CHECKING

from msgspec import Struct

from watcher.catalog.decision import Queued
from watcher.catalog.event import undelivered_event
from watcher.catalog.model import Event
from watcher.config.settings import Channel, Config, DeliverySettings
from watcher.delivery.reached import recall, targets_with
from watcher.delivery.statuses import LONGEST_PAUSE
from watcher.rules.timing import due_at, free_at
from watcher.store.records import LONGEST_WAIT, SLACK

if TYPE_CHECKING:
    from watcher.delivery.channel import Result
    from watcher.store.outbox import Delivery as Row
    from watcher.store.outbox import PutOff
    from watcher.store.session import Session
    from watcher.store.store import Store
    from watcher.store.turn import Claims

MOST_AT_ONCE = 64
"""Channels that get their messages side by side; the threads mostly wait for the network."""

Send = Callable[[Channel, Sequence[Event]], "Result"]
"""Sends events to a channel and returns the result; nothing that a service does makes it raise."""

_log = getLogger("watcher")


class Attempt(Struct, frozen=True):
    """The outcome of one message to one channel."""

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
    """Send what is due to each channel, and return the outcomes.

    A channel that fails or hangs neither delays nor repeats another one's messages. If another process sends from the
    same file, this waits for its end and sends the rest. If another machine, on a shared database, sends to a channel,
    this leaves the channel to it. The `clock` returns the time (UTC), and `jitter` a number from 0 to 1, so that many
    watchers do not come back at the same moment.
    """
    with store.reading() as session:
        if not session.outbox.waiting(clock()):
            return []
    with store.sending() as claims:
        return _Drain(store, claims, config, send, clock, jitter).run()


class _Drain(Struct):
    """One call of `drain`, with its arguments."""

    store: "Store"
    claims: "Claims"
    config: Config
    send: Send
    clock: Callable[[], datetime]
    jitter: Callable[[], float]
    attempts: list[Attempt] = []

    @property
    def configured(self) -> set[str]:
        """The names of the channels in the configuration."""
        return {channel.name for channel in self.config.channels}

    def run(self) -> list[Attempt]:
        """Send until nothing is due, alerts about lost alerts included."""
        self._round(self.config.channels)
        waiting = self._give_up_overdue()
        self._round([channel for channel in self.config.channels if channel.name in waiting])
        self._note_waiting()
        return self.attempts

    def _round(self, channels: Sequence[Channel]) -> None:
        if not channels:
            return
        by_name = {channel.name: channel for channel in channels}
        with ThreadPoolExecutor(min(len(channels), MOST_AT_ONCE), "watcher-channel") as pool:
            running: dict[Future[Result], list[Row]] = {}

            def start(name: str, batch: "list[Row]") -> None:
                if batch:
                    running[pool.submit(self._result, by_name[name], batch)] = batch
                else:
                    self.claims.release(name)

            try:
                with self.store.writing() as session:
                    first = {channel.name: self._next_batch(session, channel) for channel in channels}
                for name, batch in first.items():
                    start(name, batch)
                while running:
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        batch = running.pop(future)
                        name = batch[0].channel
                        start(name, self._record(by_name[name], batch, future.result()))
            except BaseException:  # send nothing more that could not be recorded as sent
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _result(self, channel: Channel, batch: "list[Row]") -> "Result":
        """Send a message. An error in our code is a failure of that channel alone."""
        recall({row.event.id: (row.reached or "").split() for row in batch})
        try:
            return self.send(channel, [row.event for row in batch])
        except Exception as error:
            from watcher.delivery.channel import Result

            return Result(False, f"sending broke off ({type(error).__name__})")

    def _next_batch(self, session: "Session", channel: Channel) -> "list[Row]":
        if not self.claims.claim(channel.name):
            return []
        now = self.clock()
        self._correct_times(session, channel, now)
        if channel.timing.max_per_hour is not None or channel.timing.quiet_hours is not None:
            sent = session.outbox.messages(channel.name, now - timedelta(hours=1))
            if free_at(channel.timing, sent, now) > now:
                return session.outbox.next_batch(channel.name, now, kinds=channel.timing.urgent)
        return session.outbox.next_batch(channel.name, now)

    def _correct_times(self, session: "Session", channel: Channel, now: datetime) -> None:
        """Correct the times of deliveries that were put off while the clock stood in the future."""
        for row in session.outbox.put_off(channel.name, now):
            when = self._corrected_time(channel, row, now)
            if when != row.next_attempt or row.created > now + SLACK:
                session.outbox.move(row, when, now)

    def _corrected_time(self, channel: Channel, row: "PutOff", now: datetime) -> datetime:
        if channel.name not in self.configured:  # removed; it may come back with its digest
            wrong = row.created > now + SLACK or row.next_attempt > now + LONGEST_WAIT
            return min(row.next_attempt, now) if wrong else row.next_attempt
        if row.attempts and row.next_attempt <= row.created:  # the process died while sending it at once
            return min(row.next_attempt, now)
        if not row.attempts:  # never later than what would be queued now
            return min(row.next_attempt, due_at(channel.timing, row.event.kind, now))
        by_request = row.failed is not None and row.failed <= now + SLACK
        longest = max(longest_pause(self.config.delivery), timedelta(seconds=LONGEST_PAUSE if by_request else 0))
        return row.next_attempt if row.next_attempt <= now + longest else now

    def _record(self, channel: Channel, batch: "list[Row]", result: "Result") -> "list[Row]":
        """Store the outcome of a batch, and return the channel's next one if this one arrived."""
        now = self.clock()
        accepted = [row for row in batch if result.ok or row.event.id in result.delivered]
        others = [row for row in batch if not result.ok and row.event.id not in result.delivered]
        refused = [row for row in others if row.event.id in result.refused]
        left = [row for row in others if row.event.id not in result.refused]
        with self.store.writing() as session:
            session.outbox.mark_sent(accepted, now)
            self._note(channel.name, "sent", accepted, result.detail)
            self._give_up(session, channel.name, refused, result.detail)
            if left:
                again = now + pause(self.config.delivery, left[0].attempts + 1, result.retry_after, self.jitter())
                # Once it may have arrived, it stays that message, whatever is said to its repeats.
                anew = result.status is not None and left[0].batch is None
                session.outbox.mark_failed(left, again, result.detail, refused=anew, at=now)
                reached = {row.id: targets_with(row.event.id) for row in left}
                session.outbox.note_reached({id: targets for id, targets in reached.items() if targets})
                self._note(channel.name, "pending", left, result.detail, again)
            elif accepted:
                return self._next_batch(session, channel)
        return []

    def _give_up_overdue(self) -> set[str]:
        """Give up what has waited too long, and return the channels that now have something to be sent."""
        claimed: list[str] = []
        with self.store.writing() as session:
            now = self.clock()
            for name in sorted(session.outbox.pending()):
                if name not in self.configured and self.claims.claim(name):
                    claimed.append(name)
                    self._correct_times(session, Channel(name), now)
            overdue = session.outbox.overdue(now - self.config.delivery.give_up)
            for name in sorted({row.channel for row in overdue}):
                if self.claims.claim(name):
                    claimed.append(name)
                    rows = [row for row in overdue if row.channel == name]
                    self._give_up(session, name, rows, rows[-1].last_error or "the channel is not configured any more")
            left = set(session.outbox.pending())
        for name in claimed:
            self.claims.release(name)
        return left

    def _give_up(self, session: "Session", name: str, rows: "Sequence[Row]", error: str) -> None:
        """Record that a channel lost these alerts, and alert the channels that work."""
        if not rows:
            return
        now = self.clock()
        session.outbox.give_up(rows, error, at=now)
        self._note(name, "given up", rows, error)
        alerts = "1 alert" if len(rows) == 1 else f"{len(rows)} alerts"
        _log.error("channel %s: gave up on %s: %s", name, alerts, error)
        if all(row.event.kind == "undelivered" for row in rows):
            return  # nobody needs an alert about a lost alert of this kind
        if session.outbox.is_loss_announced(name, now):
            return  # one alert about a broken channel is enough
        event = undelivered_event(name, len(rows), error, now, min(row.created for row in rows))
        session.state.add_events((event,))
        working = self.configured - session.outbox.failing() - {name}
        session.outbox.add([Queued(channel, event, now) for channel in sorted(working)], now)

    def _note_waiting(self) -> None:
        """Add the outcomes of earlier attempts that are not due again yet."""
        noted = {attempt.channel for attempt in self.attempts if attempt.state == "pending"}
        with self.store.reading() as session:
            rows = [row for row in session.outbox.listed(states=["pending"]) if row.last_error is not None]
        for name in sorted({row.channel for row in rows} - noted):
            waiting = [row for row in rows if row.channel == name]
            self._note(name, "pending", waiting, waiting[-1].last_error or "", waiting[-1].next_attempt)

    def _note(
        self, name: str, state: str, rows: "Sequence[Row]", detail: str, next_attempt: datetime | None = None
    ) -> None:
        if rows:
            ids = tuple(row.event.id for row in rows)
            self.attempts.append(Attempt(name, state, ids, detail, next_attempt))


def pause(delivery: DeliverySettings, attempts: int, retry_after: float | None, jitter: float) -> timedelta:
    """Return the pause after this many attempts.

    It doubles with each attempt from `retry_first` to `retry_most`, give or take a half by `jitter` (0 to 1); a service
    that asks for more (`retry_after`, seconds) gets it.
    """
    most = longest_pause(delivery).total_seconds() / 1.5
    doubled = delivery.retry_first.total_seconds() * 2.0 ** min(attempts - 1, 60)
    return timedelta(seconds=max(min(doubled, most) * (0.5 + jitter), retry_after or 0))


def longest_pause(delivery: DeliverySettings) -> timedelta:
    """Return the longest pause after an attempt, unless the service asks for a longer one."""
    return 1.5 * max(delivery.retry_most, delivery.retry_first)
