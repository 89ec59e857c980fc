"""The shortcut of an unchanged check: it asks SQLite directly, because importing SQLAlchemy would be most of the work.

Nothing depends on this file: where `glance` returns None, `cycle.py` takes the way through `Session`, with the same
result. tests/test_shortcut.py holds it to that.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from msgspec.structs import astuple

from watcher.catalog.decision import Heartbeat, Known, SourceState
from watcher.catalog.health import Health
from watcher.store.documents import DamagedError, unpack
from watcher.store.records import LONGEST_WAIT, REVISIONS, SLACK, Poll

_WAITING = """
    SELECT 1 FROM deliveries
    WHERE state = 'pending' AND (
        next_attempt <= :now OR next_attempt <= created OR last_error IS NOT NULL
        OR created > :skewed OR next_attempt > :never
    ) LIMIT 1
"""
_HEARTBEATS = "SELECT channel, seen_to, since FROM alive"
_LAST_PRUNED = "SELECT at FROM upkeep WHERE name = 'keep'"
_PING = "SELECT 1 FROM upkeep WHERE name LIKE 'ping: %'"
_LAST_POLL = "SELECT at FROM polls WHERE NOT imported AND outcome <> 'overtaken' ORDER BY id DESC LIMIT 1"
_ADD_POLL = f"""
    INSERT INTO polls ({", ".join(Poll.__struct_fields__)}, imported)
    VALUES ({", ".join("?" for _ in Poll.__struct_fields__)}, 0)
"""  # noqa: S608 - names of ours


def glance(
    path: Path, busy_seconds: float, now: datetime, unchanged: Callable[[Known], Poll | None], *, check: bool
) -> Poll | None:
    """Record a poll that leaves nothing to do, and return it; None: nothing was written, look properly.

    None is also the answer to anything odd: another schema, a damaged or locked file, no file at all. `unchanged`
    returns the poll to record, or None if there is something to do after all. `check`: read all pages before writing.
    """
    address = f"file:{quote(str(path))}?mode=rw"  # never creates the file
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=busy_seconds, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            known = _known(connection, now)
            poll = None if known is None else unchanged(known)
            if poll is None:
                return None
            connection.execute("BEGIN IMMEDIATE")
            if check and connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                return None
            values = [_text(value) if isinstance(value, datetime) else value for value in astuple(poll)]
            connection.execute(_ADD_POLL, values)
            connection.execute("COMMIT")
            return poll
    except (sqlite3.Error, DamagedError, ValueError):
        return None


def _known(connection: sqlite3.Connection, now: datetime) -> Known | None:
    """Return what `Session.known` would, as far as a check needs it; None if a delivery waits or a ping failed."""
    if connection.execute("SELECT version_num FROM alembic_version").fetchone() != (REVISIONS[-1],):
        return None
    times = {"now": _text(now), "skewed": _text(now + SLACK), "never": _text(now + LONGEST_WAIT)}
    if connection.execute(_WAITING, times).fetchone() is not None or connection.execute(_PING).fetchone() is not None:
        return None
    return Known(
        list=_source(connection, "list"),
        feed=_source(connection, "feed"),
        heartbeats={
            channel: Heartbeat(_moment(seen_to), _moment(since))
            for channel, seen_to, since in connection.execute(_HEARTBEATS)
        },
        last_poll=next((_moment(at) for (at,) in connection.execute(_LAST_POLL)), None),
        mine=frozenset(model for (model,) in connection.execute("SELECT model FROM found")),
        last_pruned=next((_moment(at) for (at,) in connection.execute(_LAST_PRUNED)), None),
    )


def _source(connection: sqlite3.Connection, name: str) -> SourceState:
    query = "SELECT query, policy, digest, models, next_due, health FROM sources WHERE name = ?"
    row = connection.execute(query, (name,)).fetchone()
    if row is None:
        return SourceState()
    query, policy, digest, models, next_due, health = row
    due = None if next_due is None else _moment(next_due)
    return SourceState(query, policy, digest, models, due, unpack(health, Health))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _text(moment: datetime) -> str:
    """Return the moment as SQLAlchemy writes it, so that both sort the same."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
