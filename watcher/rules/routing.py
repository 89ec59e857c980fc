"""Queueing each event for each channel that wants it, with the old prices that the channel knows."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from watcher.catalog.decision import Acknowledgement, ChannelPrices, Queued
from watcher.catalog.model import Event
from watcher.config.settings import Channel
from watcher.mine.cost import Use
from watcher.rules.acknowledged import holds, is_known_end
from watcher.rules.rules import apply_min_change, wants
from watcher.rules.timing import due_at


def route(
    channels: Sequence[Channel],
    events: Sequence[Event],
    prices: ChannelPrices,
    now: datetime,
    *,
    used: Mapping[str, Use] = {},
    acknowledged: Mapping[str, Acknowledgement] = {},
) -> tuple[tuple[Queued, ...], ChannelPrices]:
    """Return what is queued for the channels, and the changed entries of `prices`.

    By model, `used` is how much the user needs of it, and `acknowledged` what the user knows of it.
    """
    acknowledged = {model: known for model, known in acknowledged.items() if holds(known, now)}
    events = [event for event in events if not is_known_end(acknowledged.get(event.model or ""), event)]
    queued: list[Queued] = []
    changed: dict[tuple[str, str], dict[str, str]] = {}
    for channel in channels:
        due = {kind: due_at(channel.timing, kind, now) for kind in {event.kind for event in events}}
        for event in events:
            if not wants(channel.rules, event):
                continue
            model = event.model or ""
            key = channel.name, model
            before = changed.get(key, prices.get(key, {}))
            adjusted, after = apply_min_change(channel.rules, event, before, used.get(model), acknowledged.get(model))
            if event.model and after != before:
                changed[key] = after
            if adjusted is not None:
                queued.append(Queued(channel.name, adjusted, due[event.kind], reworded=adjusted != event))
    return tuple(queued), changed
