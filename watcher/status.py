"""Whether the source, the channels and the database work, as `watcher status` and the page of that name say it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct

from watcher.catalog.health import Health
from watcher.config.settings import Config, HealthSettings
from watcher.store.file import is_running
from watcher.store.records import SLACK, Poll

if TYPE_CHECKING:
    from watcher.store.outbox import Condition
    from watcher.store.session import Session
    from watcher.store.store import Store

HEALTHY, SOURCE, CHANNEL = 0, 69, 75
"""What works: all; not the source; not a channel. They are exit codes, too."""
_OLDEST = timedelta(days=2)
"""The last good poll may be this old if nobody says otherwise: assume at least one check a day."""


class Status(Struct, frozen=True):
    """What the database says."""

    database: str
    size: int | None = None
    """None: there is none yet."""
    runs: bool = False
    """Whether `watcher run` uses it."""
    last: Poll | None = None
    last_good: datetime | None = None
    health: Health = Health()
    models: int = 0
    channels: "Mapping[str, Condition]" = {}
    """Each channel that something was ever queued for."""
    ping: tuple[datetime, str] | None = None
    """Since when the monitor cannot be called, and why."""
    failing: Mapping[str, str] = {}
    """Why the endpoints of models of mine were not read."""


def read_status(store: "Store", session: "Session", config: Config, now: datetime) -> Status:
    """Return what the database says."""
    asked = session.endpoints.asked() if config.source.endpoints == "mine" else {}
    recent = {model: one for model, one in asked.items() if one.asked >= oldest_good(config, now)}
    return Status(
        store.name,
        store.size or 0,
        store.file is not None and is_running(store.file),
        last=session.state.last_poll(),
        last_good=session.state.last_good(),
        health=session.state.source("list").health,
        models=session.history.present(),
        channels=session.outbox.conditions(now),
        ping=session.maintenance.ping_trouble() if config.health != HealthSettings() else None,
        failing={model: one.error for model, one in recent.items() if one.error is not None},
    )


def channel_conditions(found: Status, config: Config) -> "dict[str, Condition]":
    """Return the condition of each configured channel, then of others for which something waits."""
    from watcher.store.outbox import Condition

    names = [channel.name for channel in config.channels]
    others = [name for name, one in sorted(found.channels.items()) if one.pending and name not in names]
    return {name: found.channels.get(name, Condition()) for name in (*names, *others)}


def next_poll(last: Poll | None, config: Config) -> datetime | None:
    """Return when the source is polled next; None if it never was."""
    return None if last is None else max(last.at + config.source.interval, last.not_before or last.at)


def oldest_good(config: Config, now: datetime) -> datetime:
    """Return the oldest time of a good poll at which all is well."""
    return now - max(_OLDEST, 3 * config.source.interval)


def condition(found: Status, names: Sequence[str], now: datetime, oldest: datetime) -> int:
    """Return what works, given the names of the configured channels and the oldest healthy poll."""
    if found.last is None or found.last.outcome != "good" or found.health.gaps.suspect:
        return SOURCE
    if found.last_good is None or not oldest <= found.last_good <= now + SLACK:
        return SOURCE
    return CHANNEL if any(found.channels[name].fails for name in names if name in found.channels) else HEALTHY
