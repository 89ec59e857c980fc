"""A store copied into another database, row by row, and then compared with it."""

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from sqlalchemy import Connection, Integer, Row, Table, func, insert, select

from watcher.errors import StoreError
from watcher.store.backend import Backend, translate_errors
from watcher.store.engine import backend_of, find_revision
from watcher.store.revisions import REVISIONS
from watcher.store.schema import metadata
from watcher.store.store import Store

_AT_ONCE = 1000
"""Rows in memory."""


def copy_store(source: str, target: str) -> dict[str, int]:
    """Copy all of one store into an empty one, and return the number of rows of each table.

    Nothing is sent from the source meanwhile. The target's schema is made if there is none; all rows come in one
    transaction, and before it ends every one is read back and compared.

    Args:
        source: the `[store] url` that is read.
        target: the one that is written.

    Raises:
        ConfigError: one of them is no such URL.
        StoreError: one of the databases cannot be used, the source is of another version, the target is not empty, or
            what was read back is not what was written. The target is as it was then.
    """
    backend = backend_of(source)
    engine = backend.read_only_engine()
    try:
        with translate_errors(backend), engine.connect() as reading:
            _check_version(reading, backend)
            sending = Store(source, read_only=True).sending()
            with sending, Store.open(target) as store, store.writing() as session:
                writing = session.connection
                _check_empty(writing, store.name)
                counts = {table.name: _copy(reading, writing, table) for table in metadata.sorted_tables}
                for table in metadata.sorted_tables:
                    _compare(reading, writing, table, store.name)
                return counts
    finally:
        engine.dispose()


def _check_version(connection: Connection, backend: Backend) -> None:
    found = find_revision(connection, backend)
    if found is None:
        raise StoreError(f"The database {backend.name} is empty: there is nothing to copy.")
    if found != REVISIONS[-1]:
        raise StoreError(f"The database {backend.name} is of an older version; run `watcher db upgrade` on it first.")


def _check_empty(connection: Connection, name: str) -> None:
    for table in metadata.sorted_tables:
        if connection.execute(select(table).limit(1)).first() is not None:
            raise StoreError(f"The database {name} has {table.name} in it already; nothing was written to it.")


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
    for before, after in zip_longest(_rows(reading, table), _rows(writing, table)):
        if before != after:
            row = before if before is not None else after
            raise StoreError(f"The database {name} did not keep row {row[0]!r} of {table.name}; all is as it was.")


def _rows(connection: Connection, table: Table) -> Iterator[Row[Any]]:
    for rows in connection.execute(_all(table)).partitions(_AT_ONCE):
        yield from rows


def _all(table: Table) -> Any:
    return select(table).order_by(*table.primary_key.columns).execution_options(stream_results=True)
