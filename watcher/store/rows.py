"""What the parts of a session have in common: an open connection, and statements for several rows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, ScalarSelect, Select, Table, insert, select, update
from sqlalchemy.sql import Executable


class Rows:
    """Reads and writes rows on an open connection, inside its transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _scalar(self, query: Executable) -> Any | None:
        """Return the first column of the first row; None if there is no row."""
        return self._connection.execute(query).scalar()

    def _each(self, statement: Executable, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute a statement once for each row."""
        if rows:
            self._connection.execute(statement, rows)

    def _in_parts(self, query: Select[Any], column: Column[Any], values: Iterable[Any]) -> Iterator[Any]:
        """Yield the rows of a query with one of these values in a column. A database bounds the values in a query."""
        wanted = list(values)
        for start in range(0, len(wanted), 1000):
            yield from self._connection.execute(query.where(column.in_(wanted[start : start + 1000])))

    def _save(self, table: Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        """Update the row with this key, or insert it."""
        where = [table.c[name] == value for name, value in key.items()]
        if not self._connection.execute(update(table).where(*where).values(**values)).rowcount:
            self._connection.execute(insert(table).values(**key, **values))


def newest_version(models: Table, of: Column[Any]) -> ScalarSelect[Any]:
    """Return the number of the newest version of each model; `of` is the column of versions that says whose they are.

    It is one search of the index for each model: the time does not grow with the history.
    """
    own = of.table.alias()
    newest = select(own.c.id).where(own.c[of.name] == models.c.id).correlate(models)
    return newest.order_by(own.c.valid_from.desc(), own.c.id.desc()).limit(1).scalar_subquery()


def valid_at(versions: Table, at: datetime | None) -> ColumnElement[bool]:
    """Whether a version is the one of a moment (None: of now)."""
    lasts = versions.c.valid_to.is_(None)
    return lasts if at is None else (versions.c.valid_from <= at) & (lasts | (versions.c.valid_to > at))
