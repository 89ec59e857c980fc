"""How a database is opened, and its schema created or brought to this version's."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct
from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from watcher.errors import ConfigError, StoreError, StoreTooNewError
from watcher.store.backend import WRITES, Backend, translate_errors
from watcher.store.documents import DamagedError
from watcher.store.file import copy_database, file_of
from watcher.store.maintenance import EMPTY, Maintenance
from watcher.store.postgresql import Postgresql
from watcher.store.records import REVISIONS
from watcher.store.schema import metadata
from watcher.store.sqlite import Sqlite

OURS = frozenset({"alembic_version", "models", "versions", "deliveries"})
"""Tables that tell our databases from others, some of which have a table of Alembic's, too."""

_CREATE_REVISION = """
    CREATE TABLE alembic_version (
        version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
    )
"""
"""As Alembic does it."""


class Opened(Struct, frozen=True):
    """How the database was found when it was opened."""

    before: str | None
    """The revision of its schema; None: there was no database."""
    after: str
    backup: Path | None = None
    """The copy of the database from before it was migrated."""


def backend_of(url: str) -> Backend:
    """Return the kind of database of a `[store] url`. Raises ConfigError if it is no URL after all."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # a port that is not a number, for example
        raise ConfigError("store.url is not a database URL such as sqlite:////var/lib/watcher.db") from None
    return Sqlite(parsed, file_of(url)) if parsed.drivername == "sqlite" else Postgresql(parsed)


def prepare(engine: Engine, backend: Backend) -> Opened:
    """Create the schema, or migrate it to this version's. Raises StoreTooNewError or StoreError.

    A file is checked before anything is written to it, and copied before it is migrated.
    """
    exists = backend.create_folder()
    with translate_errors(backend):
        if exists:
            with engine.connect() as connection:
                found = find_revision(connection, backend)
                backend.check(connection)
            if found == REVISIONS[-1]:
                return Opened(found, found)
        with backend.creating(engine):
            return _create_or_migrate(engine, backend, has_file=exists and backend.file is not None)


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
    """Return the revision of the schema; None if the database is empty. Raises StoreError if it is not ours to use."""
    names = inspect(connection).get_table_names()
    if not names:
        return None
    if not OURS.issubset(names):
        raise StoreError(f"The database {backend.name} belongs to another program; nothing was written to it.")
    return read_revision(connection, backend)


def read_revision(connection: Connection, backend: Backend) -> str:
    """Return the revision of the schema of one of our databases. Raises StoreTooNewError if this version is older."""
    version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
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
    """Open a connection in one transaction, which reads at one moment, or writes all or nothing."""
    with engine.connect().execution_options(**{WRITES: writes}) as connection, connection.begin():
        yield connection


@contextmanager
def read_as_it_is(url: str) -> Iterator[tuple[Backend, Connection]]:
    """Open a database for reading at one moment, whatever is in it. Raises ConfigError or StoreError."""
    backend = backend_of(url)
    engine = backend.engine(read_only=True)
    try:
        with translate_errors(backend), engine.connect() as connection:
            yield backend, connection
    finally:
        engine.dispose()


def _create_or_migrate(engine: Engine, backend: Backend, *, has_file: bool) -> Opened:
    """Create or migrate the schema under the write lock; later openers find it current."""
    with transaction(engine, writes=True) as connection:
        before = find_revision(connection, backend)
        if before == REVISIONS[-1]:  # another process was faster
            return Opened(before, before)
        if before is None:
            metadata.create_all(connection, checkfirst=False)
            connection.execute(text(_CREATE_REVISION))
            connection.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": REVISIONS[-1]})
            if has_file:  # with nothing in it
                Maintenance(connection).note(EMPTY, datetime.now(UTC))
            return Opened(None, REVISIONS[-1])
        file, backup = backend.file, None
        if file is not None:
            backup = copy_database(file, file.with_name(f"{file.name}.before-{REVISIONS[-1]}"))
        try:
            migrate(connection)
        except BaseException:  # the migration is rolled back, so the copy is of no use
            if backup is not None:
                backup.unlink()
            raise
    return Opened(before, REVISIONS[-1], backup)


def migrate(connection: Connection, revision: str = "head") -> None:
    """Bring the schema to a revision. Only this imports Alembic: a new database is created without it."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def migrations_folder() -> Path:
    """Return the folder of the migrations: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"
