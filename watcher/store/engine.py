"""How a database is opened: SQLite's settings, the schema's version, and the driver's errors in our words."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from msgspec import Struct
from sqlalchemy import Connection, Engine, create_engine, event, select, table, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError, StatementError
from sqlalchemy.sql import column

from watcher.errors import ConfigError, StoreError, StoreTooNewError
from watcher.store.backup import copy_database
from watcher.store.documents import DamagedError
from watcher.store.revisions import REVISIONS
from watcher.store.upkeep import check_pages

_LEAST_ROOM = 64 * 1024
"""Bytes: SQLite makes the index of a write-ahead log in pieces of 32 KiB."""

_DAMAGED = "is damaged; nothing was written. Restore a backup, or move it away to start anew"

_FULL = "cannot grow: the disk is full; nothing of this poll was stored, free some space"

_ADVICE = {
    "SQLITE_BUSY": "stayed locked by another process; nothing was written. Try again when that is done",
    "SQLITE_LOCKED": "stayed locked by another process; nothing was written. Try again when that is done",
    "SQLITE_READONLY": "is read-only for this user; check the owner and mode of the file and its folder",
    "SQLITE_CANTOPEN": "cannot be opened; check that its folder exists and this user may write there",
    "SQLITE_PERM": "may not be used by this user; check its owner and mode",
    "SQLITE_FULL": _FULL,
    "SQLITE_IOERR_SHMSIZE": _FULL,  # no room for the index of the log, which lies beside it
    "SQLITE_IOERR": "cannot be read or written: the disk reports an error",
    "SQLITE_CORRUPT": _DAMAGED,
    "SQLITE_NOTADB": "is not an SQLite database; nothing was written. Check [store] url",
}

_OURS = frozenset({"alembic_version", "models", "versions", "deliveries"})
"""Tables that tell our databases from those of others; some of those have a table of Alembic's, too."""


class Opened(Struct, frozen=True):
    """What opening a database came to."""

    before: str | None
    """The revision of its schema that was found; None: there was no database."""
    after: str
    backup: Path | None = None
    """Where it lies as it was before it was migrated."""


_version_table = table("alembic_version", column("version_num"))


def open_engine(url: str, *, busy_seconds: float) -> Engine:
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
    """Turn the driver's errors into `StoreError`s that name the database and what to do; others pass."""
    name = url.database or ":memory:"
    try:
        yield
    except DBAPIError as error:
        raise StoreError(f"The database {name} {_advice(error, name)}.") from error
    except sqlite3.Error as error:
        raise StoreError(f"The database {name} {_advice_for(error, name)}.") from error
    except DamagedError as error:
        raise StoreError(f"The database {name} {_DAMAGED}.") from error
    except StatementError as error:  # a value of ours that no database can hold: not this one's fault
        raise (error.orig or error) from None
    except SQLAlchemyError as error:
        raise StoreError(f"The database {name} cannot be used: {_first_line(error)}.") from error


def _advice(error: DBAPIError, name: str) -> str:
    return _advice_for(error.orig if error.orig is not None else error, name)


def _advice_for(error: BaseException, name: str) -> str:
    code = str(getattr(error, "sqlite_errorname", "") or "")
    if code.startswith("SQLITE_IOERR") and _is_full(Path(name).parent):
        code = "SQLITE_FULL"  # with a write-ahead log, the log's index fails first, and SQLite cannot tell why
    known = (advice for prefix, advice in _ADVICE.items() if code.startswith(prefix))
    return next(known, f"cannot be used: {_first_line(error)}")


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _LEAST_ROOM
    except OSError:
        return False


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0].rstrip(".")


def prepare(engine: Engine) -> Opened:
    """Create or migrate the schema if it is not this version's; Alembic is imported only then.

    All pages of the database are read before anything is written to it, and it is copied before it is migrated.

    Raises:
        StoreTooNewError: a newer version of the watcher wrote the database.
        StoreError: it cannot be used, is damaged, or belongs to another program.
    """
    file = file_of(engine.url)
    if file is not None:
        _make_folder(file)
    with explained(engine.url):
        with engine.connect() as connection:
            found = _revision(connection, engine.url)
            check_pages(connection)
        return Opened(found, found) if found == REVISIONS[-1] else _migrate(engine, file)


def file_of(url: URL) -> Path | None:
    """Return the file of an SQLite database; None if it is in memory or has an address of SQLite's own kind."""
    path = url.database
    return Path(path) if path and path != ":memory:" and not path.startswith("file:") else None


def _make_folder(path: Path) -> None:
    if path.is_dir():
        raise StoreError(f"The database {path} is a folder; name a file in it in [store] url.")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"The database {path} cannot be made: cannot make its folder: {error.strerror}.") from error


def _revision(connection: Connection, url: URL) -> str | None:
    """Return the revision of the schema; None if there is nothing yet. Raises StoreError if it is not ours to use."""
    names = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars().all()
    if not names:
        return None
    if not _OURS.issubset(names):
        raise StoreError(f"The database {url.database} belongs to another program; nothing was written to it.")
    version = connection.execute(select(_version_table.c.version_num)).scalar()
    if version is None:
        raise DamagedError("the revision of its schema is missing")
    if version not in REVISIONS:
        raise StoreTooNewError(
            f"The database {url.database} was written by a newer version of the watcher (schema {version}, this one"
            f" knows {REVISIONS[-1]}); nothing was written to it. Upgrade openrouter-watcher."
        )
    return str(version)


def _migrate(engine: Engine, file: Path | None) -> Opened:
    """Migrate while nobody else can write; who waited for it finds it done."""
    from alembic import command
    from alembic.config import Config

    with closing(engine.raw_connection()) as raw:
        raw.cursor().execute("PRAGMA journal_mode = WAL")  # kept in the file; not allowed inside a transaction
    backup: Path | None = None
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        before = _revision(connection, engine.url)
        if before == REVISIONS[-1]:  # another process was faster
            return Opened(before, before)
        if before is not None and file is not None:
            backup = copy_database(file, file.with_name(f"{file.name}.before-{REVISIONS[-1]}"))
        config = Config()
        config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except BaseException:
            if backup is not None:  # all is as it was: what failed is rolled back
                backup.unlink()
            raise
    return Opened(before, REVISIONS[-1], backup)


def migrations_folder() -> Path:
    """Return the folder of the migrations: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"
