"""The one door to the database; nothing else in the project speaks SQL.

SQLAlchemy is imported when it is first needed: an unchanged check takes a `glance` and leaves a note, and that works
without it.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from logging import getLogger
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self
from urllib.parse import urlsplit

from watcher.catalog.decision import Known
from watcher.errors import StoreError
from watcher.store import glance
from watcher.store.records import Poll

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from watcher.store.backend import Backend
    from watcher.store.engine import Opened
    from watcher.store.session import Session
    from watcher.store.turn import Claims, Turn

_SQLITE = "sqlite:///"

BUSY_SECONDS = 30.0
"""How long a write waits for another process before it gives up."""


class Store:
    """A database of what was seen, announced and sent. Callers see `StoreError`s, never the driver's.

    It is opened, and its schema created or migrated where that is due, when it is first used. From then on any method
    can raise:

        ConfigError: the URL is not understood.
        StoreTooNewError: a newer version of the watcher wrote the database.
        StoreError: it cannot be used.

    With `read_only` it is only read: nothing is created or migrated, and a file need not be this user's to write.
    """

    def __init__(self, url: str, *, busy_seconds: float = BUSY_SECONDS, read_only: bool = False) -> None:
        self._url = url
        self._read_only = read_only
        self._busy_seconds = busy_seconds
        self._backend: Backend | None = None
        self._engine: Engine | None = None
        self._found: Opened | None = None
        self._opening = threading.RLock()
        self._inode: tuple[int, int, bool] | None = None
        self._left: tuple[int, ...] | None = None
        self._mine = threading.local()

    @classmethod
    def open(cls, url: str, *, busy_seconds: float = BUSY_SECONDS) -> Self:
        """Return the store of `[store] url`, opened now."""
        store = cls(url, busy_seconds=busy_seconds)
        store._opened()
        return store

    def _opened(self) -> "tuple[Backend, Engine]":
        with self._opening:
            self._look_where_it_lies()
            if self._backend is None or self._engine is None:
                from watcher.store.engine import backend_of, open_read_only, prepare

                backend = backend_of(self._url)
                engine = backend.read_only_engine() if self._read_only else backend.engine(self._busy_seconds)
                try:
                    self._found = (open_read_only if self._read_only else prepare)(engine, backend)
                except BaseException:
                    engine.dispose()  # an open connection would leave its log beside the file
                    raise
                self._backend, self._engine, self._inode = backend, engine, self._lies_at()
                self._left = self._state_of_file()
            return self._backend, self._engine

    def _look_where_it_lies(self) -> None:
        """Make sure that the file is still the one that was opened: what is written to a deleted one is lost.

        Another one in its place, such as a backup that was put back, is opened anew, with all that is checked then.
        Where there is none any more, none is made: the folder may only not be mounted.
        """
        with self._opening:
            if self._inode is None or self._inode == (lies := self._lies_at()):
                return
            if lies is None:
                raise StoreError(
                    f"The database {self.name} was deleted or moved away while it was used; nothing was written. Put it"
                    " back, or start the watcher anew to begin with an empty one."
                )
            getLogger("watcher").warning("the database %s was replaced by another file, which is used now", self.name)
            self.close()
            self._backend = self._engine = self._inode = None

    def _was_touched(self) -> bool:
        """Whether the file is not as it was left here: then it may be damaged since."""
        return self._left is None or self._left != self._state_of_file()

    def _state_of_file(self) -> tuple[int, ...] | None:
        try:
            found = self.file.stat() if self.file is not None else None
        except OSError:
            return None
        return found and (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)

    def _lies_at(self) -> tuple[int, int, bool] | None:
        """What tells the file from another one under its name, or from an empty one; None if there is none."""
        if self.file is None:
            return None
        try:
            found = self.file.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"The database {self.name} cannot be looked at: {error.strerror}.") from error
        return found.st_dev, found.st_ino, found.st_size > 0

    def glance(self, now: datetime) -> Known | None:
        """Return what an unchanged check needs to know, or None where that takes opening the database."""
        if self.shared:
            with self.reading() as session:
                return session.known(now)
        self._look_where_it_lies()
        return glance.glance(self._url, self._busy_seconds, now)

    def note(self, poll: Poll) -> None:
        """Record a poll that changed nothing: one small row."""
        self._look_where_it_lies()
        if glance.note(self._url, self._busy_seconds, poll, check=self._was_touched()):
            self._left = self._state_of_file()
        else:
            with self.writing() as session:
                session.state.add_poll(poll)

    def note_ping(self, trouble: str | None, now: datetime) -> None:
        """Note why the monitor cannot be called, for `watcher status`; None: it can. Only a change is written."""
        noted = None
        if self.shared:
            with self.reading() as session:
                noted = (session.maintenance.ping_trouble() or (now, None))[1]
        else:
            with suppress(sqlite3.Error, ValueError):
                noted = glance.ping_trouble(self._url, self._busy_seconds)
        if noted != trouble:
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

        All pages of a file that was touched since are read before: what is damaged is not written to.
        """
        from watcher.store.maintenance import check_pages
        from watcher.store.session import Session

        with self._transaction(writes=True) as connection:
            if self._was_touched():
                check_pages(connection)
            yield Session(connection)
        self._left = self._state_of_file()

    @contextmanager
    def _transaction(self, *, writes: bool) -> "Iterator[Connection]":
        from watcher.store.backend import translate_errors
        from watcher.store.engine import read_revision, transaction

        backend, engine = self._opened()
        turn: Turn | None = getattr(self._mine, "turn", None)
        begun = turn.use(writes=writes) if turn is not None else transaction(engine, writes=writes)
        with translate_errors(backend), begun as connection:
            if writes:
                read_revision(connection, backend)  # a newer version may have migrated it since it was opened
            yield connection

    # Turns, where several processes use one database

    @property
    def shared(self) -> bool:
        """Whether several machines may be at work on it, so that they take turns at polling."""
        return not self._url.startswith(_SQLITE)

    @contextmanager
    def polling(self, *, wait: bool = False) -> Iterator[bool]:
        """Take this machine's turn at polling, and give it back at the end: there is one at a time.

        Yields whether there was one to take: False where another machine polls right now, unless that is waited for.
        Whoever lost the turn in the middle (cut off from the database, or stopped for a while) can store nothing.
        """
        if not self.shared:
            yield True
            return
        with self._taking_turns() as turn:
            yield turn.poll(wait=wait)

    @contextmanager
    def sending(self) -> "Iterator[Claims]":
        """Be the only process that sends what is queued here.

        In a file, the end of another one's sending is waited for; the lock is the operating system's, so it ends with
        the process that holds it, however that ends. Where machines share the database, each claims one channel after
        the other.
        """
        from watcher.store.turn import NoClaims

        if self.shared:
            with self._taking_turns() as turn:
                yield turn
        elif self.file is None:
            yield NoClaims()  # nobody else can see it
        else:
            with self._locked(self.file.with_name(f"{self.file.name}.sending")):
                yield NoClaims()

    @contextmanager
    def _taking_turns(self) -> "Iterator[Turn]":
        from watcher.store.backend import translate_errors
        from watcher.store.turn import Turn

        if (outer := getattr(self._mine, "turn", None)) is not None:
            yield outer
            return
        backend, engine = self._opened()
        with translate_errors(backend), Turn(engine) as turn:
            self._mine.turn = turn
            try:
                yield turn
            finally:
                del self._mine.turn

    @contextmanager
    def _locked(self, path: Path) -> Iterator[None]:
        import fcntl

        try:
            file = _open_lock(path, path.with_suffix(""))
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            raise StoreError(f"The lock {path} beside the database cannot be used: {error.strerror}.") from error
        with file:
            yield

    def warn_if_found_empty(self, models: int) -> None:
        """Log, once, that the file was there but empty; `models` were taken in as its first ones.

        To be called after a baseline: where there was no file, that is how it begins, but who has an empty one may have
        lost what was in it.
        """
        with self.writing() as session:
            found = session.maintenance.take_empty()
        if found:
            taken = "1 model was" if models == 1 else f"{models} models were"
            getLogger("watcher").warning(
                "the database %s was empty: %s taken in as known, and nothing of before is announced; if it should not"
                " have been empty, put a backup in its place",
                self.name,
                taken,
            )

    def upgrade(self) -> "Opened":
        """Migrate the schema where that is due, as any use would, and return what was found."""
        self._opened()
        assert self._found is not None
        return self._found

    def vacuum(self) -> None:
        """Give the room of what was deleted back. Nobody can write to a file meanwhile."""
        from watcher.store.backend import translate_errors

        backend, engine = self._opened()
        with translate_errors(backend):
            backend.vacuum(engine)

    @property
    def name(self) -> str:
        """What it is called where people read it; no password is in it."""
        parts = urlsplit(self._url)
        return (
            f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" if self.shared else str(self.file or "")
        )

    @property
    def file(self) -> Path | None:
        """The file of the database; None if it has none of its own."""
        path = self._url.removeprefix(_SQLITE)
        return None if path in (self._url, ":memory:") or path.startswith("file:") else Path(path)

    @property
    def exists(self) -> bool:
        """Whether there is such a database with anything in it; it is not made."""
        if not self.shared:
            return self.file is not None and self.file.exists()
        from watcher.store.backend import translate_errors
        from watcher.store.engine import backend_of

        backend = backend_of(self._url)
        engine = backend.read_only_engine()
        try:
            with translate_errors(backend), engine.connect() as connection:
                backend.check(connection)
                return bool(backend.tables(connection))
        finally:
            engine.dispose()

    @property
    def size(self) -> int | None:
        """Bytes that it takes up; None if there is no saying."""
        from watcher.store.backend import translate_errors

        backend, engine = self._opened()
        with translate_errors(backend):
            return backend.size(engine)

    def close(self) -> None:
        """Give up the connections."""
        if self._engine is not None:
            self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _open_lock(path: Path, database: Path) -> IO[str]:
    """Open a file to lock, such that whoever may use the database may, too: root's is given to the database's owner."""
    try:
        file = path.open("a")
    except PermissionError:
        return path.open()  # it was left behind by somebody else: to lock it, reading it is enough
    with suppress(OSError):
        owner, ours = database.stat(), os.fstat(file.fileno())
        if os.geteuid() == 0 and (owner.st_uid, owner.st_gid) != (ours.st_uid, ours.st_gid):
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        if ours.st_mode & 0o666 != owner.st_mode & 0o666:
            os.fchmod(file.fileno(), owner.st_mode & 0o666)
    return file
