"""PostgreSQL: for several machines that share the work.

Transactions that write take one lock of the database first, so they follow one another as SQLite's do. Those that only
read see one moment, and wait for nobody.
"""

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL

from watcher.errors import ConfigError, StoreError
from watcher.store.backend import FULL, LOCKED, WRITES, Backend

LEAST_VERSION = 14
"""Of the server: older ones cannot end a silent session."""

DRIVER = {
    "application_name": "openrouter-watcher",
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""Options of libpq (seconds; the last one milliseconds) unless the URL sets them: a server that is cut off is noticed
within half a minute, not after the two hours of TCP."""

_OUR_SCHEMA = "pg_catalog.quote_ident(pg_catalog.current_schema())"

SESSION = (
    # Functions and operators that others made further on in the search path are not called in place of PostgreSQL's own
    # (CVE-2018-1058).
    f"SELECT pg_catalog.set_config('search_path', {_OUR_SCHEMA}, false)",
    "SET TIME ZONE 'UTC'",
    "SET synchronous_commit = on",
    "SET tcp_keepalives_idle = 10",
    "SET tcp_keepalives_interval = 5",
    "SET tcp_keepalives_count = 3",
    "SET idle_in_transaction_session_timeout = '10min'",
)
"""The same on the server's side: the locks of a machine that is cut off are soon free."""

WRITING, POLLING = 0, 1
"""The locks of a database: the second of the two numbers that name a lock."""

LOCK = "hashtext('openrouter-watcher ' || current_schema())"
"""The first number, so that other programs, and watchers in other schemas, have locks of their own."""

_ADVICE = {
    "08": "cannot be reached",  # an SQLSTATE or its beginning; see PostgreSQL's Appendix A
    "25006": "is read-only; is it a standby?",
    "28": "refuses the user or the password; check [store] url, or PGPASSFILE",
    "3D000": "does not exist; make it with createdb",
    "42501": "may not be used by this user; grant it CREATE and USAGE on the schema, or make it the owner",
    "53100": FULL,
    "53300": "has no connection left; raise max_connections",
    "55P03": LOCKED,
    "57": "ended the connection; nothing was written",
    "XX001": "is damaged; nothing was written. Restore a backup",
    "XX002": "is damaged; nothing was written. Restore a backup",
}


class Postgresql(Backend):
    """A database on a server."""

    def __init__(self, url: URL) -> None:
        self._url = url.set(drivername="postgresql+psycopg")
        port = f":{url.port}" if url.port else ""
        self.name = f"postgresql://{url.host or ''}{port}/{url.database or ''}"

    def engine(self, busy_seconds: float = 30.0, *, read_only: bool = False) -> Engine:
        options = {name: value for name, value in DRIVER.items() if name not in self._url.query}
        try:
            # A pooled connection may have ended with the server, so each is tried before it is used.
            engine = create_engine(self._url, connect_args=options, pool_pre_ping=True)
        except ModuleNotFoundError:
            package = "openrouter-watcher[postgresql]"
            raise ConfigError(f"store.url: PostgreSQL needs a driver: pip install '{package}'") from None
        wait = f"SET lock_timeout = {max(1, round(busy_seconds * 1000))}"
        event.listen(engine, "connect", lambda connection, _record: _on_connect(connection, (*SESSION, wait)))
        event.listen(engine, "begin", _on_begin)
        return engine

    def check(self, connection: Connection) -> None:
        version = int(str(connection.exec_driver_sql("SHOW server_version_num").scalar())) // 10_000
        if version < LEAST_VERSION:
            raise StoreError(
                f"The database {self.name} is of PostgreSQL {version}; {LEAST_VERSION} or newer is needed."
            )
        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
        if encoding != "UTF8":
            raise StoreError(f"The database {self.name} is in {encoding}; make one with createdb --encoding UTF8.")
        if connection.exec_driver_sql("SELECT current_schema()").scalar() is None:
            raise StoreError(f"The database {self.name} has no schema of its search_path; make it with CREATE SCHEMA.")

    def vacuum(self, engine: Engine) -> None:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for name in sorted(inspect(connection).get_table_names()):
                connection.exec_driver_sql(f"VACUUM (ANALYZE) {connection.dialect.identifier_preparer.quote(name)}")

    def size(self, connection: Connection) -> int | None:
        query = """
            SELECT coalesce(sum(pg_total_relation_size(oid)), 0) FROM pg_class
            WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
        """
        return int(connection.execute(text(query)).scalar_one())

    def advice(self, error: BaseException) -> str | None:
        from psycopg import Error, OperationalError

        if not isinstance(error, Error):
            return None
        said = " ".join(str(error).split()).rstrip(".")
        state = error.sqlstate or ""
        if not state:  # it did not come from the server
            means = next((_ADVICE[code] for words, code in _MESSAGES if words in said), None)
            return f"{means or (_ADVICE['08'] if isinstance(error, OperationalError) else 'cannot be used')} ({said})"
        known = (advice for prefix, advice in _ADVICE.items() if state.startswith(prefix))
        return next(known, f"cannot be used: {said}")


_MESSAGES = (
    ("password authentication failed", "28"),
    ("no password supplied", "28"),
    ("does not exist", "3D000"),
    ("too many clients", "53300"),
)
"""While it connects, the driver passes on the server's message, but not its code."""


def _on_connect(connection: object, statements: tuple[str, ...]) -> None:
    with connection.cursor() as cursor:  # type: ignore[attr-defined]
        for statement in statements:
            cursor.execute(statement)
    connection.commit()  # type: ignore[attr-defined]


def _on_begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("isolation_level") == "AUTOCOMMIT":
        return
    if options.get(WRITES, False):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK}, {WRITING})")
    else:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
