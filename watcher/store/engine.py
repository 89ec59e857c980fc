"""How a database is opened, and its schema made or brought to this version's."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from msgspec import Struct
from sqlalchemy import Connection, Engine, select, table
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.sql import column

from watcher.errors import ConfigError, StoreError, StoreTooNewError
from watcher.store.backend import WRITES, Backend, translate_errors
from watcher.store.documents import DamagedError
from watcher.store.maintenance import Maintenance
from watcher.store.postgresql import Postgresql
from watcher.store.revisions import REVISIONS
from watcher.store.sqlite import Sqlite

OURS = frozenset({"alembic_version", "models", "versions", "deliveries"})
"""Tables that tell our databases from those of others; some of those have a table of Alembic's, too."""


class Opened(Struct, frozen=True):
    """What opening a database came to."""

    before: str | None
    """The revision of its schema that was found; None: there was no database."""
    after: str
    backup: Path | None = None
    """Where it lies as it was before it was migrated."""


_version_table = table("alembic_version", column("version_num"))


def backend_of(url: str) -> Backend:
    """Return what is special about the database of a `[store] url`.

    Raises:
        ConfigError: the URL is none that SQLAlchemy understands, or of another kind of database.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigError("store.url is not a database URL such as sqlite:////var/lib/watcher.db") from None
    if parsed.drivername == "sqlite":
        return Sqlite(parsed)
    if parsed.drivername == "postgresql":
        return Postgresql(parsed)
    known = "sqlite:////path/to/file.db or postgresql://user@host/database"
    raise ConfigError(f"store.url: {parsed.drivername} is not supported; use {known}")


def prepare(engine: Engine, backend: Backend) -> Opened:
    """Create or migrate the schema if it is not this version's; Alembic is imported only then.

    Before anything is written to it, it is made sure that it is whole; a file is copied before it is migrated.

    Raises:
        StoreTooNewError: a newer version of the watcher wrote the database.
        StoreError: it cannot be used, is damaged, or belongs to another program.
    """
    there = backend.create_folder()
    with translate_errors(backend):
        if there:
            with engine.connect() as connection:
                found = find_revision(connection, backend)
                backend.check(connection)
            if found == REVISIONS[-1]:
                return Opened(found, found)
        with backend.making() as there_since:
            return _migrate(engine, backend, there_since)


def open_read_only(engine: Engine, backend: Backend) -> Opened:
    """Make sure that the database can be read as it is; nothing is created or migrated. Raises as `prepare`."""
    with translate_errors(backend), engine.connect() as connection:
        found = find_revision(connection, backend)
        if found != REVISIONS[-1]:
            was = f"is of an older version (schema {found})" if found else "is empty"
            raise StoreError(f"The database {backend.name} {was}; the next start or watcher db upgrade changes that.")
        backend.check(connection)
        return Opened(found, found)


def find_revision(connection: Connection, backend: Backend) -> str | None:
    """Return the revision of the schema; None if there is nothing yet. Raises StoreError if it is not ours to use."""
    names = backend.tables(connection)
    if not names:
        return None
    if not OURS.issubset(names):
        raise StoreError(f"The database {backend.name} belongs to another program; nothing was written to it.")
    return read_revision(connection, backend)


def read_revision(connection: Connection, backend: Backend) -> str:
    """Return the revision of the schema of a database of ours. Raises StoreTooNewError if a newer version wrote it."""
    version = connection.execute(select(_version_table.c.version_num)).scalar()
    if version is None:
        raise DamagedError("the revision of its schema is missing")
    if version not in REVISIONS:
        raise StoreTooNewError(
            f"The database {backend.name} was written by a newer version of the watcher (schema {version}, this one"
            f" knows {REVISIONS[-1]}); nothing was written to it. Upgrade openrouter-watcher."
        )
    return str(version)


@contextmanager
def transaction(engine: Engine, *, writes: bool) -> Iterator[Connection]:
    """Have a connection of its own in a transaction, which reads at one moment or writes wholly or not at all."""
    with engine.connect().execution_options(**{WRITES: writes}) as connection, connection.begin():
        yield connection


def _migrate(engine: Engine, backend: Backend, there_since: datetime | None) -> Opened:
    """Migrate while nobody else can write; who waited for it finds it done.

    `there_since`: since when a file is there, so that one with nothing in it is noted as found empty.
    """
    from alembic import command
    from alembic.config import Config

    backend.prepare_migration(engine)
    backup: Path | None = None
    with transaction(engine, writes=True) as connection:
        before = find_revision(connection, backend)
        if before == REVISIONS[-1]:  # another process was faster
            return Opened(before, before)
        if before is not None:
            backup = backend.copy(f".before-{REVISIONS[-1]}")
        config = Config()
        config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except BaseException:
            if backup is not None:  # all is as it was: what failed is rolled back
                backup.unlink()
            raise
        if before is None and there_since is not None:
            Maintenance(connection).note_empty(there_since)
    return Opened(before, REVISIONS[-1], backup)


def migrations_folder() -> Path:
    """Return the folder of the migrations: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"
