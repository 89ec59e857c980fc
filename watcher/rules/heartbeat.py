"""Heartbeats: a channel can ask to be told, at times of its own, that the watcher still runs.

    poll → has a time passed since the last one? → event → delivery for that channel     in the poll's transaction

The first poll after a time queues the heartbeat and notes that the time is done. So there is one, whichever process
polls, and one after a pause, however many times have passed.
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
    """Return the channels with a new wish for heartbeats, or with a time for one that has passed."""
    return [channel for channel in channels if channel.timing.alive and _is_due(channel, known.get(channel.name), now)]


def _is_due(channel: Channel, known: Heartbeat | None, now: datetime) -> bool:
    return known is None or _is_of_wrong_clock(channel, known, now) or _next_time(channel, known.seen_to) <= now


def _is_of_wrong_clock(channel: Channel, known: Heartbeat, now: datetime) -> bool:
    # A clock that was put right by a little must not repeat a time, nor one that was far ahead silence the channel.
    return known.seen_to > min(now + DAY, _next_time(channel, _next_time(channel, now)))


def _next_time(channel: Channel, moment: datetime) -> datetime:
    assert channel.timing.alive is not None
    return slot_after(channel.timing.alive, channel.timing.zone, moment)


def decide_heartbeats(
    channels: Sequence[Channel], known: Known, decision: Decision, now: datetime
) -> tuple[dict[str, Heartbeat], tuple[Queued, ...]]:
    """Return how far the heartbeats of the channels that are due have come, and those to send.

    A channel gets its first one at the first time after it asked. While one waits to be sent, no other is queued.
    """
    heartbeats: dict[str, Heartbeat] = {}
    queued: list[Queued] = []
    new = sum(event.kind in CHANGE_KINDS for event in decision.events)
    for channel in due(channels, known.heartbeats, now):
        name, before = channel.name, known.heartbeats.get(channel.name)
        if before is not None and not _is_of_wrong_clock(channel, before, now):
            if name in known.heartbeats_waiting:
                heartbeats[name] = replace(before, seen_to=now)
                continue
            changes = known.changes.get(name, 0) + new
            event = heartbeat_event(decision.list.models, changes, decision.reason, now, before.since)
            queued.append(Queued(name, event, due_at(channel.timing, event.kind, now)))
        heartbeats[name] = Heartbeat(now, now)
    return heartbeats, tuple(queued)
