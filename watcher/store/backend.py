"""What SQLite and PostgreSQL have in common for the rest of the store, and the driver's errors in our words."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError, StatementError

from watcher.errors import StoreError
from watcher.store.documents import DamagedError

DAMAGED = "is damaged; nothing was written. Restore a backup, or move it away to start anew"
LOCKED = "stayed locked by another process; nothing was written. Try again when that is done"
FULL = "cannot grow: the disk is full; nothing of this poll was stored, free some space"

WRITES = "writes"
"""The execution option of a connection whose transactions write: each waits for the others from its start."""


class Backend(ABC):
    """A kind of database. The defaults are those of a server, which looks after its own files."""

    name: str
    """How messages call the database; it holds no secret."""
    file: Path | None = None
    """The file of the database, if it has one of its own."""

    @abstractmethod
    def engine(self, busy_seconds: float = 30.0, *, read_only: bool = False) -> Engine:
        """Return an engine; nothing is opened yet. One that is `read_only` neither writes nor creates a database.

        Its transactions see one moment. One that writes waits for another writer for `busy_seconds`. Raises ConfigError
        if the driver is missing, and StoreError if there is no database to read.
        """

    def create_folder(self) -> bool:
        """Create the folder of the database, and return whether the database is there. Raises StoreError."""
        return True

    def creating(self, engine: Engine) -> AbstractContextManager[None]:
        """Prepare the creation or migration of the schema, which happens in the block, by one process at a time."""
        return nullcontext()

    @abstractmethod
    def check(self, connection: Connection) -> None:
        """Make sure that the database can be written to safely. Raises DamagedError or StoreError."""

    @abstractmethod
    def vacuum(self, engine: Engine) -> None:
        """Free the space of deleted rows."""

    @abstractmethod
    def size(self, connection: Connection) -> int | None:
        """Return the bytes that the tables take up; None if unknown."""

    @abstractmethod
    def advice(self, error: BaseException) -> str | None:
        """Return what a driver's error means and what to do, to stand after the name; None for others."""


@contextmanager
def translate_errors(backend: Backend) -> Iterator[None]:
    """Turn the driver's errors into `StoreError`s that name the database and what to do; others pass."""
    try:
        yield
    except DamagedError as error:
        raise StoreError(f"The database {backend.name} {DAMAGED}.") from error
    except Exception as error:
        cause: BaseException = error
        if isinstance(error, StatementError):
            cause = error.orig or error
            if not isinstance(error, DBAPIError):  # a value of ours that no database can hold: a bug, not its fault
                raise cause from None
        advice = backend.advice(cause)
        if advice is None:
            if not isinstance(error, SQLAlchemyError):
                raise
            first_line = str(cause).partition("\n")[0].rstrip(".")
            advice = f"cannot be used: {first_line}"
        raise StoreError(f"The database {backend.name} {advice}.") from error
