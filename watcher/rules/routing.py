"""Queueing each event for each channel that wants it, with the old prices that the channel knows."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from watcher.catalog.decision import ChannelPrices, Queued
from watcher.catalog.model import Event, Provider
from watcher.config.settings import Channel
from watcher.rules.rules import apply_min_change, subject, wants
from watcher.rules.timing import due_at


def route(
    channels: Sequence[Channel],
    events: Sequence[Event],
    prices: ChannelPrices,
    now: datetime,
    offering: Mapping[str, Sequence[Provider]] = {},
) -> tuple[tuple[Queued, ...], ChannelPrices]:
    """Return what is queued for the channels, and the changed entries of `prices`.

    `offering`: who offers each model whose endpoints are known.
    """
    queued: list[Queued] = []
    changed: dict[tuple[str, str], dict[str, str]] = {}
    for channel in channels:
        due = {kind: due_at(channel.timing, kind, now) for kind in {event.kind for event in events}}
        for event in events:
            if not wants(channel.rules, event, offering.get(event.model or "", ())):
                continue
            key = channel.name, subject(event)
            before = changed.get(key, prices.get(key, {}))
            adjusted, after = apply_min_change(channel.rules, event, before)
            if event.model and after != before:
                changed[key] = after
            if adjusted is not None:
                queued.append(Queued(channel.name, adjusted, due[event.kind], reworded=adjusted != event))
    return tuple(queued), changed
