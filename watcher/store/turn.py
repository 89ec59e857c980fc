"""Taking turns, where several machines share a database.

Only one machine at a time may poll, or send to a channel. It holds a lock of PostgreSQL that belongs to one connection,
and reads and writes over that same connection. So a machine that lost its turn, because it was cut off or stood still,
cannot store anything: the lock ends only with the connection.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Self

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from watcher.errors import StoreError
from watcher.store.backend import WRITES
from watcher.store.postgresql import LOCK, POLLING

BEAT = 4.0
"""Seconds between two heartbeats on a connection whose machine waits for something else."""
SILENCE = 20
"""Seconds without a heartbeat after which the server ends the connection, and with it the turn."""

_CHANNEL = "hashtext('openrouter-watcher channel ' || current_schema()), hashtext(:name)"


class Claims:
    """Which channels this process sends to: all of them, where there is no other machine."""

    def claim(self, channel: str) -> bool:
        """Return whether this machine sends to a channel now; to be asked inside a transaction."""
        return True

    def release(self, channel: str) -> None:
        """Leave a channel to others, once the outcome of its messages is stored."""


class Turn(Claims):
    """A connection with the locks that it holds."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._using = threading.RLock()
        self._done = threading.Event()
        self._claimed: set[str] = set()

    def __enter__(self) -> Self:
        self._connection = self._engine.connect()
        self._connection.detach()  # it is closed at the end, not used again: no lock outlives the turn
        try:
            with self.use(writes=False) as connection:
                connection.exec_driver_sql(f"SET idle_session_timeout = '{SILENCE}s'")
                connection.exec_driver_sql(f"SET idle_in_transaction_session_timeout = '{SILENCE}s'")
        except BaseException:
            self._connection.close()
            raise
        threading.Thread(target=self._beat, name="watcher-turn", daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._done.set()
        with self._using:
            with suppress(StoreError, SQLAlchemyError), self.use(writes=False) as connection:
                connection.exec_driver_sql("SELECT pg_advisory_unlock_all()")  # the server notices a close only later
            self._connection.close()

    @contextmanager
    def use(self, _engine: Engine | None = None, *, writes: bool) -> Iterator[Connection]:
        """Use the connection in one transaction, in place of another one. Raises StoreError if the turn is over."""
        with self._using:
            if self._connection.invalidated:  # it would connect anew, without the locks
                raise StoreError("The connection to the database was lost, and another machine may go on.")
            connection = self._connection.execution_options(**{WRITES: writes})
            with connection.begin():
                yield connection

    def poll(self, *, wait: bool) -> bool:
        """Return whether it is this machine's turn to poll; with `wait`, wait for another one's to end."""
        function = "pg_advisory_lock" if wait else "pg_try_advisory_lock"
        with self.use(writes=False) as connection:
            return connection.exec_driver_sql(f"SELECT {function}({LOCK}, {POLLING})").scalar() is not False

    def claim(self, channel: str) -> bool:
        if channel in self._claimed:
            return True
        claim = text(f"SELECT pg_try_advisory_lock({_CHANNEL})")
        if not self._connection.execute(claim, {"name": channel}).scalar():
            return False
        self._claimed.add(channel)
        return True

    def release(self, channel: str) -> None:
        if channel in self._claimed:
            self._claimed.remove(channel)
            with self.use(writes=False) as connection:
                connection.execute(text(f"SELECT pg_advisory_unlock({_CHANNEL})"), {"name": channel})

    def _beat(self) -> None:
        while not self._done.wait(BEAT):
            try:
                with self.use(writes=False) as connection:
                    connection.exec_driver_sql("SELECT 1")
            except (StoreError, SQLAlchemyError):
                return  # the next use of the connection raises it
