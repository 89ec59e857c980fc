"""What is too old is forgotten, and nothing that anything else still needs."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from tests.store.conftest import url
from tests.store.samples import HOUR, START, Polls, contents, document, event, moment, rows
from watcher.catalog.decision import Queued
from watcher.errors import StoreError
from watcher.store import schema
from watcher.store.maintenance import PRUNED
from watcher.store.records import Poll, maintenance_due
from watcher.store.store import Store

DAY = timedelta(days=1)
YEAR = 365 * DAY
LATER = START + 3 * YEAR


def add(store: Store, *polls: tuple[datetime, str], imported: bool = False) -> None:
    with store.writing() as session:
        for at, outcome in polls:
            session.state.add_poll(Poll(at, outcome, 1))
            if imported:
                session.state._connection.execute(update(schema.polls).values(imported=True))


def polls(store: Store) -> list[tuple[datetime, str]]:
    return [(moment(at), outcome) for at, outcome in rows(store, "SELECT at, outcome FROM polls ORDER BY id")]


def keep(store: Store, span: timedelta = YEAR, now: datetime = LATER) -> None:
    with store.writing() as session:
        session.maintenance.prune(span, now)


def test_old_polls_go_but_the_first_good_and_the_last_good(store: Store) -> None:
    old = [
        (START + number * DAY, outcome) for number, outcome in enumerate(["failed", "good", "good", "good", "failed"])
    ]
    young = [(LATER - DAY, "failed")]
    add(store, *old, *young)
    keep(store)
    assert polls(store) == [old[1], old[3], *young]
    with store.reading() as session:
        assert session.state.last_good() == old[3][0]
        assert session.imported.first_live() == old[1][0], "an import tells its past from ours by it"


def test_what_was_imported_stays(store: Store) -> None:
    add(store, *((START + number * DAY, "good") for number in range(5)), imported=True)
    keep(store)
    assert len(polls(store)) == 5


@pytest.mark.parametrize(("span", "left"), [(timedelta(0), 4), (DAY, 3), (4 * YEAR, 4)])
def test_how_long_is_a_setting_and_zero_is_for_ever(span: timedelta, left: int, store: Store) -> None:
    add(store, *((START + number * HOUR, "good") for number in range(3)), (LATER, "good"))
    keep(store, span)
    assert len(polls(store)) == left - (span == DAY), "the first and the last"
    with store.reading() as session:
        assert session.maintenance.noted(PRUNED) == LATER


def test_the_edge_of_the_time_stays(store: Store) -> None:
    add(store, (START, "good"), (LATER - YEAR - HOUR, "failed"), (LATER - YEAR, "failed"), (LATER, "good"))
    keep(store)
    assert [at for at, _ in polls(store)] == [START, LATER - YEAR, LATER]


def test_finished_deliveries_go_by_when_they_ended_and_pending_ones_never(store: Store) -> None:
    with store.writing() as session:
        made = [event(number) for number in range(6)]
        session.state.add_events(tuple(made))
        session.outbox.add([Queued("team", one, START) for one in made], START)
        rows = session.outbox.listed()
        session.outbox.mark_sent(rows[0:1], START)
        session.outbox.mark_sent(rows[1:2], LATER - HOUR)
        session.outbox.give_up(rows[2:4], "it is broken", at=START)
        session.outbox.mark_sent(rows[4:5], START)
    keep(store)
    with store.reading() as session:
        left = {row.event.id: row.state for row in session.outbox.listed()}
        events = session.history.events()
        condition = session.outbox.conditions(LATER)["team"]
    assert left == {made[1].id: "sent", made[3].id: "given up", made[4].id: "sent", made[5].id: "pending"}
    assert len(events) == 6, "events stay"
    assert (condition.last_success, condition.last_failure, condition.pending) == (LATER - HOUR, START, 1)


def test_prices_and_what_is_known_stay(store: Store) -> None:
    see = Polls(store)
    for number in range(4):
        see.see(document("a/b", f"0.00000{number + 1}"), at=START + number * DAY)
    before = contents(store)
    with store.reading() as session:
        versions = session.history.versions("a/b")
    keep(store)
    with store.reading() as session:
        assert session.history.versions("a/b") == versions
    assert contents(store) == before
    assert len(versions) == 4


def test_a_damaged_page_stops_it_before_anything_is_written(filled: Path) -> None:
    with Store.open(url(filled)) as store:
        content = bytearray(filled.read_bytes())
        content[5 * 4096 : 6 * 4096] = bytes(4096)
        filled.write_bytes(content)
        with pytest.raises(StoreError, match="is damaged; nothing was written"):
            keep(store)
    assert filled.read_bytes() == content


@pytest.mark.parametrize(
    ("kept", "due"),
    [(None, True), (START, False), (START - DAY + HOUR, False), (START - DAY, True), (START + HOUR, True)],
)
def test_it_is_due_once_a_day_and_when_a_clock_was_set_back(kept: datetime | None, due: bool) -> None:
    assert maintenance_due(kept, START) is due


def test_a_channel_fails_until_it_takes_something(store: Store) -> None:
    def condition() -> tuple[int, bool, str | None]:
        with store.reading() as session:
            one = session.outbox.conditions(LATER)["team"]
        return one.pending, one.fails, one.error

    with store.writing() as session:
        made = tuple(event(number) for number in range(3))
        session.state.add_events(made)
        session.outbox.add([Queued("team", one, START) for one in made], START)
    assert condition() == (3, False, None)
    with store.writing() as session:
        rows = session.outbox.listed()
        session.outbox.mark_failed(rows[:1], START + HOUR, "HTTP 500", refused=True, at=START)
        session.outbox.mark_failed(rows[1:2], START + HOUR, "HTTP 502", refused=True, at=START + HOUR)
    assert condition() == (3, True, "HTTP 502")
    with store.writing() as session:
        session.outbox.give_up(rows[1:2], "dropped by hand")
    assert condition() == (2, True, "HTTP 500"), "what was dropped by hand is no failure"
    with store.writing() as session:
        session.outbox.mark_sent(rows[2:3], START + 2 * HOUR)
    assert condition() == (1, False, None)
