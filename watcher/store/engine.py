"""How a database is opened: SQLite's settings, the schema's version, and the driver's errors in our words."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, select, table, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.sql import column

from watcher.errors import ConfigError, StoreError, StoreTooNewError
from watcher.store.schema import REVISIONS

BUSY_SECONDS = 30.0
"""How long a write waits for another process before it gives up."""

_ADVICE = {
    "SQLITE_BUSY": f"is locked by another process for over {BUSY_SECONDS:.0f} s; try again when that is done",
    "SQLITE_LOCKED": f"is locked by another process for over {BUSY_SECONDS:.0f} s; try again when that is done",
    "SQLITE_READONLY": "is read-only for this user; check the owner and mode of the file and its folder",
    "SQLITE_CANTOPEN": "cannot be opened; check that its folder exists and this user may write there",
    "SQLITE_PERM": "may not be used by this user; check its owner and mode",
    "SQLITE_FULL": "cannot grow: the disk is full; nothing of this poll was stored, free some space",
    "SQLITE_IOERR": "cannot be read or written: the disk reports an error",
    "SQLITE_CORRUPT": "is damaged; nothing was written. Restore a backup, or move it away to start anew",
    "SQLITE_NOTADB": "is not an SQLite database; nothing was written. Check [store] url",
}

_version_table = table("alembic_version", column("version_num"))


def open_engine(url: str, *, busy_seconds: float = BUSY_SECONDS) -> Engine:
    """Return an engine for a database of `[store] url`; nothing is opened yet.

    Raises:
        ConfigError: the URL is none that SQLAlchemy understands, or not SQLite.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigError("store.url is not a database URL such as sqlite:////var/lib/watcher.db") from None
    if parsed.get_backend_name() != "sqlite":
        raise ConfigError(f"store.url: {parsed.get_backend_name()} is not supported; use sqlite:////path/to/file.db")
    engine = create_engine(parsed, connect_args={"timeout": busy_seconds})
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver must not begin transactions of its own: it does so too late
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")


def _on_begin(connection: Connection) -> None:
    # A transaction that begins as a reader and then writes fails at once when another process wrote in between,
    # whatever the timeout; one that begins as a writer waits.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def explained(url: URL) -> Iterator[None]:
    """Turn the driver's errors into `StoreError`s that name the database and what to do."""
    name = url.database or ":memory:"
    try:
        yield
    except DBAPIError as error:
        raise StoreError(f"The database {name} {_advice(error)}.") from error
    except sqlite3.Error as error:
        raise StoreError(f"The database {name} {_advice_for(error)}.") from error
    except (SQLAlchemyError, OSError) as error:
        raise StoreError(f"The database {name} cannot be used: {error}") from error


def _advice(error: DBAPIError) -> str:
    return _advice_for(error.orig) if error.orig is not None else f"cannot be used: {error}"


def _advice_for(error: BaseException) -> str:
    code = str(getattr(error, "sqlite_errorname", "") or "")
    return next((advice for name, advice in _ADVICE.items() if code.startswith(name)), f"cannot be used: {error}")


def prepare(engine: Engine) -> None:
    """Create or migrate the schema if it is not this version's; Alembic is imported only then.

    Raises:
        StoreTooNewError: a newer version of the watcher wrote the database.
        StoreError: it cannot be used, or belongs to another program.
    """
    with explained(engine.url):
        path = engine.url.database
        if path and path != ":memory:" and not Path(path).exists():
            Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with engine.connect() as connection:
            if _is_current(connection, engine.url):
                return
        _migrate(engine)


def _is_current(connection: Connection, url: URL) -> bool:
    names = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars().all()
    if "alembic_version" not in names:
        if names:
            raise StoreError(f"The database {url.database} belongs to another program; nothing was written to it.")
        return False
    version = connection.execute(select(_version_table.c.version_num)).scalar()
    if version is not None and version not in REVISIONS:
        raise StoreTooNewError(
            f"The database {url.database} was written by a newer version of the watcher (schema {version}, this one"
            f" knows {REVISIONS[-1]}); nothing was written to it. Upgrade openrouter-watcher."
        )
    return bool(version == REVISIONS[-1])


def _migrate(engine: Engine) -> None:
    from alembic import command
    from alembic.config import Config

    raw = engine.raw_connection()
    raw.cursor().execute("PRAGMA journal_mode = WAL")  # kept in the file; not allowed inside a transaction
    raw.close()
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        if _is_current(connection, engine.url):  # another process was faster
            return
        config = Config()
        config.set_main_option("script_location", str(migrations_folder()))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def migrations_folder() -> Path:
    """Return the folder of the migrations: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"
