"""Signs of life: a channel can ask to be told, at times of its own, that the watching goes on.

    poll → has a time passed since the last one? → event → delivery for that channel     in the poll's transaction

Who polls first after the time queues it, and notes how far it has come. So it comes once, whatever else runs, and once
after a pause, however many times have passed.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec.structs import replace

from watcher.catalog.event import heartbeat_event
from watcher.config.settings import Channel
from watcher.rules.timing import DAY, due_at, slot_after
from watcher.store.records import Heartbeat, Queued

if TYPE_CHECKING:
    from watcher.store.session import Session


def due(channels: Sequence[Channel], known: Mapping[str, Heartbeat], now: datetime) -> list[Channel]:
    """Return the channels that something is to be done for: a time for a sign of life has passed, or they are new."""
    return [channel for channel in channels if channel.timing.alive and _is_due(channel, known.get(channel.name), now)]


def _is_due(channel: Channel, known: Heartbeat | None, now: datetime) -> bool:
    assert channel.timing.alive is not None
    if known is None or _is_of_wrong_clock(channel, known, now):
        return True
    return slot_after(channel.timing.alive, channel.timing.zone, known.seen_to) <= now


def _is_of_wrong_clock(channel: Channel, known: Heartbeat, now: datetime) -> bool:
    # A clock that was put right by a little must not make a time come twice, nor one that was far ahead silence us.
    assert channel.timing.alive is not None
    following = slot_after(channel.timing.alive, channel.timing.zone, now)
    return known.seen_to > min(now + DAY, slot_after(channel.timing.alive, channel.timing.zone, following))


def queue(
    session: "Session", channels: Sequence[Channel], models: int, trouble: str | None, now: datetime
) -> tuple[str, ...]:
    """Queue what is due, and return the names of the channels that get one.

    A channel gets its first one at the first time after it asked. While one waits to be sent there is no other: a
    channel that is back after days is told once.

    Args:
        session: where all is remembered.
        channels: all of them.
        models: how many are watched.
        trouble: why the last poll was not good, if it was not.
        now: the time of the poll (UTC).
    """
    known = session.maintenance.alive()
    found = due(channels, known, now)
    if not found:
        return ()
    waiting = {row.channel for row in session.outbox.listed(states=["pending"]) if row.event.kind == "alive"}
    told = []
    for channel in found:
        before = known.get(channel.name)
        after = Heartbeat(now, now)
        if before is not None and not _is_of_wrong_clock(channel, before, now):
            if channel.name in waiting:
                after = replace(before, seen_to=now)
            else:
                _tell(session, channel, models, trouble, now, before.since)
                told.append(channel.name)
        session.maintenance.save_alive(channel.name, after)
    return tuple(told)


def _tell(
    session: "Session", channel: Channel, models: int, trouble: str | None, now: datetime, since: datetime
) -> None:
    event = heartbeat_event(models, session.history.changes(since, now), trouble, now, since)
    session.state.add_events((event,))
    session.outbox.add([Queued(channel.name, event, due_at(channel.timing, event.kind, now))], now)
