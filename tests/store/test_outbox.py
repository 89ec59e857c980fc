"""Deliveries: queued once, taken in batches, marked, sent by one process at a time; and what each channel was told."""

from datetime import datetime
from typing import Any

import pytest
from msgspec.structs import replace

from tests.store.processes import run_together
from tests.store.samples import HOUR, MINUTE, START, event
from watcher.catalog.decision import Queued
from watcher.catalog.model import Event, PriceChange
from watcher.errors import StoreError
from watcher.store.outbox import MAX_ERROR, Delivery
from watcher.store.store import Store

SEND_TOGETHER = """
import json, sys
from tests.store.samples import START
from watcher.store.store import Store
with Store.open(sys.argv[1]) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    sent = []
    with store.sending():
        for number in range(30):
            with store.writing() as session:
                batch = session.outbox.next_batch(f"channel-{number}", START)
                if batch:
                    sent += [delivery.id for delivery in batch]
                    session.outbox.mark_sent(batch, START)
print(json.dumps(sent))
"""


def queue(
    store: Store, *events: Event, channel: str = "team", at: datetime = START, due: datetime | None = None
) -> None:
    with store.writing() as session:
        session.state.add_events(events)
        for made in events:
            session.outbox.add([Queued(channel, made, due or at)], at)


def take(store: Store, now: datetime = START, channel: str = "team") -> list[Delivery]:
    with store.writing() as session:
        return session.outbox.next_batch(channel, now)


def taken(store: Store, now: datetime = START) -> list[Event]:
    return [delivery.event for delivery in take(store, now)]


def all_of(store: Store) -> list[Delivery]:
    with store.reading() as session:
        return session.outbox.listed()


def test_a_queued_event_is_due_at_once_and_pending_until_it_is_marked(store: Store) -> None:
    queue(store, event(1))
    (delivery,) = all_of(store)
    assert delivery == Delivery(
        delivery.id, "team", event(1), "pending", attempts=0, created=START, due=START, next_attempt=START
    )
    with store.reading() as session:
        assert session.outbox.pending() == {"team": 1}
        assert session.outbox.next_due() == START


def test_a_batch_takes_what_is_due_for_the_channel_oldest_first_and_counts_as_an_attempt(store: Store) -> None:
    queue(store, event(2), event(1))
    queue(store, event(3), due=START + HOUR)
    queue(store, event(4), channel="other")
    assert taken(store) == [event(2), event(1)]
    assert [row.attempts for row in all_of(store)] == [1, 1, 0, 0]
    assert [row.batch for row in all_of(store)] == [1, 1, None, None]


def test_what_was_due_at_once_stays_so_when_the_clock_is_set_back(store: Store) -> None:
    queue(store, event(1))
    queue(store, event(2), due=START + MINUTE)
    assert taken(store, START - HOUR) == [event(1)]
    assert taken(store, START - HOUR) == [event(1)], "the process that was sending it died"


def test_what_is_sent_is_never_due_again(store: Store) -> None:
    queue(store, event(1))
    batch = take(store)
    with store.writing() as session:
        session.outbox.mark_sent(batch, START + MINUTE)
    (row,) = all_of(store)
    assert (row.state, row.sent, row.next_attempt) == ("sent", START + MINUTE, None)
    assert take(store, START + HOUR) == []
    with store.reading() as session:
        assert session.outbox.messages("team", START) == [START + MINUTE]
        assert session.outbox.messages("team", START + HOUR) == []


@pytest.mark.parametrize(("refused", "batch"), [(True, None), (False, 1)])
def test_what_failed_waits_for_its_next_attempt_with_the_reason(store: Store, refused: bool, batch: int | None) -> None:
    queue(store, event(1))
    first = take(store)
    with store.writing() as session:
        session.outbox.mark_failed(first, START + HOUR, "x" * 9999, refused=refused, at=START)
    (row,) = all_of(store)
    assert (row.state, row.batch, row.next_attempt) == ("pending", batch, START + HOUR)
    assert row.last_error == "x" * MAX_ERROR
    assert take(store, START + MINUTE) == []
    with store.reading() as session:
        assert session.outbox.failing() == {"team"}
    assert taken(store, START + HOUR) == [event(1)]


