"""What arrives at a channel about models that are used: bills, and no more of what is acknowledged."""

import json
import os
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from testkit.receivers import MailServer, Sink
from tests.store.samples import document
from tests.test_cycle import World
from watcher.catalog.model import Event, Tokens
from watcher.config.mine import MineSettings
from watcher.config.secret import Secret
from watcher.config.settings import Channel, Rules
from watcher.delivery.channel import send
from watcher.delivery.outbox import drain
from watcher.messages.template import compose_for
from watcher.mine.acknowledge import acknowledge
from watcher.store.store import Store

M = 1_000_000
ONE = "a/one"
DAY = timedelta(days=1)
TOKENS = {ONE: Tokens(10 * M, 2 * M)}


class Subscriber(World):
    """A user with a channel, and what it receives."""

    def __init__(self, store: Store, sink: Sink) -> None:
        super().__init__(store)
        self.sink = sink
        self.subscribe()

    def subscribe(self, url: str = "", tokens: dict[str, Tokens] = TOKENS, **rules: Any) -> None:
        channel = Channel("team", Secret(url or f"json://{self.sink.address}/"), rules=Rules(**rules))
        self.config = replace(self.config, channels=(channel,), mine=MineSettings(tokens=tokens))

    def costs(self, prompt: str, completion: str = "0.00001", **more: Any) -> list[Event]:
        """Poll a list with this model, send, and return the events that arrive."""
        return self.hears(document(ONE, pricing={"prompt": prompt, "completion": completion}, **more))

    def hears(self, *documents: Any, after: timedelta = timedelta(minutes=5)) -> list[Event]:
        self.now += after
        self.shows(*documents)
        return self.drain()

    def drain(self) -> list[Any]:
        before = len(self.sink.requests)

        def to(channel: Channel, events: Any) -> Any:
            return send(channel.secret_url(os.environ), partial(compose_for, channel), events, timeout=20)

        drain(self.store, self.config, to, clock=lambda: self.now)
        return [told for request in self.sink.requests[before:] for told in json.loads(request.body)["events"]]

    def acknowledge(self, until: datetime | None = None, *, price_only: bool = False) -> None:
        with self.store.writing() as session:
            acknowledge(session, ONE, self.now, until, price_only=price_only)


@pytest.fixture
def database(empty: Path, tmp_path: Path) -> str:
    """Nothing here depends on the kind of database."""
    return f"sqlite:///{shutil.copy(empty, tmp_path / 'watcher.db')}"


@pytest.fixture
def user(database: str, sink: Sink) -> Iterator[Subscriber]:
    with Store.open(database) as store:
        yield Subscriber(store, sink)


def test_a_new_price_tells_what_it_does_to_the_bill(user: Subscriber) -> None:
    user.costs("0.0000021")
    (told,) = user.costs("0.0000043")
    assert (told["bill"], told["prices"]["prompt"]["old"]) == ({"old": "41", "new": "63"}, "0.0000021")
    assert "$41 → $63 a month at your tokens" in json.loads(user.sink.requests[-1].body)["message"]


def test_the_bill_stands_in_a_mail(user: Subscriber, mail_server: MailServer) -> None:
    user.subscribe(mail_server.url)
    user.costs("0.0000021")
    user.costs("0.00000432")
    assert "$41 → $63.20 a month at your tokens" in mail_server.text()


def test_the_bill_is_in_no_event_that_others_can_read(user: Subscriber) -> None:
    user.costs("0.0000021")
    user.costs("0.0000043")
    with user.store.reading() as session:
        assert not any(event.bill for event in session.history.events())
        (delivery,) = session.outbox.listed()
        assert delivery.event.bill


def test_without_tokens_there_is_no_bill(user: Subscriber) -> None:
    user.subscribe(tokens={"b/two": Tokens(M)})
    user.costs("0.0000021")
    (told,) = user.costs("0.0000043")
    assert "bill" not in told


def test_imported_tokens_count_where_the_configuration_has_none(user: Subscriber) -> None:
    with user.store.writing() as session:
        session.personal.replace_usage({ONE: Tokens(M), "b/two": Tokens(2 * M)})
    two = {"prompt": "0.000001", "completion": "0"}
    user.hears(document(ONE), document("b/two", pricing=two))
    told = user.hears(document(ONE, "0.000002"), document("b/two", pricing={**two, "prompt": "0.000002"}))
    assert [event["bill"] for event in told] == [{"old": "18", "new": "28"}, {"old": "2", "new": "4"}]


def test_a_bill_that_stays_is_not_told(user: Subscriber) -> None:
    user.settle(prices=("*",))
    user.costs("0.0000021")
    (told,) = user.hears(document(ONE, pricing={"prompt": "0.0000021", "completion": "0.00001", "image": "0.1"}))
    assert "bill" not in told


def test_small_changes_add_up_to_the_least_impact_of_a_channel(user: Subscriber) -> None:
    user.subscribe(min_impact=Decimal(5))
    user.costs("0.000002")  # $40
    assert user.costs("0.0000024") == []  # $44: four dollars more
    assert user.costs("0.0000022") == []
    (told,) = user.costs("0.0000025")
    assert (told["bill"], told["prices"]["prompt"]["old"]) == ({"old": "40", "new": "45"}, "0.000002")
    assert user.costs("0.0000029") == []  # measured from what it was told: $49 after $45
    (told,) = user.costs("0.000002")
    assert told["bill"] == {"old": "45", "new": "40"}


