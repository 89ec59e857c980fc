"""Whether the source, the channels and the database work, as `watcher status` and the page of that name say it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from msgspec import Struct, to_builtins

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
    channels: "Mapping[str, Condition]"
    """Each configured channel, then others for which something waits."""
    works: int = SOURCE
    """`HEALTHY`, `SOURCE` or `CHANNEL`."""
    size: int | None = None
    """None: there is none yet."""
    runs: bool = False
    """Whether `watcher run` uses it."""
    last: Poll | None = None
    last_good: datetime | None = None
    next_poll: datetime | None = None
    """When the source is polled next; None if it never was."""
    health: Health = Health()
    models: int = 0
    ping: tuple[datetime, str] | None = None
    """Since when the monitor cannot be called, and why."""
    failing: Mapping[str, str] = {}
    """Why the endpoints of models of mine were not read."""

    def as_json(self) -> dict[str, Any]:
        """Return what anybody may know of it as a document: no addresses, paths and secrets."""
        source = to_builtins(self.health, builtin_types=(datetime,))
        if self.health.gaps.suspect:
            source["gaps"]["suspect"] = self.health.gaps.suspect
        return {
            "healthy": self.works == HEALTHY,
            "last_poll": self.last,
            "last_good": self.last_good,
            "next_poll": self.next_poll,
            "source": source,
            "models": self.models,
            "ping": None if self.ping is None else {"failing_since": self.ping[0], "reason": self.ping[1]},
        }


def read_status(
    store: "Store", session: "Session | None", config: Config, now: datetime, oldest: datetime | None = None
) -> Status:
    """Return what the database says; without a session there is none.

    All can be well only if there was a good poll since `oldest`, or by default since `oldest_good`.
    """
    from watcher.store.outbox import Condition

    conditions = {} if session is None else session.outbox.conditions(now)
    channels = {channel.name: conditions.get(channel.name, Condition()) for channel in config.channels}
    failing = any(one.fails for one in channels.values())
    channels |= {name: one for name, one in sorted(conditions.items()) if one.pending and name not in channels}
    if session is None:
        return Status(store.name, channels)
    last, last_good = session.state.last_poll(), session.state.last_good()
    health = session.state.source("list").health
    well = last is not None and last.outcome == "good" and not health.gaps.suspect
    recent = last_good is not None and (oldest or oldest_good(config, now)) <= last_good <= now + SLACK
    asked = session.endpoints.asked() if config.source.endpoints == "mine" else {}
    return Status(
        store.name,
        channels,
        SOURCE if not (well and recent) else CHANNEL if failing else HEALTHY,
        store.size or 0,
        store.file is not None and is_running(store.file),
        last,
        last_good,
        None if last is None else max(last.at + config.source.interval, last.not_before or last.at),
        health,
        models=session.history.present(),
        ping=session.maintenance.ping_trouble() if config.health != HealthSettings() else None,
        failing={
            model: one.error
            for model, one in asked.items()
            if one.error is not None and one.asked >= oldest_good(config, now)
        },
    )


def oldest_good(config: Config, now: datetime) -> datetime:
    """Return the oldest time of a good poll at which all is well."""
    return now - max(_OLDEST, 3 * config.source.interval)
