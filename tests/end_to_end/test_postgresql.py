"""The commands on a PostgreSQL database, and a store that moves to one."""

import json
import os
import re
import sqlite3
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from testkit.command import Command
from testkit.receivers import Sink
from tests.databases import Server
from tests.end_to_end.test_check import HAIKU, channel, story
from tests.store.samples import HOUR, START, Polls, contents, document, event, rows
from watcher.catalog.decision import Heartbeat, Queued, SourceState
from watcher.simulator import Simulator, story_scenes
from watcher.store.maintenance import PRUNED
from watcher.store.outbox import Delivery
from watcher.store.records import REVISIONS
from watcher.store.schema import metadata
from watcher.store.store import Store

DAY = 24 * HOUR
TABLES = [table.name for table in metadata.sorted_tables]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(story_scenes(story())) as simulator:
        yield simulator


@pytest.fixture
def shared(postgresql: Server) -> Iterator[str]:
    """A database with nothing in it."""
    with postgresql.database(empty=True) as url:
        yield url


def configure(command: Command, url: str, more: str = "") -> None:
    command.configure(f'[store]\nurl = "{url}"\n{more}')
    (command.folder / "config.toml").chmod(0o600)


def test_a_check_does_there_what_it_does_in_a_file(
    command: Command, shared: str, simulator: Simulator, sink: Sink
) -> None:
    settings = f'[source]\nurl = "{simulator.url}"\n[announce]\nsettle = "0s"\n{channel(sink)}'
    configure(command, shared, settings)
    assert command.run("--check") == (0, "", "")
    simulator.advance()
    assert command.run("--check", "--exit-code") == (1, "", "")
    assert command.run("--check") == (0, "", ""), "what expired is seen as gone for the second time"
    assert command.run("--check") == (0, "", "")
    assert [len(json.loads(request.body)["events"]) for request in sink.requests] == [2, 1]
    changes = json.loads(command.run("changes", "--json").out)
    assert sorted(one["kind"] for one in changes) == ["expired", "new", "repriced"]
    assert command.run("status").code == 0
    status = json.loads(command.run("status", "--json").out)
    assert status["healthy"] is True
    assert status["database"]["path"] == f"postgresql://127.0.0.1:{make_url(shared).port}/{make_url(shared).database}"
    assert status["database"]["bytes"] > 100_000
    assert HAIKU in command.run("show", HAIKU).out
    code, out, err = command.run("db", "check")
    assert (code, err) == (0, "")
    assert re.fullmatch(r"documents: \d+ ok\nversions: \d+ ok\n", out.partition("\n")[2])


def test_a_dry_run_leaves_an_empty_database_empty(command: Command, shared: str, simulator: Simulator) -> None:
    configure(command, shared, f'[source]\nurl = "{simulator.url}"\n')
    assert command.run("--check", "--dry-run").code == 0
    assert not Store(shared).exists


def test_what_is_made_for_files_says_so(command: Command, shared: str) -> None:
    configure(command, shared)
    assert "does not exist" in command.run("db", "vacuum").err
    assert command.run("db", "upgrade") == (0, f"schema none → {REVISIONS[-1]}\n", "")
    assert command.run("db", "upgrade") == (0, f"schema {REVISIONS[-1]} is this version's\n", "")
    assert command.run("db", "vacuum").code == 0
    code, _, err = command.run("db", "backup")
    assert (code, err) == (64, "watcher: the database is not a file; pg_dump makes backups of PostgreSQL's\n")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"port": 1}, "cannot be reached"),
        ({"database": "nobody_made_it"}, "does not exist; make it with createdb"),
        ({"username": "nobody"}, "does not exist"),
        ({"query": {"options": "-csearch_path=nowhere"}}, "has no schema of its search_path"),
        ({"query": {"sslmode": "verify-full"}}, "cannot be reached"),
    ],
)
def test_a_server_that_cannot_be_used_is_one_clear_line(
    command: Command, shared: str, change: dict[str, object], said: str
) -> None:
    url = make_url(shared).set(password="hush")
    for part, value in change.items():
        url = url.set(**{part: value})  # type: ignore[arg-type]
    configure(command, url.render_as_string(hide_password=False))
    code, out, err = command.run("status")
    assert (code, out, err.count("\n")) == (74, "", 1)
    assert said in err
    assert "hush" not in err


def test_a_database_of_another_program_or_in_another_encoding_is_refused(
    command: Command, shared: str, postgresql: Server
) -> None:
    postgresql.ask("CREATE TABLE theirs (a int)", str(make_url(shared).database))
    configure(command, shared)
    assert "belongs to another program; nothing was written" in command.run("status").err
    name = f"latin_{os.getpid()}"
    postgresql.ask(f"CREATE DATABASE {name} ENCODING LATIN1 LOCALE 'C' LOCALE_PROVIDER libc TEMPLATE template0")
    configure(command, postgresql.url(name))
    assert "is in LATIN1; make one with createdb --encoding UTF8" in command.run("status").err
    postgresql.ask(f"DROP DATABASE {name}")


def test_two_watchers_can_have_a_schema_each(command: Command, shared: str, postgresql: Server) -> None:
    for name in ("one", "two"):
        postgresql.ask(f"CREATE SCHEMA {name}", str(make_url(shared).database))
    with (
        Store.open(f"{shared}?options=-csearch_path%3Done") as one,
        Store.open(f"{shared}?options=-csearch_path%3Dtwo") as two,
        one.polling() as ours,
        two.polling() as theirs,
        one.sending() as sends,
        two.sending() as sends_too,
    ):
        assert ours
        assert theirs
        with one.writing():
            assert sends.claim("a")
            with two.writing():
                assert sends_too.claim("a")


