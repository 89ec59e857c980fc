"""Heartbeats: a channel can ask to be told, at times of its own, that the watching goes on.

    poll → has a time passed since the last one? → event → delivery for that channel     in the poll's transaction

The first poll after the time queues it, and notes how far it has come. So it comes once, whatever else runs, and once
after a pause, however many times have passed.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec.structs import replace

from watcher.catalog.decision import Decision, Heartbeat, Known, Queued
from watcher.catalog.event import heartbeat_event
from watcher.catalog.model import CHANGE_KINDS
from watcher.config.settings import Channel
from watcher.rules.timing import DAY, due_at, slot_after


def due(channels: Sequence[Channel], known: Mapping[str, Heartbeat], now: datetime) -> list[Channel]:
    """Return the channels that something is to be done for: a time for a heartbeat has passed, or they are new."""
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


def decide_heartbeats(
    channels: Sequence[Channel], known: Known, decision: Decision, now: datetime
) -> tuple[dict[str, Heartbeat], tuple[Queued, ...]]:
    """Return how far the heartbeats of the channels that are due have come, and those to send.

    A channel gets its first one at the first time after it asked. While one waits to be sent there is no other: a
    channel that is back after days is told once.

    Args:
        channels: all of them.
        known: what is remembered; its `changes` do not count those of this poll.
        decision: what this poll came to.
        now: the time of the poll (UTC).
    """
    heartbeats: dict[str, Heartbeat] = {}
    queued: list[Queued] = []
    new = sum(event.kind in CHANGE_KINDS for event in decision.events)
    for channel in due(channels, known.heartbeats, now):
        before = known.heartbeats.get(channel.name)
        heartbeats[channel.name] = Heartbeat(now, now)
        if before is None or _is_of_wrong_clock(channel, before, now):
            continue
        if channel.name in known.heartbeats_waiting:
            heartbeats[channel.name] = replace(before, seen_to=now)
            continue
        changes = known.changes.get(channel.name, 0) + new
        event = heartbeat_event(decision.list.models, changes, decision.reason, now, before.since)
        queued.append(Queued(channel.name, event, due_at(channel.timing, event.kind, now)))
    return heartbeats, tuple(queued)
