"""Who is told what: each event for each channel that wants it, in the words that fit what that channel knows."""

from collections.abc import Sequence
from datetime import datetime

from watcher.catalog.decision import ChannelPrices, Queued
from watcher.catalog.model import Event
from watcher.config.settings import Channel
from watcher.rules.rules import apply_min_change, wants
from watcher.rules.timing import due_at


def route(
    channels: Sequence[Channel], events: Sequence[Event], prices: ChannelPrices, now: datetime
) -> tuple[tuple[Queued, ...], ChannelPrices]:
    """Return what is queued for the channels, and the prices that a channel was told, where they are not as before.

    Args:
        channels: all of them.
        events: what was announced.
        prices: what channels with a `min_change` of their own were last told.
        now: the time of the poll (UTC).
    """
    queued: list[Queued] = []
    changed: dict[tuple[str, str], dict[str, str]] = {}
    for channel in channels:
        due = {kind: due_at(channel.timing, kind, now) for kind in {event.kind for event in events}}
        for event in events:
            if not wants(channel.rules, event):
                continue
            key = channel.name, event.model or ""
            known = changed.get(key, prices.get(key, {}))
            adjusted, kept = apply_min_change(channel.rules, event, known)
            if event.model and kept != known:
                changed[key] = kept
            if adjusted is not None:
                queued.append(Queued(channel.name, adjusted, due[event.kind], reworded=adjusted != event))
    return tuple(queued), changed
