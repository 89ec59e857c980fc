"""Sending what waits: one message a channel, and each outcome stored before the next channel is tried."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct

from watcher.catalog.model import Event
from watcher.config.settings import Channel

if TYPE_CHECKING:
    from watcher.alerts.channel import Result
    from watcher.store.store import Store

LEASE = timedelta(minutes=2)
"""How long a claim keeps other processes from a delivery; longer than a channel may take."""

Send = Callable[[Channel, Sequence[Event]], "Result"]
"""Send events to a channel and tell what became of them; it never raises for what a service does."""


class Attempt(Struct, frozen=True):
    """One message to one channel."""

    channel: str
    state: str
    """`sent`, or `pending` for what will be tried again at the next check."""
    events: tuple[str, ...]
    detail: str


def drain(store: "Store", channels: Sequence[Channel], send: Send, *, clock: Callable[[], datetime]) -> list[Attempt]:
    """Send what is due to each channel, and return what became of it.

    A channel that fails holds back none of the others: its deliveries stay, and are due at the next check.
    """
    seen = store.glance()
    if seen is not None and not seen.waiting:
        return []
    with store.reading() as session:
        waiting = session.outbox.pending()
    return [
        attempt
        for channel in channels
        if channel.name in waiting
        for attempt in _drain_one(store, channel, send, clock)
    ]


def _drain_one(store: "Store", channel: Channel, send: Send, clock: Callable[[], datetime]) -> list[Attempt]:
    with store.writing() as session:
        deliveries = session.outbox.claim(channel.name, clock(), LEASE)
    if not deliveries:
        return []
    result = send(channel, [delivery.event for delivery in deliveries])
    accepted = [d for d in deliveries if result.ok or d.event.id in result.delivered]
    refused = [d for d in deliveries if d not in accepted]
    with store.writing() as session:
        session.outbox.mark_sent([delivery.id for delivery in accepted], clock())
        session.outbox.mark_failed([delivery.id for delivery in refused], clock(), result.detail)
    return [
        Attempt(channel.name, state, tuple(delivery.event.id for delivery in some), result.detail)
        for state, some in (("sent", accepted), ("pending", refused))
        if some
    ]
