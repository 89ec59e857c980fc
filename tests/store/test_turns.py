"""Machines that share a database take turns, and who lost a turn stores nothing."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import pytest
from sqlalchemy.engine import make_url

from tests.databases import Server
from tests.proxy import Proxy
from tests.store.samples import HOUR, START, event, rows
from watcher.catalog.decision import Queued
from watcher.errors import StoreError
from watcher.store import turn as turns
from watcher.store.records import Poll
from watcher.store.store import Store

SECONDS = 30
"""Until a test gives up on what must come."""

SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
END_SESSIONS = """
    SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
LAST_SAID = """
    SELECT max(state_change) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.fixture
def shared(postgresql: Server) -> Iterator[str]:
    with postgresql.database() as url:
        yield url


@pytest.fixture
def one(shared: str) -> Iterator[Store]:
    with Store.open(shared) as store:
        yield store


@pytest.fixture
def other(shared: str) -> Iterator[Store]:
    with Store.open(shared) as store:
        yield store


@contextmanager
def impatient(monkeypatch: pytest.MonkeyPatch, *, beat: float) -> Iterator[None]:
    """Have a server that waits for a second only."""
    with monkeypatch.context() as patch:
        patch.setattr(turns, "SILENCE", 1)
        patch.setattr(turns, "BEAT", beat)
        yield


def poll(store: Store, at: datetime = START) -> None:
    with store.writing() as session:
        session.state.add_poll(Poll(at, "good", 1))


def test_one_polls_at_a_time(one: Store, other: Store) -> None:
    with one.polling() as ours:
        assert ours
        with other.polling() as theirs:
            assert not theirs
    with other.polling() as theirs:
        assert theirs


def test_who_asks_for_a_poll_waits_for_the_one_in_hand(one: Store, other: Store) -> None:
    got = threading.Event()

    def wait() -> None:
        with other.polling(wait=True) as ours:
            assert ours
            got.set()

    waiting = threading.Thread(target=wait)
    with one.polling():
        waiting.start()
        while not rows(one, "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
            assert waiting.is_alive()
        assert not got.is_set()
    waiting.join(SECONDS)
    assert got.is_set()


def test_a_file_is_not_shared(tmp_path_factory: pytest.TempPathFactory) -> None:
    with Store.open(f"sqlite:///{tmp_path_factory.mktemp('file') / 'w.db'}") as store, store.polling() as ours:
        assert (ours, store.shared) == (True, False)


def test_what_is_stored_in_a_turn_can_be_read_by_all(one: Store, other: Store) -> None:
    with one.polling():
        poll(one)
        with other.reading() as session:
            assert session.state.last_poll() == Poll(START, "good", 1)


def test_who_lost_the_turn_stores_nothing(one: Store, other: Store) -> None:
    with pytest.raises(StoreError, match=r"ended the connection; nothing was written|was lost"), one.polling():
        rows(other, END_SESSIONS)
        with other.polling() as ours:
            assert ours
            poll(other)
        poll(one, START + HOUR)
    with other.reading() as session:
        assert session.state.last_poll() == Poll(START, "good", 1)
    poll(one, START + HOUR)  # and it is fit for use again
    with pytest.raises(StoreError, match="was lost"), one.polling():
        rows(other, END_SESSIONS)
        with pytest.raises(StoreError, match="ended the connection"):
            poll(one)
        poll(one)  # does not connect anew, without the lock


def test_a_turn_goes_on_while_its_machine_waits_for_somebody(
    one: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with impatient(monkeypatch, beat=0.1), one.polling():
        ((first,),) = rows(other, LAST_SAID)
        while (rows(other, LAST_SAID)[0][0] - first).total_seconds() < 3 * turns.SILENCE:
            pass
        with other.polling() as ours:
            assert not ours
        poll(one)


def test_a_machine_that_stands_still_loses_its_turn(one: Store, other: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with impatient(monkeypatch, beat=SECONDS), pytest.raises(StoreError, match="nothing was written"):  # noqa: SIM117
        with one.polling():
            with other.polling(wait=True) as ours:
                assert ours
            poll(one)


def test_a_machine_that_is_cut_off_loses_its_turn(
    shared: str, other: Store, postgresql: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Proxy(postgresql.port)
    far = make_url(shared).set(port=proxy.port).render_as_string()
    with impatient(monkeypatch, beat=0.1), Store.open(far) as one, pytest.raises(StoreError):  # noqa: SIM117
        with one.polling() as ours:
            assert ours
            proxy.cut()
            with other.polling(wait=True) as theirs:
                assert theirs
            proxy.mend()
            poll(one)
    proxy.close()
    with other.reading() as session:
        assert session.state.last_poll() is None


def test_a_channel_is_sent_to_by_one_at_a_time(one: Store, other: Store) -> None:
    with one.sending() as ours, other.sending() as theirs:
        with one.writing():
            assert ours.claim("a")
            assert ours.claim("a")
            assert ours.claim("b")
        with other.writing():
            assert not theirs.claim("a")
            assert theirs.claim("c")
        ours.release("a")
        ours.release("a")
        with other.writing():
            assert theirs.claim("a")
            assert not theirs.claim("b")
        with one.writing():
            assert not ours.claim("c")
    with one.sending() as ours, one.writing():
        assert all(ours.claim(name) for name in "abc")


def test_who_writes_waits_for_who_writes(one: Store, other: Store) -> None:
    def queue(store: Store, number: int) -> None:
        with store.writing() as session:
            session.state.add_events((event(number),))
            session.outbox.add([Queued("team", event(number), START)], START)

    with one.writing() as session:
        late = threading.Thread(target=queue, args=(other, 2))
        late.start()
        while not rows(one, "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
            assert late.is_alive()
        session.state.add_events((event(1),))
        session.outbox.add([Queued("team", event(1), START)], START)
    late.join(SECONDS)
    with one.reading() as session:
        assert [row.event.id for row in session.outbox.listed()] == [event(1).id, event(2).id]


def test_who_waits_too_long_is_told_why(shared: str, one: Store) -> None:
    with one.writing(), Store.open(shared, busy_seconds=0.1) as other, pytest.raises(StoreError, match="stayed locked"):
        poll(other)


def test_no_connection_is_left_behind(shared: str, postgresql: Server) -> None:
    with Store.open(shared) as store:
        with store.polling():
            poll(store)
        with store.sending() as claims, store.writing():
            claims.claim("a")
    with Store.open(shared) as store:
        while rows(store, SESSIONS) != [(0,)]:  # a server takes a moment to notice
            pass
