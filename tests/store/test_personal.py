"""What the user has told the watcher, on every kind of database."""

from datetime import timedelta
from pathlib import Path

from tests.store.samples import START
from watcher.catalog.decision import Acknowledgement
from watcher.catalog.model import Tokens
from watcher.store.copying import copy_store
from watcher.store.session import Session
from watcher.store.store import Store

KNOWN = Acknowledgement(START, START + timedelta(days=3), "2026-02-01", {"prompt": "0.000001"})
MANY = Tokens(10**15, 2, 1, 3)


def fill(session: Session) -> None:
    session.personal.acknowledge("a/one", Acknowledgement(START))
    session.personal.acknowledge("a/one", KNOWN)
    session.personal.replace_usage({"b/two": Tokens(1)})
    session.personal.replace_usage({"a/one": MANY})


def test_it_is_remembered_and_each_time_replaced(store: Store) -> None:
    with store.writing() as session:
        fill(session)
    with store.reading() as session:
        assert (session.personal.acknowledged(), session.personal.usage()) == ({"a/one": KNOWN}, {"a/one": MANY})
        known = session.known(START)
        assert (known.acknowledged, known.usage) == ({"a/one": KNOWN}, {"a/one": MANY})


def test_an_acknowledgement_can_be_taken_back_once(store: Store) -> None:
    with store.writing() as session:
        fill(session)
        assert [session.personal.acknowledge("a/one", None) for _ in range(2)] == [True, False]
        assert session.personal.acknowledged() == {}


def test_it_travels_with_a_copy(store: Store, database: str, tmp_path: Path) -> None:
    with store.writing() as session:
        fill(session)
    target = f"sqlite:///{tmp_path / 'copy.db'}"
    counts = copy_store(database, target)
    assert (counts["acknowledged"], counts["usage"]) == (1, 1)
    with Store.open(target) as copy, copy.reading() as session:
        assert (session.personal.acknowledged(), session.personal.usage()) == ({"a/one": KNOWN}, {"a/one": MANY})
