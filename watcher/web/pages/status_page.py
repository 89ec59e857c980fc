"""The page that tells whether the watching works, without addresses, paths and secrets."""

from msgspec.structs import asdict

from watcher.catalog.model import HEALTH_KINDS
from watcher.status import CHANNEL, read_status
from watcher.store.store import Store
from watcher.web.changes import Filter
from watcher.web.pages.page import Asking, Page


def status_page(asking: Asking, store: Store) -> Page:
    """Return what `watcher status` says."""
    found = read_status(store, asking.session, asking.config, asking.now)
    data = {
        **found.as_json(),
        "channels": [{"name": name, **asdict(one), "fails": one.fails} for name, one in found.channels.items()],
        "database": {"bytes": found.size or 0},
    }
    gaps = list(found.health.gaps.lines().values())
    more = {"status": found, "channel_fails": found.works == CHANNEL, "gaps": gaps}
    return Page("status", "Status", data, more, feed=Filter(kinds=HEALTH_KINDS).query, lasts=False)
