"""What the two databases have in common: their shape for the rest of the store, and errors in our words."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError, StatementError

from watcher.errors import StoreError
from watcher.store.documents import DamagedError

DAMAGED = "is damaged; nothing was written. Restore a backup, or move it away to start anew"
LOCKED = "stayed locked by another process; nothing was written. Try again when that is done"
FULL = "cannot grow: the disk is full; nothing of this poll was stored, free some space"

WRITES = "writes"
"""The execution option of a connection whose transactions write: they wait for each other from their start on."""


class Backend(Protocol):
    """Where SQLite and PostgreSQL differ."""

    @property
    def name(self) -> str:
        """What the database is called in messages; it holds no secret."""

    def engine(self, busy_seconds: float) -> Engine:
        """Return an engine whose transactions are of one moment, and wait for another writer so long.

        Nothing is opened yet. Raises ConfigError if the driver is missing.
        """

    def read_only_engine(self) -> Engine:
        """Return an engine that cannot write, nor make a database. Raises ConfigError or StoreError."""

    def create_folder(self) -> bool:
        """Make what must be there before the database can be, and return whether that is there. Raises StoreError."""

    def making(self) -> AbstractContextManager[datetime | None]:
        """Be the only process that makes the database; yields since when a file of its name is there, if one is."""

    def tables(self, connection: Connection) -> set[str]:
        """Return the names of the tables."""

    def check(self, connection: Connection) -> None:
        """Make sure that the database can be written to safely. Raises DamagedError or StoreError."""

    def prepare_migration(self, engine: Engine) -> None:
        """Do what can only be done outside a transaction before the schema is made or changed."""

    def copy(self, suffix: str) -> Path | None:
        """Copy the database beside itself, where it is a file. Raises StoreError."""

    def vacuum(self, engine: Engine) -> None:
        """Give the room of what was deleted back."""

    def size(self, engine: Engine) -> int | None:
        """Return the bytes that the tables take up; None if that cannot be told."""

    def advice(self, error: BaseException) -> str | None:
        """Return what an error of the driver means and what to do, to stand after the name; None if unknown."""


@contextmanager
def translate_errors(backend: Backend) -> Iterator[None]:
    """Turn the driver's errors into `StoreError`s that name the database and what to do; others pass."""
    try:
        yield
    except DamagedError as error:
        raise StoreError(f"The database {backend.name} {DAMAGED}.") from error
    except StatementError as error:
        if not isinstance(error, DBAPIError):  # a value of ours that no database can hold: not this one's fault
            raise (error.orig or error) from None
        raise _explanation(backend, error.orig or error) from error
    except SQLAlchemyError as error:
        raise _explanation(backend, error) from error
    except Exception as error:
        if backend.advice(error) is None:
            raise
        raise _explanation(backend, error) from error


def _explanation(backend: Backend, error: BaseException) -> StoreError:
    return StoreError(
        f"The database {backend.name} {backend.advice(error) or f'cannot be used: {_first_line(error)}'}."
    )


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0].rstrip(".")