# A store moves


COPIED_ELSEWHERE = {"acknowledged", "usage", "found", "endpoints", "endpoint_lists", "endpoint_versions"}
"""Tables that tests/store copies, full."""


def fill(store: Store) -> None:
    """Put something into every table."""
    polls = Polls(store)
    for number, price in enumerate(["0.1", "0.2"]):
        many = (document(f"author/Model-{n}", price) for n in range(1500))
        polls.see(*many, document("Ünïcode/名"), at=START + number * DAY)
    with store.writing() as session:
        made = tuple(event(number) for number in range(30))
        session.state.add_events(made)
        session.outbox.add([Queued("team", one, START, reworded=True) for one in made], START)
        session.outbox.save_prices("team", "author/a", {"prompt": "0.1"})
        session.state.save_source("list", SourceState("query", "policy", b"\x00\xff", 3, START))
        session.maintenance.save_heartbeat("team", Heartbeat(START, START))
        session.maintenance.prune(timedelta(), START)


def everything(store: Store) -> dict[str, object]:
    with store.reading() as session:
        more = {"alive": session.maintenance.heartbeats(), "kept": session.maintenance.noted(PRUNED)}
    return {**contents(store), **more, "told": rows(store, "SELECT * FROM told ORDER BY model")}


def test_a_store_moves_without_loss_and_goes_on(command: Command, shared: str) -> None:
    with Store.open(f"sqlite:///{command.folder}/old.db") as old:
        fill(old)
        before = everything(old)
        counts = {table: len(rows(old, f"SELECT * FROM {table}")) for table in TABLES}
    assert {table for table, count in counts.items() if not count} <= COPIED_ELSEWHERE
    code, out, err = command.run("db", "copy", "sqlite:///old.db", shared)
    assert (code, err) == (0, "")
    told = dict(line.split(": ") for line in out.splitlines()[:-1])
    assert told == {table: f"{count:,} row{'s' * (count != 1)}" for table, count in counts.items()}
    assert "are the same" in out.splitlines()[-1]
    with Store.open(shared) as new:
        assert everything(new) == before
        fill_more(new)  # with numbers of its own that follow
        assert [row.id for row in new_deliveries(new)] == list(range(1, 32))
    command.run("db", "copy", shared, "sqlite:///back.db")
    with Store.open(f"sqlite:///{command.folder}/back.db") as back:
        assert len(new_deliveries(back)) == 31
        fill_more(back, 101)


def fill_more(store: Store, number: int = 100) -> None:
    Polls(store).see(document("author/later"), at=START + 3 * DAY)
    with store.writing() as session:
        session.state.add_events((event(number),))
        session.outbox.add([Queued("team", event(number), START)], START)


def new_deliveries(store: Store) -> list[Delivery]:
    with store.reading() as session:
        return session.outbox.listed()


SPOILED = {
    "row": ("deliveries", "IF NEW.id = 30 THEN RETURN NULL; END IF"),
    "byte": ("models", "IF NEW.id = 'author/Model-700' THEN NEW.digest := 'x'; END IF"),
    "order": ("versions", "IF NEW.id = 900 THEN NEW.valid_to := NEW.valid_from; END IF"),
}


@pytest.mark.parametrize("lost", SPOILED)
def test_a_copy_that_is_not_the_same_is_not_kept(command: Command, shared: str, lost: str) -> None:
    with Store.open(f"sqlite:///{command.folder}/old.db") as old:
        fill(old)
    table, change = SPOILED[lost]
    with Store.open(shared) as new, new.writing() as session:
        session.connection.execute(
            text(f"CREATE FUNCTION spoil() RETURNS trigger AS $$ BEGIN {change}; RETURN NEW; END $$ LANGUAGE plpgsql")
        )
        session.connection.execute(
            text(f"CREATE TRIGGER spoil BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION spoil()")
        )
    code, out, err = command.run("db", "copy", "sqlite:///old.db", shared)
    assert (code, out) == (74, "")
    assert "did not keep row" in err
    with Store.open(shared) as new:
        assert rows(new, "SELECT * FROM models") == []


def test_an_empty_source_is_an_error_and_stays_empty(command: Command, shared: str) -> None:
    code, out, err = command.run("db", "copy", shared, "sqlite:///new.db")
    assert (code, out) == (74, "")
    assert "is empty: there is nothing to copy" in err
    assert not (command.folder / "new.db").exists()
    import psycopg

    with psycopg.connect(shared) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)


def test_a_copy_is_refused_where_it_would_mix_or_miss_something(command: Command, shared: str) -> None:
    with Store.open(f"sqlite:///{command.folder}/old.db") as old:
        fill_more(old)
    assert command.run("db", "copy", "sqlite:///old.db", shared).code == 0
    code, _, err = command.run("db", "copy", "sqlite:///old.db", shared)
    assert (code, err.count("\n")) == (74, 1)
    assert "has events in it already; nothing was written to it" in err
    assert "does not exist" in command.run("db", "copy", "sqlite:///none.db", shared).err
    assert not (command.folder / "none.db").exists()
    with sqlite3.connect(command.folder / "old.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    assert "written by a newer version" in command.run("db", "copy", "sqlite:///old.db", "sqlite:///new.db").err
    code, _, err = command.run("db", "copy", "mysql://me:hush@host/db", shared)
    assert (code, "hush" in err) == (64, False)
