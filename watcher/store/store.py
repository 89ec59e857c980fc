"""The one door to the database; nothing else in the project speaks SQL.

SQLAlchemy is imported when it is first needed: where an unchanged check takes the shortcut of `glance`, never.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from logging import getLogger
from typing import TYPE_CHECKING, Self

from watcher.catalog.decision import Known
from watcher.errors import StoreError
from watcher.store.file import check_neighbours, file_of, mark_running, sending_lock
from watcher.store.glance import glance
from watcher.store.records import Poll

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from watcher.store.backend import Backend
    from watcher.store.engine import Opened
    from watcher.store.session import Session
    from watcher.store.turn import Claims, Turn

BUSY_SECONDS = 30.0
"""How long a write waits for another process before it gives up."""
SENDING_SECONDS = 60.0
"""How long the sending waits for another process to end its own."""

_log = getLogger("watcher")


class Store:
    """A database of what was seen, announced and sent. Callers see `StoreError`s, never the driver's.

    It is opened when it is first used, and its schema is created or migrated then. So any method can raise ConfigError
    (the URL is wrong), StoreTooNewError (a newer version wrote the database) and StoreError (it cannot be used).

    Args:
        busy_seconds: how long a write waits for another process.
        read_only: nothing is created or migrated, and this user need not be allowed to write the file.
        runs: this process is `watcher run`, which `status` tells by a lock beside the file.
    """

    def __init__(
        self, url: str, *, busy_seconds: float = BUSY_SECONDS, read_only: bool = False, runs: bool = False
    ) -> None:
        self._url = url
        self._runs = runs
        self._mark: int | None = None
        self._read_only = read_only
        self._busy_seconds = busy_seconds
        self.file = file_of(url)
        """The file of the database; None if it has none of its own."""
        self.shared = url.startswith("postgresql")
        """Whether several machines may use it, so that they take turns at polling."""
        self._open: tuple[Backend, Engine, Opened] | None = None
        self._opening = threading.RLock()
        self._identity: tuple[int, ...] | None = None
        self._left: tuple[int, ...] | None = None
        self._of_thread = threading.local()

    @classmethod
    def open(cls, url: str, *, busy_seconds: float = BUSY_SECONDS) -> Self:
        """Return the store of `[store] url`, opened now."""
        store = cls(url, busy_seconds=busy_seconds)
        store._opened()
        return store

    @contextmanager
    def _using(self) -> "Iterator[tuple[Backend, Engine]]":
        """Open the database, and translate the driver's errors in the block."""
        from watcher.store.backend import translate_errors

        backend, engine, _ = self._opened()
        with translate_errors(backend):
            yield backend, engine

    def _opened(self) -> "tuple[Backend, Engine, Opened]":
        with self._opening:
            self._check_identity()
            if self._open is None:
                from watcher.store.engine import backend_of, open_read_only, prepare

                backend = backend_of(self._url)
                engine = backend.engine(self._busy_seconds, read_only=self._read_only)
                try:
                    found = (open_read_only if self._read_only else prepare)(engine, backend)
                except BaseException:
                    engine.dispose()  # an open connection would leave its log beside the file
                    raise
                self._open = backend, engine, found
                self._left = self._stat()
                self._identity = _identity(self._left)
                self._mark = mark_running(self.file) if self._runs and self.file is not None else None
            return self._open

    def _check_identity(self) -> None:
        """Make sure that the file is still the one that was opened: writes to a deleted one would be lost.

        Another file in its place, such as a restored backup, is opened anew. A missing one is not created anew: perhaps
        its folder is only not mounted.
        """
        if self.file is not None:
            check_neighbours(self.file)
        with self._opening:
            if self._identity is None or self._identity == (found := _identity(self._stat())):
                return
            if found is None:
                raise StoreError(
                    f"The database {self.name} was deleted or moved away while it was used; nothing was written. Put it"
                    " back, or start the watcher anew to begin with an empty one."
                )
            _log.warning("the database %s was replaced by another file, which is used now", self.name)
            self.close()
            self._open = self._identity = None

    def _stat(self) -> tuple[int, ...] | None:
        """Return what changes whenever anybody touches the file, its identity first; None if there is no file."""
        try:
            found = self.file.stat() if self.file is not None else None
        except OSError:
            return None
        return None if found is None else (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)

    def _was_touched(self) -> bool:
        """Whether somebody else touched the file since it was last used here, so that it may be damaged."""
        return self._left is None or self._left != self._stat()

    def glance(self, now: datetime, unchanged: Callable[[Known], Poll | None]) -> Poll | None:
        """Take the shortcut of `glance.glance`: record a poll and return it; None: nothing was written."""
        if self.file is None:
            return None
        self._check_identity()
        recorded = glance(self.file, self._busy_seconds, now, unchanged, check=self._was_touched())
        if recorded is not None:
            self._left = self._stat()
        return recorded

    def note_ping(self, trouble: str | None, now: datetime) -> None:
        """Note why the monitor cannot be called, for `watcher status`; None: it can. Only a change is written."""
        if trouble is None and self._open is None:
            return  # the shortcut was taken, which it is not while a trouble is noted
        with self.reading() as session:
            noted = session.maintenance.ping_trouble()
        if trouble != (noted[1] if noted else None):
            with self.writing() as session:
                session.maintenance.note_ping(trouble, now)

    @contextmanager
    def reading(self) -> "Iterator[Session]":
        """Read at one moment; nothing is written."""
        from watcher.store.session import Session

        with self._transaction(writes=False) as connection:
            yield Session(connection)

    @contextmanager
    def writing(self) -> "Iterator[Session]":
        """Write in one transaction that ends with the block: all of it or, on any error, nothing.

        If somebody else touched the file, all its pages are read first: a damaged database is not written to.
        """
        from watcher.store.maintenance import check_pages
        from watcher.store.session import Session

        with self._transaction(writes=True) as connection:
            if self._was_touched():
                check_pages(connection)
            yield Session(connection)
        self._left = self._stat()

    @contextmanager
    def _transaction(self, *, writes: bool) -> "Iterator[Connection]":
        from watcher.store.engine import read_revision, transaction

        turn: Turn | None = getattr(self._of_thread, "turn", None)
        use = transaction if turn is None else turn.use
        with self._using() as (backend, engine), use(engine, writes=writes) as connection:
            if writes or self._read_only:
                read_revision(connection, backend)  # a newer version may have migrated it since it was opened
            yield connection

    # Turns, where several processes use one database

    @contextmanager
    def polling(self, *, wait: bool = False) -> Iterator[bool]:
        """Take this machine's turn at polling until the block ends; one machine polls at a time.

        Yields False where another machine polls right now, unless `wait` says to wait for its end. A machine that loses
        its turn in the middle (cut off from the database, or stopped for a while) can store nothing.
        """
        if not self.shared:
            yield True
            return
        with self._turn() as turn:
            yield turn.poll(wait=wait)

    @contextmanager
    def sending(self) -> "Iterator[Claims]":
        """Let no other process send what this one sends.

        One process at a time sends from a file: the end of another one's sending is waited for, but not without end.
        Machines that share a database claim one channel after the other. Raises BusyError.
        """
        from watcher.store.turn import Claims

        if self.shared:
            with self._turn() as turn:
                yield turn
        else:
            with nullcontext() if self.file is None else sending_lock(self.file, SENDING_SECONDS):
                yield Claims()

    @contextmanager
    def _turn(self) -> "Iterator[Turn]":
        from watcher.store.turn import Turn

        if (outer := getattr(self._of_thread, "turn", None)) is not None:
            yield outer
            return
        with self._using() as (_, engine), Turn(engine) as turn:
            self._of_thread.turn = turn
            try:
                yield turn
            finally:
                del self._of_thread.turn

    # The database as a whole

    def warn_if_found_empty(self, models: int) -> None:
        """Log once, after a baseline with so many models, that the file was empty: its contents may have been lost."""
        with self.writing() as session:
            found = session.maintenance.take_empty()
        if found:
            taken = "1 model was" if models == 1 else f"{models} models were"
            _log.warning(
                "the database %s was empty: %s taken in as known, and nothing of before is announced; if it should not"
                " have been empty, put a backup in its place",
                self.name,
                taken,
            )

    def upgrade(self) -> "Opened":
        """Open the database, and return how it was found."""
        return self._opened()[2]

    def vacuum(self) -> None:
        """Free the space of deleted rows. Nobody can write to a file meanwhile."""
        with self._using() as (backend, engine):
            backend.vacuum(engine)

    @property
    def name(self) -> str:
        """The name for messages, without a password."""
        if self.file is not None:
            return str(self.file)
        from watcher.store.engine import backend_of

        return backend_of(self._url).name

    @property
    def exists(self) -> bool:
        """Whether there is such a file, or such a database with tables in it; nothing is created."""
        if not self.shared:
            return self.file is not None and self.file.exists()
        from sqlalchemy import inspect

        from watcher.store.engine import read_as_it_is

        with read_as_it_is(self._url) as (backend, connection):
            backend.check(connection)
            return bool(inspect(connection).get_table_names())

    @property
    def size(self) -> int | None:
        """Bytes that it takes up; None if unknown."""
        with self._using() as (backend, engine), engine.connect() as connection:
            return backend.size(connection)

    def close(self) -> None:
        """Close the connections."""
        if self._open is not None:
            self._open[1].dispose()
        if self._mark is not None:
            os.close(self._mark)
            self._mark = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def _identity(state: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """Return what tells a file from another one under its name, or from an empty one."""
    return None if state is None else (*state[:2], state[2] > 0)
