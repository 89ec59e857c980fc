"""Deciding about recorded snapshots, each at its own time: what would have been announced, and sent, and when."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from watcher.catalog.decision import Decision, Fetched, Known, Queued
from watcher.catalog.model import Event
from watcher.catalog.reading import UnreadableError, read
from watcher.config.settings import Channel, Config
from watcher.decide import after, decide
from watcher.rules.timing import free_at

if TYPE_CHECKING:
    from watcher.upstream.archive.members import Capture


class Replay:
    """Decides about one capture after the other, with a memory in place of a store."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.known = Known()

    def step(self, capture: "Capture") -> Decision:
        """Return the decision about the next capture; the first that is believed is the baseline."""
        try:
            fetched = Fetched(read([capture.body]))
        except UnreadableError as error:
            fetched = Fetched(error=str(error))
        return self.decide(capture.at, fetched)

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
    """The deliveries that wait for their time, in memory; each message is taken by its service at once.

    It does what `delivery.outbox` does when it is asked at every moment.
    """

    def __init__(self, channels: Sequence[Channel]) -> None:
        self._timings = {channel.name: channel.timing for channel in channels}
        self._sent: dict[str, list[datetime]] = {name: [] for name in self._timings}
        self.waiting: dict[str, list[Queued]] = {name: [] for name in self._timings}
        """Channel → the deliveries that were not sent."""

    def add(self, deliveries: Iterable[Queued]) -> None:
        """Queue what a poll decided, except heartbeats, which are no news."""
        for queued in deliveries:
            if queued.event.kind != "alive":
                self.waiting[queued.channel].append(queued)

    def send_before(self, end: datetime) -> list[Message]:
        """Return the messages that go before this moment, in the order of their times."""
        sent = [message for channel in self._timings for message in self._send(channel, end)]
        return sorted(sent, key=lambda message: message.at)

    def _send(self, channel: str, end: datetime) -> Iterator[Message]:
        timing, sent = self._timings[channel], self._sent[channel]

        def first(waiting: Sequence[Queued]) -> datetime:
            """Return when the first of these is due, but not before what was sent already."""
            return max([min(queued.due for queued in waiting), *sent[-1:]])

        while waiting := self.waiting[channel]:
            at, only = free_at(timing, sent, first(waiting)), waiting
            urgent = [queued for queued in waiting if queued.event.kind in timing.urgent]
            if urgent and first(urgent) < at:
                at, only = first(urgent), urgent
            if at >= end:
                return
            going = [queued for queued in only if queued.due <= at]
            self.waiting[channel] = [queued for queued in waiting if queued not in going]
            sent.append(at)
            yield Message(at, channel, [queued.event for queued in going])
