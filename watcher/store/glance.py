"""The cheap look of an unchanged check: the standard library's SQLite, for what most polls come to.

Importing SQLAlchemy costs more than all else that such a check does. So these few questions are asked without it; in
every case but the plain one (another version of the schema, a database that cannot be used, one that is not
SQLite) the answer is "not here", and the way through `Session` decides, errors included.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from watcher.catalog.decision import Heartbeat, Known, SourceState
from watcher.catalog.health import Health
from watcher.store.documents import DamagedError, unpack
from watcher.store.records import Poll
from watcher.store.revisions import REVISIONS

PRUNING = "keep"
"""The name under which the table `upkeep` has when the database was last rid of what is too old."""
PING = "ping: "
"""How the name of the row begins that has why the monitor of `[health]` cannot be called, and since when."""
DAY = timedelta(days=1)
SLACK = timedelta(minutes=5)
"""Clocks differ by less; what is later than now by more was written by one that was wrong."""
LONGEST_WAIT = timedelta(days=9)
"""Nothing is put off further: the next weekly digest, and the quiet hours that it may fall into."""

_PREFIX = "sqlite:///"
_SOURCE = """
    SELECT query, policy, digest, models, next_due, health FROM sources WHERE name = ?
"""
_WAITING = """
    SELECT 1 FROM deliveries
    WHERE state = 'pending' AND (
        next_attempt <= :now OR next_attempt <= created OR last_error IS NOT NULL
        OR created > :skewed OR next_attempt > :never
    ) LIMIT 1
"""
_HEARTBEATS = "SELECT channel, seen_to, since FROM alive"
_PRUNED = "SELECT at FROM upkeep WHERE name = ?"
_PING = "SELECT name FROM upkeep WHERE substr(name, 1, ?) = ?"
_LAST_POLL = "SELECT at FROM polls WHERE NOT imported AND outcome <> 'overtaken' ORDER BY id DESC LIMIT 1"
_IDS = "SELECT id FROM models WHERE substr(id, 1, ?) = ? ORDER BY id LIMIT ?"
_NOTE = """
    INSERT INTO polls (at, outcome, models, events, milliseconds, reason, feed, not_before, imported)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)
"""


def glance(url: str, busy_seconds: float, now: datetime) -> Known | None:
    """Return what an unchanged check needs to know, as `Session.known` does; None where only that can tell."""
    try:
        with _connected(url, busy_seconds) as connection:
            (version,) = connection.execute("SELECT version_num FROM alembic_version").fetchone() or (None,)
            if version != REVISIONS[-1]:
                return None
            times = {"now": now, "skewed": now + SLACK, "never": now + LONGEST_WAIT}
            waiting = connection.execute(_WAITING, {name: _text(at) for name, at in times.items()}).fetchone()
            return Known(
                list=_source(connection, "list"),
                feed=_source(connection, "feed"),
                heartbeats={
                    channel: Heartbeat(_moment(seen_to), _moment(since))
                    for channel, seen_to, since in connection.execute(_HEARTBEATS)
                },
                last_poll=next((_moment(at) for (at,) in connection.execute(_LAST_POLL)), None),
                last_pruned=next((_moment(at) for (at,) in connection.execute(_PRUNED, (PRUNING,))), None),
                waiting=waiting is not None,
            )
    except (sqlite3.Error, DamagedError, ValueError):
        return None


def note(url: str, busy_seconds: float, poll: Poll, *, check: bool) -> bool:
    """Record a poll, with `check` after reading all pages.

    False: nothing was written, and it is for `Session` to do it or to say why not.
    """
    try:
        with _writing(url, busy_seconds, check=check) as connection:
            connection.execute(_NOTE, _row(poll))
    except (sqlite3.Error, ValueError):
        return False
    return True


def ping_trouble(url: str, busy_seconds: float) -> str | None:
    """Return why the monitor could not be called, as noted last; None: it could.

    Raises sqlite3.Error, and ValueError where the database is not a file.
    """
    with _connected(url, busy_seconds) as connection:
        return next((name[len(PING) :] for (name,) in connection.execute(_PING, (len(PING), PING))), None)


def model_ids(url: str, busy_seconds: float, start: str, most: int) -> list[str]:
    """Return the ids of models that begin so, at most so many, in their order; nothing is made or migrated.

    Raises sqlite3.Error, and ValueError where the database is not a file.
    """
    with _connected(url, busy_seconds) as connection:
        return [row[0] for row in connection.execute(_IDS, (len(start), start, most))]


def _row(poll: Poll) -> tuple[object, ...]:
    again = None if poll.not_before is None else _text(poll.not_before)
    return (_text(poll.at), poll.outcome, poll.models, poll.events, poll.milliseconds, poll.reason, poll.feed, again)


def maintenance_due(last_pruned: datetime | None, now: datetime) -> bool:
    """Whether the database is to be looked after: once a day, and when the clock was set back."""
    return last_pruned is None or not timedelta(0) <= now - last_pruned < DAY


@contextmanager
def _connected(url: str, busy_seconds: float) -> Iterator[sqlite3.Connection]:
    if not url.startswith(_PREFIX):
        raise ValueError(url)
    path = f"file:{quote(url.removeprefix(_PREFIX))}?mode=rw"  # a database that is not there is not made here
    with closing(sqlite3.connect(path, uri=True, timeout=busy_seconds, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        yield connection


@contextmanager
def _writing(url: str, busy_seconds: float, *, check: bool) -> Iterator[sqlite3.Connection]:
    """Have one transaction, which leaves nothing if it ends with an error; with `check` all pages are read before."""
    with _connected(url, busy_seconds) as connection:
        connection.execute("BEGIN IMMEDIATE")
        if check and connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise DamagedError("a page is not what it should be")
        yield connection
        connection.execute("COMMIT")


def _source(connection: sqlite3.Connection, name: str) -> SourceState:
    row = connection.execute(_SOURCE, (name,)).fetchone()
    if row is None:
        return SourceState()
    query, policy, digest, models, next_due, health = row
    due = None if next_due is None else _moment(next_due)
    return SourceState(query, policy, digest, models, due, unpack(health, Health))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _text(moment: datetime) -> str:
    """Return the moment as SQLAlchemy writes it, so that both order the same."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
