"""Who is told what: each event for each channel that wants it, in the words that fit what that channel knows."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from watcher.catalog.model import Event
from watcher.config.settings import Channel
from watcher.rules.rules import apply_min_change, wants


class Memory(Protocol):
    """Remembers the prices a channel was last told, where its `min_change` kept it from hearing of later ones."""

    def told(self, channel: str, model: str) -> Mapping[str, str]:
        """Return price key → price for a model."""

    def save_told(self, channel: str, model: str, prices: Mapping[str, str]) -> None:
        """Replace what `told` returns."""


class Told(Memory):
    """A memory that lasts as long as the process, for a replay."""

    def __init__(self) -> None:
        self._prices: dict[tuple[str, str], Mapping[str, str]] = {}

    def told(self, channel: str, model: str) -> Mapping[str, str]:
        """Return price key → price for a model."""
        return self._prices.get((channel, model), {})

    def save_told(self, channel: str, model: str, prices: Mapping[str, str]) -> None:
        """Replace what `told` returns."""
        self._prices[channel, model] = prices


def route(channels: Sequence[Channel], events: Sequence[Event], memory: Memory) -> Iterator[tuple[str, Event, Event]]:
    """Yield (channel, event, the event as that channel is told of it) for every event that a channel wants."""
    for channel in channels:
        for event in events:
            if not wants(channel.rules, event):
                continue
            told = memory.told(channel.name, event.model) if event.model else {}
            adjusted, kept = apply_min_change(channel.rules, event, told)
            if event.model and kept != told:
                memory.save_told(channel.name, event.model, kept)
            if adjusted is not None:
                yield channel.name, event, adjusted
