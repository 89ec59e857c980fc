"""Whether a database is whole: its pages, its references, its documents, and the spans of its versions.

It is read as it is, whatever version of the watcher wrote it, and nothing is written to it.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, inspect, text

from watcher.catalog.diff import Pending
from watcher.catalog.health import Health
from watcher.catalog.model import Event
from watcher.errors import StoreError
from watcher.store.backend import Backend
from watcher.store.documents import DamagedError, unpack
from watcher.store.engine import OURS, read_as_it_is
from watcher.store.file import file_of

MOST = 10
"""Problems of one sort that are listed one by one."""

_DOCUMENTS: tuple[tuple[str, str, str, Any], ...] = (
    ("sources", "name", "health", Health),
    ("models", "id", "pending", dict[str, Pending]),
    ("models", "id", "benchmarks", Any),
    ("versions", "id", "facets", dict[str, Any]),
    ("versions", "id", "raw", dict[str, Any]),
    ("events", "id", "body", Event),
    ("deliveries", "id", "body", Event),
)
"""Table, its key, the column with a document, and the type of the document."""

_OVERLAPS = """
    SELECT model, valid_from FROM (
        SELECT model, valid_from, valid_to, row_number() OVER w AS number,
               lag(valid_to) OVER w AS ended FROM versions
        WINDOW w AS (PARTITION BY model ORDER BY valid_from, id)
    ) AS spans WHERE valid_to < valid_from OR (number > 1 AND (ended IS NULL OR ended > valid_from))
"""


class Part(Struct, frozen=True):
    """One part of the examination, and the problems that it found."""

    name: str
    size: str
    """How much was examined, in words."""
    problems: tuple[str, ...] = ()


class Examined(Struct, frozen=True):
    """The result of an examination."""

    bytes: int
    revision: str
    parts: tuple[Part, ...]

    @property
    def whole(self) -> bool:
        """Whether no problem was found."""
        return not any(part.problems for part in self.parts)


def examine(url: str) -> Examined:
    """Examine a whole database as of one moment. Raises ConfigError, or StoreError if it is missing or not ours."""
    try:
        with read_as_it_is(url) as (backend, connection):
            revision = _find_revision(connection, backend)
            parts = _pages(connection) if connection.dialect.name == "sqlite" else ()
            if not (parts and parts[0].problems):  # what lies on damaged pages cannot be read
                parts = (*parts, _documents(connection), _versions(connection))
            return Examined(backend.size(connection) or 0, revision, parts)
    except StoreError as error:
        reason = getattr(error.__cause__, "orig", None)
        if not str(getattr(reason, "sqlite_errorname", "")).startswith("SQLITE_CORRUPT"):
            raise
        file = file_of(url)
        return Examined(file.stat().st_size if file else 0, "unknown", (Part("pages", "", (str(reason),)),))


def check_ours(path: Path) -> None:
    """Make sure that a file is a database of ours, damaged or not. Raises StoreError as `examine`."""
    with read_as_it_is(f"sqlite:///{path}") as (backend, connection):
        _find_revision(connection, backend)


def _find_revision(connection: Connection, backend: Backend) -> str:
    if not OURS.issubset(inspect(connection).get_table_names()):
        raise StoreError(f"The database {backend.name} belongs to another program, or is empty.")
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or "unknown")


def _pages(connection: Connection) -> tuple[Part, ...]:
    """Examine the pages and references of a file. A server checks its own."""
    count = connection.execute(text("PRAGMA page_count")).scalar_one()
    found = list(connection.execute(text(f"PRAGMA integrity_check({MOST})")).scalars())
    if found != ["ok"]:
        return (Part("pages", f"{count:,}", tuple(map(str, found))),)
    rows = connection.execute(text("PRAGMA foreign_key_check"))
    dangling = (f"row {row[1]} of {row[0]} refers to a row of {row[2]} that is not there" for row in rows)
    return Part("pages", f"{count:,}"), _part("references", "", dangling)


def _documents(connection: Connection) -> Part:
    count = 0
    found: list[str] = []
    for name, key, column, kind in _DOCUMENTS:
        if column not in {each["name"] for each in inspect(connection).get_columns(name)}:  # of an older version
            continue
        query = f"SELECT {key}, {column} FROM {name} WHERE {column} IS NOT NULL"  # noqa: S608 - names of ours
        for row_id, data in connection.execute(text(query)):
            count += 1
            try:
                unpack(data, kind)
            except (DamagedError, TypeError) as error:
                found.append(f"{column} of {row_id!r} in {name} cannot be read: {error}")
    return _part("documents", f"{count:,}", found)


def _versions(connection: Connection) -> Part:
    count = connection.execute(text("SELECT count(*) FROM versions")).scalar_one()
    rows = connection.execute(text(_OVERLAPS))
    return _part("versions", f"{count:,}", (f"{model!r} is two things at once at {at}" for model, at in rows))


def _part(name: str, size: str, found: Iterable[str]) -> Part:
    problems = list(found)
    more = [f"and {len(problems) - MOST:,} more"] if len(problems) > MOST else []
    return Part(name, size, (*problems[:MOST], *more))