def test_nothing_to_mark_is_nothing(store: Store) -> None:
    queue(store, event(1))
    before = all_of(store)
    with store.writing() as session:
        session.outbox.mark_sent([], START)
        session.outbox.mark_failed([], START, "x", refused=True, at=START)
        session.outbox.give_up([], "x")
    assert all_of(store) == before


def test_given_up_waits_no_longer_and_can_be_sent_anew(store: Store) -> None:
    queue(store, event(1))
    with store.writing() as session:
        session.outbox.give_up(session.outbox.listed(), "it is over")
        assert session.outbox.pending() == {}
    assert take(store, START + HOUR) == []
    with store.writing() as session:
        session.outbox.retry(session.outbox.listed(states=["given up"]), START + HOUR)
    assert taken(store, START + HOUR) == [event(1)]


def test_a_channel_gets_an_event_once(store: Store) -> None:
    queue(store, event(1))
    with pytest.raises(StoreError):
        queue(store, event(1))
    queue(store, event(1), channel="other")
    assert [delivery.channel for delivery in all_of(store)] == ["team", "other"]


def test_an_event_that_is_not_stored_cannot_be_queued(store: Store) -> None:
    with pytest.raises(StoreError), store.writing() as session:
        session.outbox.add([Queued("team", event(1), START)], START)


def test_a_channel_that_is_told_other_prices_keeps_its_own_wording(store: Store) -> None:
    made = event(1, kind="repriced", prices={"prompt": PriceChange("2", "3", "+50%")})
    own = replace(made, prices={"prompt": PriceChange("1", "3", "+200%")})
    queue(store, made)
    with store.writing() as session:
        session.outbox.add([Queued("own", own, START, reworded=True)], START)
    assert [delivery.event for delivery in all_of(store)] == [made, own]
    with store.reading() as session:
        assert session.history.events() == [made]


def test_many_can_wait(store: Store) -> None:
    queue(store, *(event(number) for number in range(2000)))
    batch = take(store)
    assert len(batch) == 2000
    with store.writing() as session:
        session.outbox.mark_sent(batch, START)
    assert {row.state for row in all_of(store)} == {"sent"}


@pytest.mark.slow
def test_two_processes_never_send_the_same_delivery(database: str) -> None:
    with Store.open(database) as store:
        for number in range(30):
            queue(store, event(number), channel=f"channel-{number}")
        ids = [row.id for row in all_of(store)]
    sent = run_together(SEND_TOGETHER, database)
    assert sorted(number for one in sent for number in one) == ids


@pytest.mark.parametrize("prices", [{}, {"prompt": "0.1"}, {"prompt": "0.2", "completion": "varies"}])
def test_what_a_channel_was_told_is_replaced(prices: dict[str, Any], store: Store) -> None:
    with store.writing() as session:
        session.outbox.save_prices("team", "a/b", {"prompt": "0.1", "image": "0.5"})
        session.outbox.save_prices("other", "a/b", {"prompt": "0.3"})
        session.outbox.save_prices("team", "a/c", {"prompt": "0.4"})
        session.outbox.save_prices("team", "a/b", prices)
    with store.reading() as session:
        known = {key: found for key, found in {("team", "a/b"): prices}.items() if found}
        others = {("other", "a/b"): {"prompt": "0.3"}, ("team", "a/c"): {"prompt": "0.4"}}
        assert session.outbox.prices() == {**known, **others}


def test_what_waits_for_a_failed_channel_is_next_due_with_it(store: Store) -> None:
    queue(store, event(1))
    batch = take(store)
    with store.writing() as session:
        session.outbox.mark_failed(batch, START + HOUR, "HTTP 500", refused=True, at=START)
    queue(store, event(2), at=START + MINUTE)
    with store.reading() as session:
        assert session.outbox.next_due() == START + HOUR