def test_all_prices_of_a_model_add_up_and_are_told_together(user: Subscriber) -> None:
    user.subscribe(min_impact=Decimal(5))
    user.costs("0.000002", "0.00001")
    assert user.costs("0.0000023", "0.00001") == []  # +$3
    (told,) = user.costs("0.0000023", "0.000011")  # +$2
    assert told["bill"] == {"old": "40", "new": "45"}
    assert {key: change["old"] for key, change in told["prices"].items()} == {
        "prompt": "0.000002",
        "completion": "0.00001",
    }
    assert user.costs("0.0000023", "0.000013") == []


def test_the_least_change_and_the_least_impact_hold_both(user: Subscriber) -> None:
    user.subscribe(min_impact=Decimal(5), min_change=Decimal("0.5"))
    user.costs("0.000002")
    assert user.costs("0.0000026") == []  # $6, but 30 %
    assert [event["bill"]["new"] for event in user.costs("0.000003")] == ["50"]


def test_where_the_impact_cannot_be_told_everything_is(user: Subscriber) -> None:
    user.subscribe(min_impact=Decimal(5), tokens={"b/two": Tokens(M)})
    user.costs("0.000002")
    assert len(user.costs("0.0000021")) == 1
    user.subscribe(min_impact=Decimal(5))
    assert len(user.costs("-1", "-1")) == 1


def ending(user: Subscriber, date: str | None, **more: Any) -> list[Any]:
    return user.costs("0.000002", expiration_date=date, **more)


def reminders(user: Subscriber, *, days: int = 20) -> list[int]:
    """The days before its end on which the channel hears of it, polled each day."""
    told = []
    for _ in range(days):
        user.now += DAY - timedelta(minutes=10)
        told += [event["days_left"] for event in ending(user, "2026-01-20") if event["kind"] == "expiring"]
    return told


def test_reminders_of_an_end_repeat(user: Subscriber) -> None:
    ending(user, None)
    assert [event["days_left"] for event in ending(user, "2026-01-20")] == [16]
    assert reminders(user, days=16) == [14, 3, 1]


def test_until_the_end_is_acknowledged(user: Subscriber) -> None:
    ending(user, None)
    ending(user, "2026-01-20")
    assert reminders(user, days=3) == [14]
    user.acknowledge()
    assert reminders(user, days=13) == []


def test_an_acknowledgement_lapses(user: Subscriber) -> None:
    ending(user, None)
    ending(user, "2026-01-20")
    user.acknowledge(until=user.now + 14 * DAY)
    assert reminders(user, days=16) == [1]


def test_that_of_prices_alone_leaves_the_reminders(user: Subscriber) -> None:
    ending(user, None)
    ending(user, "2026-01-20")
    user.acknowledge(price_only=True)
    assert reminders(user, days=16) == [14, 3, 1]
    assert user.costs("0.0000015", expiration_date="2026-01-20") == []


def test_another_end_is_news_again_and_the_acknowledged_one_is_not(user: Subscriber) -> None:
    user.settle(damping=1)
    ending(user, None)
    ending(user, "2026-01-20")
    user.acknowledge()
    dates = (None, "2026-01-20", "2026-01-19", "2026-01-20", "2026-02-01")
    told = [[event["offer"]["expiration_date"] for event in ending(user, date)] for date in dates]
    assert told == [[None], [], ["2026-01-19"], [], ["2026-02-01"]]


def test_reminders_end_where_the_model_does_not_occur_in_paths_any_more(user: Subscriber, tmp_path: Path) -> None:
    source = tmp_path / "src/app.py"
    source.parent.mkdir()
    source.write_text(f"MODEL = 'openrouter/{ONE}'\n")
    user.subscribe(models=("@mine",), tokens={})
    user.config = replace(user.config, mine=MineSettings(paths=(source.parent,)))
    ending(user, None)
    ending(user, "2026-01-20")
    assert reminders(user, days=3) == [14]
    source.write_text("MODEL = 'openrouter/b/two'\n")
    assert reminders(user, days=13) == []


def test_that_an_acknowledged_model_has_expired_is_told(user: Subscriber) -> None:
    two = document("b/two")
    user.hears(document(ONE, expiration_date="2026-01-05"), two)
    user.acknowledge()
    user.hears(two)
    assert [event["kind"] for event in user.hears(two)] == ["expired"]


def test_a_price_is_quiet_until_it_rises_above_what_is_acknowledged(user: Subscriber) -> None:
    user.settle(damping=1)
    user.costs("0.000002")
    user.costs("0.000005")
    user.acknowledge()
    assert [user.costs(price) for price in ("0.000002", "0.000005", "0.000003")] == [[], [], []]
    (told,) = user.costs("0.000006")
    # It knows the price that it was told last, not the one in between.
    assert (told["prices"]["prompt"]["old"], told["bill"]) == ("0.000005", {"old": "70", "new": "80"})


def test_a_price_that_begins_to_vary_is_beyond_any(user: Subscriber) -> None:
    user.costs("0.000002")
    user.acknowledge()
    assert len(user.costs("-1", "-1")) == 1


def test_a_new_window_or_cache_price_is_measured_by_what_is_known(user: Subscriber) -> None:
    user.settle(damping=1, prices=("*",))
    user.costs("0.000002")
    user.acknowledge()
    pricing = {"prompt": "0.000002", "completion": "0.00001"}
    windows = [
        {"utc_start": 0, "utc_end": 800, "prompt": "0.000001"},
        {"utc_start": 800, "utc_end": 0, "prompt": "0.000002"},
    ]
    assert user.hears(document(ONE, pricing={**pricing, "overrides": windows})) == []
    windows[0]["prompt"] = "0.000003"
    assert len(user.hears(document(ONE, pricing={**pricing, "overrides": windows}))) == 1
    (told,) = user.hears(document(ONE, pricing={**pricing, "input_cache_write": "0.00001"}))
    assert "input_cache_write" in told["prices"]
