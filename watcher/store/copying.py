"""A store copied into another database, row by row, and then compared with it."""

from itertools import zip_longest
from typing import Any

from sqlalchemy import Connection, Integer, Table, func, insert, select

from watcher.errors import StoreError
from watcher.store.engine import find_revision, read_as_it_is
from watcher.store.records import REVISIONS
from watcher.store.schema import metadata
from watcher.store.store import Store

_AT_ONCE = 1000
"""Rows in memory."""


def copy_store(source: str, target: str) -> dict[str, int]:
    """Copy the store of one `[store] url` into the empty or missing one of another; return the rows of each table.

    Meanwhile nothing is sent from the source. All rows are written in one transaction; before it ends, every row is
    read back and compared. Where something fails, the target stays as it was.

    Raises ConfigError, or StoreError if a database cannot be used, or the versions do not match.
    """
    with read_as_it_is(source) as (backend, reading):
        found = find_revision(reading, backend)
        if found is None:
            raise StoreError(f"The database {backend.name} is empty: there is nothing to copy.")
        if found != REVISIONS[-1]:
            advice = "run `watcher db upgrade` on it first"
            raise StoreError(f"The database {backend.name} is of an older version; {advice}.")
        sending = Store(source, read_only=True).sending()
        with sending, Store.open(target) as store, store.writing() as session:
            writing, tables = session.connection, metadata.sorted_tables
            for table in tables:
                if writing.execute(select(table).limit(1)).first() is not None:
                    found_in = f"The database {store.name} has {table.name} in it already"
                    raise StoreError(f"{found_in}; nothing was written to it.")
            counts = {table.name: _copy(reading, writing, table) for table in tables}
            for table in tables:
                _compare(reading, writing, table, store.name)
            return counts


def _copy(reading: Connection, writing: Connection, table: Table) -> int:
    count = 0
    for rows in reading.execute(_all(table)).mappings().partitions(_AT_ONCE):
        writing.execute(insert(table), [dict(row) for row in rows])
        count += len(rows)
    key = table.primary_key.columns[0]
    if count and isinstance(key.type, Integer) and writing.dialect.name == "postgresql":  # the next number to give
        sequence = func.pg_get_serial_sequence(table.name, key.name)
        writing.execute(select(func.setval(sequence, select(func.max(key)).scalar_subquery())))
    return count


def _compare(reading: Connection, writing: Connection, table: Table, name: str) -> None:
    for before, after in zip_longest(*(connection.execute(_all(table)) for connection in (reading, writing))):
        if before != after:
            row = before if before is not None else after
            raise StoreError(f"The database {name} did not keep row {row[0]!r} of {table.name}; all is as it was.")


def _all(table: Table) -> Any:
    query = select(table).order_by(*table.primary_key.columns)
    return query.execution_options(stream_results=True, max_row_buffer=_AT_ONCE)
