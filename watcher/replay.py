"""Deciding about recorded snapshots, each at its own time: what would have been announced, and sent, and when."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from watcher.catalog.decision import Decision, Fetched, Known, Queued
from watcher.catalog.model import Event
from watcher.catalog.reading import UnreadableError, read
from watcher.config.settings import Channel, Config, Timing
from watcher.decide import after, decide
from watcher.rules.timing import free_at

if TYPE_CHECKING:
    from watcher.upstream.archive.members import Capture


class Replay:
    """Decides about one capture after the other, with a memory in place of a store."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.known = Known()

    def run(self, captures: Iterable["Capture"]) -> Iterator[tuple[datetime, Decision]]:
        """Yield the time of each capture and its decision; the first that is believed is the baseline."""
        for capture in captures:
            try:
                fetched = Fetched(read([capture.body]))
            except UnreadableError as error:
                fetched = Fetched(error=str(error))
            yield capture.at, self.decide(capture.at, fetched)

    def decide(self, at: datetime, fetched: Fetched) -> Decision:
        """Return the decision about one answer, and remember it."""
        decision = decide(self.known, fetched, self.config, at)
        self.known = after(self.known, decision, at)
        return decision


class Message(Struct, frozen=True):
    """What would have been sent to a channel at one moment."""

    at: datetime
    channel: str
    events: Sequence[Event]


class Outbox:
    """The deliveries that wait for their time, in memory; each message is taken by its service at once."""

    def __init__(self, channels: Sequence[Channel]) -> None:
        self._queues = {channel.name: _Queue(channel.timing) for channel in channels}

    def add(self, deliveries: Iterable[Queued]) -> None:
        """Queue what a poll decided, except heartbeats, which are no news."""
        for queued in deliveries:
            if queued.event.kind != "alive":
                self._queues[queued.channel].waiting.append(queued)

    def send_before(self, end: datetime) -> list[Message]:
        """Return the messages that go before this moment, in the order of their times."""
        sent = [Message(at, name, events) for name, queue in self._queues.items() for at, events in queue.send(end)]
        return sorted(sent, key=lambda message: message.at)

    @property
    def waiting(self) -> list[Queued]:
        """The deliveries that were not sent."""
        return [queued for queue in self._queues.values() for queued in queue.waiting]


class _Queue:
    """What `delivery.outbox` does for one channel when it is asked at every moment."""

    def __init__(self, timing: Timing) -> None:
        self.waiting: list[Queued] = []
        self._timing = timing
        self._sent: list[datetime] = []

    def send(self, end: datetime) -> Iterator[tuple[datetime, list[Event]]]:
        while self.waiting:
            urgent = [queued for queued in self.waiting if queued.event.kind in self._timing.urgent]
            at = free_at(self._timing, self._sent, self._first(self.waiting))
            only = self.waiting
            if urgent and (first := self._first(urgent)) < at:
                at, only = first, urgent
            if at >= end:
                return
            going = [queued for queued in only if queued.due <= at]
            self.waiting = [queued for queued in self.waiting if queued not in going]
            self._sent.append(at)
            yield at, [queued.event for queued in going]

    def _first(self, waiting: Sequence[Queued]) -> datetime:
        """Return when the first of these is due, but not before what was sent already."""
        return max([min(queued.due for queued in waiting), *self._sent[-1:]])
