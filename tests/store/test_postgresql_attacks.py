"""PostgreSQL: the fewest rights that do, functions that somebody planted, and TLS."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import URL, make_url

from tests.databases import Server, running
from tests.store.samples import START, Polls, document, event, rows
from watcher.catalog.decision import Queued
from watcher.errors import StoreError
from watcher.store.store import Store


@pytest.fixture
def shared(postgresql: Server) -> Iterator[str]:
    """A database with our tables, of the user who made them."""
    with postgresql.database() as url:
        yield url


@pytest.fixture
def worker(shared: str, postgresql: Server) -> Iterator[URL]:
    """The database as a user has it who may do nothing yet."""
    name = f"worker_{os.getpid()}"
    postgresql.ask(f"CREATE ROLE {name} LOGIN")
    yield make_url(shared).set(username=name)
    postgresql.ask(f"DROP OWNED BY {name}", str(make_url(shared).database))
    postgresql.ask(f"DROP ROLE {name}")


def use(url: str) -> None:
    """Do all that a running watcher does with its database."""
    with Store(url) as store:
        with store.polling(wait=True):
            Polls(store).see(document("author/a"), document("author/b"), at=START)
        with store.sending() as claims, store.writing() as session:
            assert claims.claim("team")
            session.state.add_events((event(1),))
            session.outbox.add([Queued("team", event(1), START)], START)
            batch = session.outbox.next_batch("team", START)
            session.outbox.mark_sent(batch, START)
            session.maintenance.prune(START - START, START)
        assert store.size


RIGHTS = """
    GRANT USAGE ON SCHEMA public TO {name};
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name};
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {name};
"""


def test_a_user_with_the_rights_that_the_guide_names_can_do_everything(
    worker: URL, shared: str, postgresql: Server
) -> None:
    database = str(make_url(shared).database)
    postgresql.ask("REVOKE ALL ON SCHEMA public FROM PUBLIC", database)
    postgresql.ask(RIGHTS.format(name=worker.username), database)
    use(worker.render_as_string())
    with pytest.raises(psycopg.errors.InsufficientPrivilege), psycopg.connect(worker.render_as_string()) as connection:
        connection.execute("CREATE TABLE more (a int)")


@pytest.mark.parametrize("missing", ["USAGE ON SCHEMA", "SELECT", "INSERT", "USAGE ON ALL SEQUENCES"])
def test_a_right_that_is_missing_is_one_clear_sentence(
    worker: URL, shared: str, postgresql: Server, missing: str
) -> None:
    database = str(make_url(shared).database)
    postgresql.ask("REVOKE ALL ON SCHEMA public FROM PUBLIC", database)
    rights = [line for line in RIGHTS.strip().splitlines() if missing not in line or missing in ("SELECT", "INSERT")]
    granted = "\n".join(rights).replace(f"{missing}, ", "") if missing in ("SELECT", "INSERT") else "\n".join(rights)
    postgresql.ask(granted.format(name=worker.username), database)
    with pytest.raises(StoreError) as caught:
        use(worker.render_as_string())
    assert "\n" not in str(caught.value)
    assert any(
        said in str(caught.value) for said in ("may not be used by this user", "has no schema of its search_path")
    )


PLANTED = """
    CREATE TABLE {schema}.stolen (who text, what text);
    GRANT ALL ON {schema}.stolen TO PUBLIC;
    CREATE FUNCTION {schema}.note(what text) RETURNS void LANGUAGE sql SECURITY INVOKER AS
        $$ INSERT INTO {schema}.stolen VALUES (current_user, what) $$;
    CREATE FUNCTION {schema}.hashtext(varchar) RETURNS int LANGUAGE sql AS
        $$ SELECT {schema}.note('hashtext'); SELECT 1 $$;
    CREATE FUNCTION {schema}.pg_total_relation_size(oid) RETURNS bigint LANGUAGE sql AS
        $$ SELECT {schema}.note('size'); SELECT 1::bigint $$;
    CREATE FUNCTION {schema}.same(varchar, varchar) RETURNS boolean LANGUAGE sql AS
        $$ SELECT {schema}.note('='); SELECT $1::text OPERATOR(pg_catalog.=) $2::text $$;
    CREATE OPERATOR {schema}.= (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = {schema}.same);
    CREATE FUNCTION {schema}.max(varchar) RETURNS varchar LANGUAGE sql AS
        $$ SELECT {schema}.note('max'); SELECT $1 $$;
"""
"""Functions and operators that fit better than PostgreSQL's own, so they are called in their place (CVE-2018-1058)."""


@pytest.mark.parametrize("path", ["public, {schema}", '"$user", public, {schema}', "public, {schema}, pg_catalog"])
def test_what_somebody_planted_further_on_in_the_search_path_is_not_called(
    shared: str, postgresql: Server, path: str
) -> None:
    database, schema = str(make_url(shared).database), "planted"
    postgresql.ask(f"CREATE SCHEMA {schema}", database)
    for statement in PLANTED.format(schema=schema).split(";\n    CREATE"):
        postgresql.ask(statement if statement.lstrip().startswith("CREATE") else f"CREATE{statement}", database)
    postgresql.ask(f"ALTER DATABASE {database} SET search_path = {path.format(schema=schema)}")
    use(shared)
    with Store.open(shared) as store:
        assert rows(store, f"SELECT * FROM {schema}.stolen") == []


# TLS


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two authorities (`ours`, `other`), and a certificate of the first for 127.0.0.1 (`server`)."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make certificates with")
    folder = tmp_path_factory.mktemp("tls")

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], cwd=folder, capture_output=True, check=True)  # type: ignore[list-item]

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    for name in ("ours", "other"):
        run("req", "-x509", *key, "-days", "2", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.crt")
    run("req", *key, "-subj", "/CN=127.0.0.1", "-keyout", "server.key", "-out", "server.csr")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1")
    signed = ("-CA", "ours.crt", "-CAkey", "ours.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
    run("x509", "-req", "-in", "server.csr", *signed, "-out", "server.crt")
    return folder


@pytest.fixture(scope="module")
def tls_server(authorities: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of these tests, as others would be slower with TLS."""
    with running(tmp_path_factory.mktemp("own")) as server:
        server.use_tls(authorities / "server.crt", authorities / "server.key")
        yield server


@pytest.mark.parametrize(
    ("mode", "root", "host", "works"),
    [
        ("verify-full", "ours", "127.0.0.1", True),
        ("verify-ca", "ours", "127.0.0.1", True),
        ("verify-full", "other", "127.0.0.1", False),
        ("verify-ca", "other", "127.0.0.1", False),
        ("verify-full", "ours", "localhost", False),
        ("verify-full", None, "127.0.0.1", False),
        ("require", None, "127.0.0.1", True),
    ],
)
def test_a_server_is_believed_as_far_as_the_url_asks_for_it(
    tls_server: Server, authorities: Path, mode: str, root: str | None, host: str, works: bool
) -> None:
    with tls_server.database() as url:
        query = {"sslmode": mode, **({"sslrootcert": str(authorities / f"{root}.crt")} if root else {})}
        asked = make_url(url).set(host=host, password="hush-hush-9", query=query).render_as_string(hide_password=False)
        if works:
            with Store.open(asked) as store:
                assert rows(store, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == [(True,)]
            return
        with pytest.raises(StoreError) as caught:
            Store.open(asked)
        assert "hush" not in str(caught.value)
        assert "TLS" in str(caught.value) or "certificate" in str(caught.value)
