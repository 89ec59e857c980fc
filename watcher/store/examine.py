"""Whether a database is whole: its pages, its references, its documents, and that no model is two things at once.

It is read as it lies there, whatever version of the watcher wrote it, and nothing is written to it.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Engine, inspect, text

from watcher.catalog.diff import Pending
from watcher.catalog.health import Health
from watcher.catalog.model import Event
from watcher.errors import StoreError
from watcher.store.backend import Backend, translate_errors
from watcher.store.documents import DamagedError, unpack
from watcher.store.engine import OURS, backend_of

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
    ) AS spans WHERE valid_to < valid_from OR (number > 1 AND (ended IS NULL OR ended > valid_from))
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


def examine(url: str) -> Examined:
    """Look at all of the database of a `[store] url`.

    Raises:
        ConfigError: the URL is none.
        StoreError: there is no such database, it cannot be read, or it is not one of ours.
    """
    backend = backend_of(url)
    engine = backend.read_only_engine()
    try:
        with translate_errors(backend), engine.connect() as connection:  # all that follows is of one moment
            revision = _revision(connection, backend)
            pages = _pages(connection) if connection.dialect.name == "sqlite" else ()
            if pages and pages[0].problems:  # what stands on them cannot be read
                return Examined(_size(backend, engine), revision, pages)
            rest = (_documents(connection), _versions(connection))
            return Examined(_size(backend, engine), revision, (*pages, *rest))
    except StoreError as error:
        reason = getattr(error.__cause__, "orig", None)
        if str(getattr(reason, "sqlite_errorname", "")).startswith("SQLITE_CORRUPT"):
            return Examined(_size(backend, engine), "unknown", (Part("pages", "", (str(reason),)),))
        raise
    finally:
        engine.dispose()


def _size(backend: Backend, engine: Engine) -> int:
    return backend.size(engine) or 0


def check_ours(path: Path) -> None:
    """Make sure that a file is a database of ours, damaged or not. Raises StoreError as `examine`."""
    backend = backend_of(f"sqlite:///{path}")
    engine = backend.read_only_engine()
    try:
        with translate_errors(backend), engine.connect() as connection:
            _revision(connection, backend)
    finally:
        engine.dispose()


def _revision(connection: Connection, backend: Backend) -> str:
    if not backend.tables(connection) >= OURS:
        raise StoreError(f"The database {backend.name} belongs to another program, or is empty.")
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or "unknown")


def _pages(connection: Connection) -> tuple[Part, ...]:
    """Look at the pages and references of a file; a server sees to its own."""
    count = connection.execute(text("PRAGMA page_count")).scalar_one()
    found = list(connection.execute(text(f"PRAGMA integrity_check({MOST})")).scalars())
    pages = Part("pages", f"{count:,}", () if found == ["ok"] else tuple(map(str, found)))
    if pages.problems:
        return (pages,)
    rows = connection.execute(text("PRAGMA foreign_key_check"))
    dangling = (f"row {row[1]} of {row[0]} refers to a row of {row[2]} that is not there" for row in rows)
    return pages, _part("references", "", dangling)


def _documents(connection: Connection) -> Part:
    count = 0
    found: list[str] = []
    for name, key, column, kind in _DOCUMENTS:
        if not _has(connection, name, column):  # of an older version
            continue
        query = f"SELECT {key}, {column} FROM {name} WHERE {column} IS NOT NULL"  # noqa: S608 - names of ours
        for row_id, data in connection.execute(text(query)):
            count += 1
            try:
                unpack(data, kind)
            except (DamagedError, TypeError) as error:
                found.append(f"{column} of {row_id!r} in {name} cannot be read: {error}")
    return _part("documents", f"{count:,}", found)


def _has(connection: Connection, name: str, column: str) -> bool:
    return column in {found["name"] for found in inspect(connection).get_columns(name)}


def _versions(connection: Connection) -> Part:
    count = connection.execute(text("SELECT count(*) FROM versions")).scalar_one()
    rows = connection.execute(text(_OVERLAPS))
    return _part("versions", f"{count:,}", (f"{model!r} is two things at once at {at}" for model, at in rows))


def _part(name: str, size: str, found: Iterable[str]) -> Part:
    problems = list(found)
    more = [f"and {len(problems) - MOST:,} more"] if len(problems) > MOST else []
    return Part(name, size, (*problems[:MOST], *more))
