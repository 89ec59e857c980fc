"""The one door to the database; nothing else in the project speaks SQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, Engine

from watcher.store.engine import BUSY_SECONDS, explained, open_engine, prepare
from watcher.store.history import History
from watcher.store.outbox import Outbox
from watcher.store.past import Imported
from watcher.store.state import State


class Session:
    """What can be done inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self.state = State(connection)
        self.outbox = Outbox(connection)
        self.history = History(connection)
        self.imported = Imported(connection)


class Store:
    """A database of what was seen, announced and sent. Callers see `StoreError`s, never the driver's."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, url: str, *, busy_seconds: float = BUSY_SECONDS) -> Self:
        """Open the database of `[store] url`, creating or migrating its schema where that is due.

        Raises:
            ConfigError: the URL is not understood.
            StoreTooNewError: a newer version of the watcher wrote it.
            StoreError: it cannot be used.
        """
        engine = open_engine(url, busy_seconds=busy_seconds)
        try:
            prepare(engine)
        except BaseException:
            engine.dispose()  # an open connection would leave its log beside the file
            raise
        return cls(engine)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Read at one moment; nothing is written."""
        with explained(self._engine.url), self._engine.connect() as connection:
            yield Session(connection)

    @contextmanager
    def writing(self, *, discard: bool = False) -> Iterator[Session]:
        """Write in one transaction that ends with the block: all of it or, on any error, nothing.

        `discard` throws all away at the end, for a dry run.
        """
        with (
            explained(self._engine.url),
            self._engine.connect().execution_options(writes=True) as connection,
            connection.begin() as transaction,
        ):
            yield Session(connection)
            if discard:
                transaction.rollback()

    def close(self) -> None:
        """Give up the connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
