"""The page that tells whether the watching works, without addresses, paths and secrets."""

from typing import Any

from msgspec.structs import asdict

from watcher.catalog.model import HEALTH_KINDS
from watcher.status import CHANNEL, HEALTHY, channel_conditions, condition, next_poll, oldest_good, read_status
from watcher.store.store import Store
from watcher.web.changes import Filter
from watcher.web.pages.page import Asking, Page


def status_page(asking: Asking, store: Store) -> Page:
    """Return what `watcher status` says."""
    found = read_status(store, asking.session, asking.config, asking.now)
    names = [channel.name for channel in asking.config.channels]
    works = condition(found, names, asking.now, oldest_good(asking.config, asking.now))
    data: dict[str, Any] = {
        "healthy": works == HEALTHY,
        "last_poll": found.last,
        "last_good": found.last_good,
        "next_poll": next_poll(found.last, asking.config),
        "source": found.health,
        "models": found.models,
        "channels": [
            {"name": name, **asdict(one), "fails": one.fails}
            for name, one in channel_conditions(found, asking.config).items()
        ],
        "ping": None if found.ping is None else {"failing_since": found.ping[0], "reason": found.ping[1]},
        "database": {"bytes": found.size or 0},
    }
    more = {"runs": found.runs, "channel_fails": works == CHANNEL, "gaps": list(found.health.gaps.lines().values())}
    return Page("status", "Status", data, more, feed=Filter(kinds=HEALTH_KINDS).query, lasts=False)
