"""The one door to the database; nothing else in the project speaks SQL.

SQLAlchemy is imported when it is first needed: an unchanged check takes a `glance` and leaves a note, and that works
without it.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from watcher.catalog.reading import Entry
from watcher.errors import StoreError
from watcher.store import glance
from watcher.store.glance import Glance
from watcher.store.records import Poll, Source

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from watcher.store.engine import Opened
    from watcher.store.session import Session

BUSY_SECONDS = 30.0
"""How long a write waits for another process before it gives up."""


class Store:
    """A database of what was seen, announced and sent. Callers see `StoreError`s, never the driver's.

    It is opened, and its schema created or migrated where that is due, when it is first used. From then on any method
    can raise:

        ConfigError: the URL is not understood.
        StoreTooNewError: a newer version of the watcher wrote the database.
        StoreError: it cannot be used.
    """

    def __init__(self, url: str, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self._url = url
        self._busy_seconds = busy_seconds
        self._engine: Engine | None = None
        self._found: Opened | None = None

    @classmethod
    def open(cls, url: str, *, busy_seconds: float = BUSY_SECONDS) -> Self:
        """Return the store of `[store] url`, opened now."""
        store = cls(url, busy_seconds=busy_seconds)
        store._opened()
        return store

    def _opened(self) -> "Engine":
        if self._engine is None:
            from watcher.store.engine import open_engine, prepare

            engine = open_engine(self._url, busy_seconds=self._busy_seconds)
            try:
                self._found = prepare(engine)
            except BaseException:
                engine.dispose()  # an open connection would leave its log beside the file
                raise
            self._engine = engine
        return self._engine

    def glance(self, now: datetime) -> Glance | None:
        """Return what an unchanged check needs to know, or None where that takes opening the database."""
        return glance.glance(self._url, self._busy_seconds, now)

    def note(self, poll: Poll) -> None:
        """Record a poll that changed nothing: one small row."""
        if not glance.note(self._url, self._busy_seconds, poll):
            with self.writing() as session:
                session.state.add_poll(poll)

    def note_same(self, poll: Poll, listed: Source, digest: bytes, entries: Mapping[str, Entry]) -> bool:
        """Record a poll whose list means what the last one meant that was judged, whatever it looks like.

        Args:
            poll: the poll.
            listed: what is remembered of the list, from a `glance`.
            digest: of the list as it came now.
            entries: its models.

        Returns:
            False if it does mean something else, or another process wrote since the glance; then nothing was written.
        """
        return glance.note_same(self._url, self._busy_seconds, poll, listed, digest, entries)

    @contextmanager
    def reading(self) -> "Iterator[Session]":
        """Read at one moment; nothing is written."""
        from watcher.store.engine import explained
        from watcher.store.session import Session

        engine = self._opened()
        with explained(engine.url), engine.connect() as connection:
            yield Session(connection)

    @contextmanager
    def writing(self, *, discard: bool = False) -> "Iterator[Session]":
        """Write in one transaction that ends with the block: all of it or, on any error, nothing.

        `discard` throws all away at the end, for a dry run.
        """
        from watcher.store.engine import explained
        from watcher.store.session import Session

        engine = self._opened()
        with (
            explained(engine.url),
            engine.connect().execution_options(writes=True) as connection,
            connection.begin() as transaction,
        ):
            yield Session(connection)
            if discard:
                transaction.rollback()

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Be the only process that sends what is queued here; the end of another one's sending is waited for.

        The lock is the operating system's: it ends with the process that holds it, however that ends.
        """
        import fcntl

        if self.file is None:
            yield  # nobody else can see it
            return
        path = self.file.with_name(f"{self.file.name}.sending")
        try:
            file = path.open("a")
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            raise StoreError(f"The lock {path} beside the database cannot be used: {error.strerror}.") from error
        with file:
            yield

    def upgrade(self) -> "Opened":
        """Migrate the schema where that is due, as any use would, and return what was found."""
        self._opened()
        assert self._found is not None
        return self._found

    def vacuum(self) -> None:
        """Give the room of what was deleted back to the file system. Nobody can write meanwhile."""
        from watcher.store.engine import explained

        engine = self._opened()
        with explained(engine.url), closing(engine.raw_connection()) as connection:  # not inside a transaction
            connection.cursor().execute("VACUUM")
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    @property
    def file(self) -> Path | None:
        """The file of the database; None if it has none of its own."""
        path = self._url.removeprefix("sqlite:///")
        return None if path in (self._url, ":memory:") or path.startswith("file:") else Path(path)

    @property
    def size(self) -> int | None:
        """Bytes on the disk, with the log of what was written last; None if there is no file."""
        if self.file is None:
            return None
        files = (self.file, self.file.with_name(f"{self.file.name}-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def close(self) -> None:
        """Give up the connections."""
        if self._engine is not None:
            self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
