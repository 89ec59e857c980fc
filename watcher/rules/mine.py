"""Which models are mine: those that `[mine]` names, and those whose ids a scan of its `paths` found."""

from collections.abc import Collection, Iterable, Sequence
from glob import escape

from msgspec.structs import replace

from watcher.config.mine import MINE, MineSettings
from watcher.config.settings import Channel
from watcher.rules.rules import named


def my_models(known: Iterable[str], settings: MineSettings, found: Collection[str]) -> list[str]:
    """Return which of these ids are mine. `found` are the ids in `paths`: `Known.mine`, or `State.found_models`."""
    patterns = (*settings.models, *map(escape, settings.tokens))
    return [model for model in known if model in found or named(patterns, model)]


def with_my_models(channels: Sequence[Channel], settings: MineSettings, found: Collection[str]) -> tuple[Channel, ...]:
    """Return the channels with the patterns that `@mine` stands for in its place."""
    mine = (*settings.models, *map(escape, settings.tokens), *map(escape, sorted(found)))

    def spelled(patterns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(each for pattern in patterns for each in (mine if pattern == MINE else (pattern,)))

    return tuple(
        replace(
            channel,
            rules=replace(channel.rules, models=spelled(channel.rules.models), exclude=spelled(channel.rules.exclude)),
        )
        for channel in channels
    )
