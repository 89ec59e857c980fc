"""What the database needs once in a while: a check of its pages, and the deletion of old rows.

Price history (`versions`) and events are never deleted.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, select

from watcher.catalog.decision import Heartbeat
from watcher.store.documents import DamagedError
from watcher.store.outbox import GIVEN_UP, SENT
from watcher.store.rows import Rows
from watcher.store.schema import deliveries, heartbeats, maintenance, polls

PRUNED = "keep"
"""The row of the table that says when `prune` was called last."""
EMPTY = "found empty"
"""The one that says that the file was there, with nothing in it, when it became a database."""
ENDPOINTS = "endpoints"
"""The one that says until when the source does not want to be asked for endpoints."""
_PING = "ping: "
"""The one that says since when the monitor of `[health]` cannot be called, with the reason after the colon."""


class Maintenance(Rows):
    """Checks and prunes, and remembers heartbeats."""

    def noted(self, name: str) -> datetime | None:
        """Return the moment in a row of the table; None if there is no such row."""
        return self._scalar(select(maintenance.c.at).where(maintenance.c.name == name))

    def note(self, name: str, at: datetime) -> None:
        """Replace what `noted` returns."""
        self._save(maintenance, {"name": name}, {"at": at})

    def prune(self, span: timedelta, now: datetime) -> None:
        """Delete polls and finished deliveries that are older than `span` (zero: none), and note that it was done.

        Some stay whatever their age: the first good poll and the last, and imported ones (an import tells its past from
        the watcher's by them); and each channel's last one that was sent, and that was given up. Raises DamagedError.
        """
        check_pages(self._connection)
        self.note(PRUNED, now)
        if not span:
            return
        before = now - span
        ours = polls.c.imported.is_(False)
        good = select(polls.c.id).where(ours, polls.c.outcome == "good")
        first = self._scalar(good.order_by(polls.c.at, polls.c.id).limit(1))
        last = self._scalar(good.order_by(polls.c.id.desc()).limit(1))
        keep = [number for number in (first, last) if number is not None]
        self._connection.execute(delete(polls).where(ours, polls.c.at < before, polls.c.id.not_in(keep)))
        finished = deliveries.c.state.in_((SENT, GIVEN_UP))
        newest = select(func.max(deliveries.c.id)).where(finished).group_by(deliveries.c.channel, deliveries.c.state)
        old = func.coalesce(deliveries.c.sent, deliveries.c.failed, deliveries.c.created) < before
        self._connection.execute(delete(deliveries).where(finished, old, deliveries.c.id.not_in(newest)))

    def ping_trouble(self) -> tuple[datetime, str] | None:
        """Return since when the monitor cannot be called, and why; None: it can."""
        query = select(maintenance.c.at, maintenance.c.name).where(maintenance.c.name.startswith(_PING))
        row = self._connection.execute(query).first()
        return None if row is None else (row.at, row.name.removeprefix(_PING))

    def note_ping(self, trouble: str | None, now: datetime) -> None:
        """Note why the monitor cannot be called; None: it can."""
        self._connection.execute(delete(maintenance).where(maintenance.c.name.startswith(_PING)))
        if trouble is not None:
            self.note(_PING + trouble, now)

    def take_empty(self) -> bool:
        """Return whether the file was found empty, and forget it, so that it is reported once."""
        return bool(self._connection.execute(delete(maintenance).where(maintenance.c.name == EMPTY)).rowcount)

    def heartbeats(self) -> dict[str, Heartbeat]:
        """Return how far the heartbeats of each channel have come."""
        return {row.channel: Heartbeat(row.seen_to, row.since) for row in self._connection.execute(select(heartbeats))}

    def save_heartbeat(self, channel: str, state: Heartbeat) -> None:
        """Replace what `heartbeats` returns for a channel."""
        self._save(heartbeats, {"channel": channel}, {"seen_to": state.seen_to, "since": state.since})


def check_pages(connection: Connection) -> None:
    """Read every page of an SQLite database: 2 ms a MB. Raises DamagedError."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA shrink_memory")  # read the disk, not the cache
        found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        if found != "ok":
            raise DamagedError(str(found))
