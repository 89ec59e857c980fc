"""Deliveries: queued once, claimed by one process at a time, marked, and what each channel was told."""

from collections import Counter
from datetime import datetime
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from msgspec.structs import replace

from tests.store.conftest import url
from tests.store.processes import run_together
from tests.store.samples import HOUR, MINUTE, START, event
from watcher.catalog.model import Event, PriceChange
from watcher.errors import StoreError
from watcher.store.outbox import MAX_ERROR, Delivery
from watcher.store.store import Store

CLAIM_TOGETHER = """
import json, sys
from tests.store.samples import MINUTE, START
from watcher.store.store import Store
with Store.open(sys.argv[1]) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    claimed = []
    for number in range(30):
        with store.writing() as session:
            claimed += [delivery.id for delivery in session.outbox.claim(f"channel-{number}", START, MINUTE)]
print(json.dumps(claimed))
"""


def queue(store: Store, *events: Event, channel: str = "team", at: datetime = START) -> None:
    with store.writing() as session:
        session.state.add_events(events)
        for made in events:
            session.outbox.add(channel, made, at, reworded=False)


def claim(store: Store, now: datetime = START, channel: str = "team") -> list[Delivery]:
    with store.writing() as session:
        return session.outbox.claim(channel, now, MINUTE)


def all_of(store: Store) -> list[Delivery]:
    with store.reading() as session:
        return session.outbox.find()


def test_a_queued_event_is_due_at_once_and_pending_until_it_is_marked(store: Store) -> None:
    queue(store, event(1))
    (delivery,) = all_of(store)
    assert delivery == Delivery(delivery.id, "team", event(1), "pending", attempts=0, created=START, next_attempt=START)
    with store.reading() as session:
        assert session.outbox.pending() == {"team": 1}
        assert session.outbox.due(START)
        assert not session.outbox.due(START - MINUTE)


def test_a_claim_takes_what_is_due_for_the_channel_oldest_first(store: Store) -> None:
    queue(store, event(2), event(1))
    queue(store, event(3), channel="other")
    queue(store, event(4), at=START + HOUR)
    assert [delivery.event for delivery in claim(store)] == [event(2), event(1)]


def test_a_claim_keeps_others_away_for_the_time_of_the_lease_and_counts_as_an_attempt(store: Store) -> None:
    queue(store, event(1))
    assert len(claim(store)) == 1
    assert claim(store, START + MINUTE / 2) == []
    assert [delivery.attempts for delivery in all_of(store)] == [1]
    assert len(claim(store, START + MINUTE)) == 1
    assert [delivery.attempts for delivery in all_of(store)] == [2]


def test_what_is_sent_is_never_due_again(store: Store) -> None:
    queue(store, event(1), event(2))
    first, second = claim(store)
    with store.writing() as session:
        session.outbox.mark_sent([first.id], START + MINUTE)
    assert [delivery.event for delivery in claim(store, START + HOUR)] == [second.event]
    sent = all_of(store)[0]
    assert (sent.state, sent.sent, sent.next_attempt) == ("sent", START + MINUTE, None)
    with store.reading() as session:
        assert session.outbox.pending() == {"team": 1}


def test_what_failed_waits_for_its_next_attempt_with_the_reason(store: Store) -> None:
    queue(store, event(1))
    (delivery,) = claim(store)
    with store.writing() as session:
        session.outbox.mark_failed([delivery.id], START + HOUR, "x" * 10_000)
    assert claim(store, START + HOUR - MINUTE) == []
    (again,) = claim(store, START + HOUR)
    assert again.last_error == "x" * MAX_ERROR
    with store.writing() as session:
        session.outbox.mark_sent([delivery.id], START + HOUR)
    assert all_of(store)[0].last_error is None


def test_nothing_to_mark_is_nothing(store: Store) -> None:
    queue(store, event(1))
    before = all_of(store)
    with store.writing() as session:
        session.outbox.mark_sent([], START)
        session.outbox.mark_failed([], START, "no")
    assert all_of(store) == before


def test_a_channel_gets_an_event_once(store: Store) -> None:
    queue(store, event(1))
    with pytest.raises(StoreError):
        queue(store, event(1))
    queue(store, event(1), channel="other")
    assert [delivery.channel for delivery in all_of(store)] == ["team", "other"]


def test_an_event_that_is_not_stored_cannot_be_queued(store: Store) -> None:
    with pytest.raises(StoreError), store.writing() as session:
        session.outbox.add("team", event(1), START, reworded=False)


def test_a_channel_that_is_told_other_prices_keeps_its_own_wording(store: Store) -> None:
    made = event(1, kind="repriced", prices={"prompt": PriceChange("2", "3", "+50%")})
    own = replace(made, prices={"prompt": PriceChange("1", "3", "+200%")})
    queue(store, made)
    with store.writing() as session:
        session.outbox.add("own", own, START, reworded=True)
    assert [delivery.event for delivery in all_of(store)] == [made, own]
    with store.reading() as session:
        assert session.history.events() == [made]


def test_many_can_wait(store: Store) -> None:
    queue(store, *(event(number) for number in range(2_000)))
    claimed = claim(store)
    assert len(claimed) == 2_000
    with store.writing() as session:
        session.outbox.mark_failed([delivery.id for delivery in claimed], START, "no")
        session.outbox.mark_sent([delivery.id for delivery in claimed], START)
    assert claim(store, START + HOUR) == []


# Two at once


def filled(store: Store) -> list[int]:
    with store.writing() as session:
        events = tuple(event(number) for number in range(10))
        session.state.add_events(events)
        for made in events:
            for channel in range(30):
                session.outbox.add(f"channel-{channel}", made, START, reworded=False)
    return [delivery.id for delivery in all_of(store)]


def once(claimed: list[list[int]], ids: list[int]) -> bool:
    return Counter(number for some in claimed for number in some) == Counter(ids)


def test_two_processes_never_claim_the_same_delivery(path: Path) -> None:
    with Store.open(url(path)) as store:
        ids = filled(store)
    assert once(run_together(CLAIM_TOGETHER, url(path)), ids)


def test_two_threads_with_stores_of_their_own_never_claim_the_same_delivery(path: Path) -> None:
    with Store.open(url(path)) as store:
        ids = filled(store)
    barrier, claimed = Barrier(2), [[], []]  # type: tuple[Barrier, list[list[int]]]

    def work(mine: list[int]) -> None:
        with Store.open(url(path)) as own:
            barrier.wait()
            for number in range(30):
                mine += [delivery.id for delivery in claim(own, channel=f"channel-{number}")]

    threads = [Thread(target=work, args=(mine,)) for mine in claimed]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert once(claimed, ids)


# What a channel was told


@pytest.mark.parametrize("prices", [{}, {"prompt": "0.1"}, {"prompt": "0.2", "completion": "varies"}])
def test_what_a_channel_was_told_is_replaced(prices: dict[str, Any], store: Store) -> None:
    with store.writing() as session:
        session.outbox.save_told("team", "a/b", {"prompt": "0.1", "image": "0.5"})
        session.outbox.save_told("other", "a/b", {"prompt": "0.3"})
        session.outbox.save_told("team", "a/c", {"prompt": "0.4"})
        session.outbox.save_told("team", "a/b", prices)
    with store.reading() as session:
        told = session.outbox.told
        assert told("team", "a/b") == prices
        assert told("other", "a/b") == {"prompt": "0.3"}
        assert told("team", "a/c") == {"prompt": "0.4"}
        assert told("team", "a/unknown") == {}
