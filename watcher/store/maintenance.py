"""What the database needs once in a while: a look whether it is whole, and to be rid of what is too old.

Price history (`versions`) and events are never too old.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, delete, func, insert, select, update

from watcher.catalog.decision import Heartbeat
from watcher.store.documents import DamagedError
from watcher.store.glance import PING, PRUNING
from watcher.store.outbox import GIVEN_UP, SENT
from watcher.store.schema import alive, deliveries, polls, upkeep

_EMPTY = "found empty"
"""The name under which `upkeep` has since when a file is there that had nothing in it."""


class Maintenance:
    """Works on an open connection, inside its transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def last_pruned(self) -> datetime | None:
        """Return when `prune` was called last."""
        return self._connection.execute(select(upkeep.c.at).where(upkeep.c.name == PRUNING)).scalar()

    def prune(self, span: timedelta, now: datetime) -> None:
        """Forget polls and finished deliveries that are older than `span` (zero: none are), and note that it was done.

        What stays whatever its age: the first good poll and the last, imported ones (an import tells its past and the
        watcher's apart by them), and each channel's last delivery that was sent and that was given up.

        Raises:
            DamagedError: the database is not whole; nothing was written.
        """
        check_pages(self._connection)
        if span:
            self._forget(now - span)
        self._save(upkeep, {"name": PRUNING}, {"at": now})

    def note_empty(self, since: datetime) -> None:
        """Note that the file, which is there since then, had nothing in it when it became a database."""
        self._save(upkeep, {"name": _EMPTY}, {"at": since})

    def take_empty(self) -> bool:
        """Return whether the file was found empty, and forget it: it is said once."""
        return bool(self._connection.execute(delete(upkeep).where(upkeep.c.name == _EMPTY)).rowcount)

    def ping_trouble(self) -> tuple[datetime, str] | None:
        """Return since when the monitor cannot be called, and why; None: it can."""
        query = select(upkeep.c.at, upkeep.c.name).where(upkeep.c.name.startswith(PING))
        row = self._connection.execute(query).first()
        return None if row is None else (row.at, row.name.removeprefix(PING))

    def note_ping(self, trouble: str | None, now: datetime) -> None:
        """Note why the monitor cannot be called; None: it can."""
        self._connection.execute(delete(upkeep).where(upkeep.c.name.startswith(PING)))
        if trouble is not None:
            self._save(upkeep, {"name": PING + trouble}, {"at": now})

    def _forget(self, before: datetime) -> None:
        ours = polls.c.imported.is_(False)
        good = select(polls.c.id).where(ours, polls.c.outcome == "good")
        first = good.order_by(polls.c.at, polls.c.id).limit(1).scalar_subquery()
        last = good.order_by(polls.c.id.desc()).limit(1).scalar_subquery()
        either = (polls.c.id == first) | (polls.c.id == last)
        kept = self._connection.execute(select(polls.c.id).where(either)).scalars().all()
        self._connection.execute(delete(polls).where(ours, polls.c.at < before, polls.c.id.not_in(kept)))
        finished = deliveries.c.state.in_((SENT, GIVEN_UP))
        newest = select(func.max(deliveries.c.id)).where(finished).group_by(deliveries.c.channel, deliveries.c.state)
        old = func.coalesce(deliveries.c.sent, deliveries.c.failed, deliveries.c.created) < before
        self._connection.execute(delete(deliveries).where(finished, old, deliveries.c.id.not_in(newest)))

    # Heartbeats

    def heartbeats(self) -> dict[str, Heartbeat]:
        """Return how far the heartbeats of each channel have come."""
        return {row.channel: Heartbeat(row.seen_to, row.since) for row in self._connection.execute(select(alive))}

    def save_heartbeat(self, channel: str, state: Heartbeat) -> None:
        """Replace what `heartbeats` returns for a channel."""
        self._save(alive, {"channel": channel}, {"seen_to": state.seen_to, "since": state.since})

    def _save(self, where: Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        is_it = [where.c[name] == value for name, value in key.items()]
        done = self._connection.execute(update(where).where(*is_it).values(**values))
        if not done.rowcount:
            self._connection.execute(insert(where).values(**key, **values))


def check_pages(connection: Connection) -> None:
    """Read every page of an SQLite database: 2 ms a MB.

    Raises:
        DamagedError: one of them is not what it should be.
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA shrink_memory")  # as they are on the disk, not as they were read before
        found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        if found != "ok":
            raise DamagedError(str(found))
