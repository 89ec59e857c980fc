"""Whether a database is whole: its pages, its references, its documents, and that no model is two things at once.

It is read as it lies there, whatever version of the watcher wrote it, and nothing is written to it.
"""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from msgspec import Struct

from watcher.catalog.diff import Pending
from watcher.catalog.health import Health
from watcher.catalog.model import Event
from watcher.errors import StoreError
from watcher.store.backup import read_only
from watcher.store.documents import DamagedError, unpack

MOST = 10
"""Problems of one sort that are told one by one."""

_DOCUMENTS: tuple[tuple[str, str, str, Any], ...] = (
    ("sources", "name", "health", Health),
    ("models", "id", "pending", dict[str, Pending]),
    ("models", "id", "benchmarks", Any),
    ("versions", "id", "facets", dict[str, Any]),
    ("versions", "id", "raw", dict[str, Any]),
    ("events", "id", "body", Event),
    ("deliveries", "id", "body", Event),
)
"""Table, its key, the column with a document, and what it is."""

_OVERLAPS = """
    SELECT model, valid_from FROM (
        SELECT model, valid_from, valid_to, row_number() OVER w AS number,
               lag(valid_to) OVER w AS ended FROM versions
        WINDOW w AS (PARTITION BY model ORDER BY valid_from, id)
    ) WHERE valid_to < valid_from OR (number > 1 AND (ended IS NULL OR ended > valid_from))
"""


class Part(Struct, frozen=True):
    """What was looked at, and what is wrong with it."""

    name: str
    size: str
    """How much there is of it, in words."""
    problems: tuple[str, ...] = ()


class Examined(Struct, frozen=True):
    """What a database was found to be."""

    bytes: int
    revision: str
    parts: tuple[Part, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong with it."""
        return not any(part.problems for part in self.parts)


def examine(path: Path) -> Examined:
    """Look at all of a database.

    Raises:
        StoreError: there is none, it cannot be read, or it is not one of ours.
    """
    if not path.is_file():
        raise StoreError(f"The database {path} does not exist.")
    try:
        with closing(read_only(path)) as connection:
            connection.execute("BEGIN")  # all that follows is of one moment
            revision = _revision(connection, path)
            pages = _pages(connection)
            rest = () if pages.problems else (_references(connection), _documents(connection), _versions(connection))
            return Examined(path.stat().st_size, revision, (pages, *rest))
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorname", "") or ""
        if code.startswith("SQLITE_CORRUPT"):
            return Examined(path.stat().st_size, "unknown", (Part("pages", "", (str(error),)),))
        raise _refusal(path, error) from error
    except OSError as error:
        raise StoreError(f"The database {path} cannot be read: {error.strerror}.") from error


def check_ours(path: Path) -> None:
    """Make sure that a file is a database of ours, damaged or not. Raises StoreError as `examine`."""
    if not path.is_file():
        raise StoreError(f"The database {path} does not exist.")
    try:
        with closing(read_only(path)) as connection:
            _revision(connection, path)
    except sqlite3.Error as error:
        raise _refusal(path, error) from error


def _refusal(path: Path, error: sqlite3.Error) -> StoreError:
    code = getattr(error, "sqlite_errorname", "") or ""
    said = "is not an SQLite database" if code == "SQLITE_NOTADB" else f"cannot be read: {error}"
    return StoreError(f"The database {path} {said}.")


def _revision(connection: sqlite3.Connection, path: Path) -> str:
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not {"alembic_version", "models", "versions", "deliveries"} <= tables:
        raise StoreError(f"The database {path} belongs to another program, or is empty.")
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else "unknown"


def _pages(connection: sqlite3.Connection) -> Part:
    (count,) = connection.execute("PRAGMA page_count").fetchone()
    found = [str(line) for (line,) in connection.execute(f"PRAGMA integrity_check({MOST})")]
    return Part("pages", f"{count:,}", () if found == ["ok"] else tuple(found))


def _references(connection: sqlite3.Connection) -> Part:
    rows = connection.execute("PRAGMA foreign_key_check").fetchall()
    found = (f"row {row[1]} of {row[0]} refers to a row of {row[2]} that is not there" for row in rows)
    return _part("references", "", found)


def _documents(connection: sqlite3.Connection) -> Part:
    count = 0
    found: list[str] = []
    for table, key, column, kind in _DOCUMENTS:
        if not _has(connection, table, column):  # of an older version
            continue
        query = f"SELECT {key}, {column} FROM {table} WHERE {column} IS NOT NULL"  # noqa: S608 - names of ours
        for row_id, data in connection.execute(query):
            count += 1
            try:
                unpack(data, kind)
            except (DamagedError, TypeError) as error:
                found.append(f"{column} of {row_id!r} in {table} cannot be read: {error}")
    return _part("documents", f"{count:,}", found)


def _has(connection: sqlite3.Connection, table: str, column: str) -> bool:
    return column in {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}


def _versions(connection: sqlite3.Connection) -> Part:
    (count,) = connection.execute("SELECT count(*) FROM versions").fetchone()
    rows = connection.execute(_OVERLAPS)
    return _part("versions", f"{count:,}", (f"{model!r} is two things at once at {at}" for model, at in rows))


def _part(name: str, size: str, found: Iterable[str]) -> Part:
    problems = list(found)
    more = [f"and {len(problems) - MOST:,} more"] if len(problems) > MOST else []
    return Part(name, size, (*problems[:MOST], *more))
