"""One transaction: all of it or nothing, whatever ends it; and times that are the same everywhere."""

import signal
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.store.conftest import url
from tests.store.processes import start
from tests.store.samples import HOUR, START, Polls, contents, document, event
from watcher.catalog.decision import Queued, SourceState
from watcher.store.records import Poll
from watcher.store.session import Session
from watcher.store.store import Store

DIE_IN_A_TRANSACTION = """
import os, sys
from tests.store.samples import HOUR, START, body, document
from watcher.catalog.poll import decide_list
from watcher.catalog.policy import Policy
from watcher.catalog.reading import read
from watcher.store.store import Store
from watcher.catalog.decision import Fetched, Known
from watcher.store.records import Poll
with Store.open(sys.argv[1]) as store, store.writing() as session:
    documents = [document(f"author/model-{number}", "0.5", noise=os.urandom(2000).hex()) for number in range(2000)]
    snapshot = read([body(documents)])
    before = session.state.model_states()
    known = Known(states=before, last_good=START)
    decision = decide_list(known, Fetched(snapshot), Policy(), START + HOUR, baseline=False)
    session.state.save_states(decision.states, before, snapshot.entries, START + HOUR)
    session.state.add_events(decision.events)
    session.state.add_poll(Poll(START + HOUR, "good", 1))
    print("ready", flush=True)
    sys.stdin.readline()
"""


def write_everywhere(session: Session) -> None:
    made = event(1)
    session.state.add_poll(Poll(START, "good", 1))
    session.state.save_source("list", SourceState("query", "policy", b"digest"))
    session.state.add_events((made,))
    session.outbox.add([Queued("team", made, START, reworded=True)], START)
    session.outbox.save_prices("team", "author/model", {"prompt": "1"})


def test_a_block_that_ends_well_is_kept(database: str) -> None:
    with Store.open(database) as store, store.writing() as session:
        write_everywhere(session)
    with Store.open(database) as store, store.reading() as session:
        assert session.state.last_poll() == Poll(START, "good", 1)
        assert session.state.source("list") == SourceState("query", "policy", b"digest")
        assert session.history.events() == [event(1)]
        assert [delivery.event for delivery in session.outbox.listed()] == [event(1)]
        assert session.outbox.prices() == {("team", "author/model"): {"prompt": "1"}}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_in_the_middle_leaves_nothing(error: type[BaseException], store: Store) -> None:
    before = contents(store)
    with pytest.raises(error), store.writing() as session:
        write_everywhere(session)
        raise error
    assert contents(store) == before


def test_reading_sees_one_moment(database: str) -> None:
    with Store.open(database) as store, Store.open(database) as other, store.reading() as session:
        assert session.state.last_poll() is None
        with other.writing() as writing:
            write_everywhere(writing)
        assert session.state.last_poll() is None
        assert session.history.events() == []


def test_nothing_is_written_while_reading(filled: Path) -> None:
    before = filled.read_bytes()
    with Store.open(url(filled)) as store:
        contents(store)
    assert filled.read_bytes() == before


@pytest.mark.slow
def test_a_writer_killed_in_the_middle_leaves_the_state_before(filled: Path) -> None:
    with Store.open(url(filled)) as store:
        before = contents(store)
    process = start(DIE_IN_A_TRANSACTION, url(filled))
    assert process.stdout is not None
    ready = process.stdout.readline()
    log = filled.with_name(filled.name + "-wal")
    written = log.stat().st_size if log.exists() else 0
    process.send_signal(signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert ready == "ready\n", errors
    assert written > 100_000  # part of the transaction is on the disk
    with Store.open(url(filled), busy_seconds=0.1) as store:
        assert contents(store) == before
        Polls(store).see(*(document(f"author/model-{number}") for number in range(60)), at=START + HOUR)


# Times


_OFFSETS = st.builds(timezone, st.timedeltas(timedelta(hours=-23), timedelta(hours=23)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.timezones() | _OFFSETS))  # noqa: DTZ001
def test_a_moment_is_the_same_in_any_time_zone(store: Store, moment: datetime) -> None:
    with suppress(LookupError), store.writing() as session:
        session.state.add_poll(Poll(moment, "good", 1))
        poll = session.state.last_poll()
        raise LookupError("nothing of it is to stay")
    assert poll is not None
    assert poll.at == moment.astimezone(UTC)
    assert poll.at.tzinfo is UTC


def test_a_time_without_a_zone_is_refused(store: Store) -> None:
    before = contents(store)
    with pytest.raises(ValueError, match="no time zone"), store.writing() as session:
        session.state.add_poll(Poll(datetime(2026, 1, 1), "good", 1))  # noqa: DTZ001
    assert contents(store) == before


def test_a_place_east_of_utc_sorts_by_the_moment(store: Store) -> None:
    east = timezone(timedelta(hours=9))
    with store.writing() as session:
        session.state.add_events((event(1, at=datetime(2026, 1, 5, 1, tzinfo=east)), event(2, at=START + 5 * HOUR)))
    with store.reading() as session:
        assert [made.id for made in session.history.events()] == [event(2).id, event(1).id][::-1]
        assert [made.id for made in session.history.events(since=START + 4.5 * HOUR)] == [event(2).id]
    assert datetime(2026, 1, 5, 1, tzinfo=east) == datetime(2026, 1, 4, 16, tzinfo=UTC)
