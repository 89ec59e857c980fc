"""One cycle after the other over a real store, with a source that says what the test wants and a clock of its own."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from itertools import chain, permutations, repeat
from threading import Barrier
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace

from tests.store.samples import HOUR, MINUTE, START, body, document, moment, rows, unfit
from watcher.catalog.model import KINDS, Event
from watcher.catalog.policy import Policy
from watcher.config.secret import DatabaseURL, Secret
from watcher.config.settings import Channel, Config, Rules, SourceSettings, StoreSettings
from watcher.cycle import Report, check
from watcher.errors import SourceError, StoreError
from watcher.store.maintenance import Maintenance
from watcher.store.store import Store
from watcher.upstream.errors import StatusError

RSS = """<?xml version="1.0"?><rss version="2.0"><channel><title>t</title><link>https://openrouter.ai</link>
<lastBuildDate>{now}</lastBuildDate>{items}</channel></rss>"""
AT_ONCE = Policy(settle=timedelta(0), settle_changed=timedelta(0))


class Listing(Struct):
    pages: tuple[bytes, ...]
    max_age: int | None = None
    age: int | None = None


class World:
    """What the source says, and the cycles that ask it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.config = Config(None, SourceSettings(rss=False), StoreSettings(DatabaseURL("unused")), AT_ONCE)
        self.now = START
        self.shown: tuple[bytes, ...] | str = ()
        self.counted: int | str = 0
        self.fed: Sequence[str] | str | SourceError = ()
        self.feed_bytes: int | None = None
        self.asked: list[str] = []
        self.age: int | None = None

    # The source

    def models(self) -> Listing:
        self.asked.append("models")
        return Listing(_or_error(self.shown), age=self.age)

    def count(self) -> int:
        self.asked.append("count")
        return _or_error(self.counted)

    def feed(self, chat_links: bool = False) -> bytes:
        self.asked.append("feed")
        items = "".join(
            f"<item><title>Name ({id_})</title><link>https://openrouter.ai/{id_}</link><guid>{slug}</guid></item>"
            for id_, _, slug in (item.partition(" ") for item in _or_error(self.fed))
        )
        return RSS.format(items=items, now=self.now).encode()[: self.feed_bytes]

    # The cycles

    def shows(self, *documents: Mapping[str, Any]) -> Report:
        self.shown = (body(documents),)
        return self.check()

    def fails(self, reason: str = "it is down") -> Report:
        self.shown = reason
        return self.check()

    def check(self, after: timedelta = 5 * MINUTE) -> Report:
        self.now += after
        self.asked.clear()
        return check(self.store, self, self.config, now=self.now)

    def settle(self, **policy: Any) -> None:
        self.config = replace(self.config, announce=replace(self.config.announce, **policy))

    def channels(self, **rules: Rules) -> None:
        named = tuple(Channel(name, url=Secret("json://127.0.0.1:9/"), rules=rule) for name, rule in rules.items())
        self.config = replace(self.config, channels=named)

    def queued(self, channel: str) -> list[Event]:
        with self.store.reading() as session:
            return [delivery.event for delivery in session.outbox.listed() if delivery.channel == channel]


def _or_error(said: Any) -> Any:
    if isinstance(said, SourceError):
        raise said
    if isinstance(said, str):
        raise SourceError(said)
    return said


@pytest.fixture
def world(database: str) -> Iterator[World]:
    with Store.open(database) as store:
        yield World(store)


def many(count: int) -> list[dict[str, Any]]:
    return [document(f"many/m{number}") for number in range(count)]


def news(report: Report) -> list[str]:
    return [f"{event.kind} {event.model or '*'}" for event in report.events]


# A channel's own threshold


def test_small_steps_add_up_for_each_channel_against_the_last_price_sent(world: World) -> None:
    world.channels(fine=Rules(), coarse=Rules(min_change=Decimal("0.05")))
    for price in ("100", "102", "104", "106", "107", "108", "120", "113"):
        world.shows(document("a/one", price))
    told = {
        name: [(event.prices["prompt"].old, event.prices["prompt"].new) for event in world.queued(name)]
        for name in ("fine", "coarse")
    }
    assert told["fine"] == [
        ("100", "102"), ("102", "104"), ("104", "106"), ("106", "108"), ("108", "120"), ("120", "113"),
    ]  # fmt: skip
    assert told["coarse"] == [("100", "106"), ("106", "120"), ("120", "113")]


def test_the_last_price_sent_outlives_the_process(world: World, database: str) -> None:
    world.channels(coarse=Rules(min_change=Decimal("0.05")))
    for price in ("100", "103"):
        world.shows(document("a/one", price))
    assert world.queued("coarse") == []
    with Store.open(database) as reopened:
        world.store = reopened
        world.shows(document("a/one", "106"))
        (event,) = world.queued("coarse")
        assert (event.prices["prompt"].old, event.prices["prompt"].change) == ("100", "+6.00%")


def test_a_small_step_that_is_undone_is_never_sent(world: World) -> None:
    world.channels(coarse=Rules(min_change=Decimal("0.05")))
    for price in ("100", "103", "100", "103", "100"):
        world.shows(document("a/one", price))
    assert world.queued("coarse") == []


def test_a_dry_run_remembers_nothing_for_a_channel(world: World) -> None:
    world.channels(coarse=Rules(min_change=Decimal("0.05")))
    world.shows(document("a/one", "100"))
    world.shown = (body([document("a/one", "103")]),)
    assert news(check(world.store, world, world.config, now=world.now + MINUTE, dry_run=True)) == ["repriced a/one"]
    with world.store.reading() as session:
        assert session.outbox.prices() == {}
        assert session.history.events() == []


# Baselines


def test_a_changed_query_is_a_new_baseline_and_not_news(world: World) -> None:
    text, image = many(30), [document(f"image/i{n}") for n in range(30)]
    world.shows(*text)
    world.config = replace(world.config, source=SourceSettings(rss=False, output_modalities=("text", "image")))
    assert news(world.shows(*text, *image)) == []
    world.config = replace(world.config, source=SourceSettings(rss=False))
    assert news(world.shows(*text)) == []
    assert world.asked == ["models"], "half of the models gone is no suspicion of another query"
    assert [news(world.check()) for _ in range(3)] == [[], [], []]
    assert news(world.shows(*text, document("a/new"))) == ["new a/new"]


def test_a_changed_query_waits_for_a_poll_that_is_believed(world: World) -> None:
    world.shows(*many(10))
    world.config = replace(world.config, source=SourceSettings(rss=False, category="programming"))
    world.fails()
    assert world.shows().poll.outcome == "refused"
    assert news(world.shows(document("other/x"))) == []
    assert news(world.shows(document("other/x"), document("other/y"))) == ["new other/y"]


def test_a_first_check_that_fails_leaves_the_baseline_to_the_next(world: World) -> None:
    assert world.fails().poll.outcome == "failed"
    assert world.shows().poll.outcome == "refused"
    assert news(world.shows(*many(10))) == []


def test_a_new_channel_starts_from_what_is_announced_now(world: World) -> None:
    world.channels(old=Rules())
    world.shows(document("a/one", "1"))
    world.shows(document("a/one", "2"))
    world.channels(old=Rules(), young=Rules())
    assert news(world.check()) == []
    assert world.queued("young") == []


# Settings


@pytest.mark.parametrize(
    "looser",
    [
        {"settle": timedelta(0)},
        {"min_change": Decimal("0.000001")},
        {"prices": ("*",)},
        {"remind_days": (1000, 14)},
        {"settle_changed": timedelta(0), "settle": timedelta(0), "min_change": Decimal(0), "prices": ("*",)},
    ],
    ids=str,
)
def test_a_changed_setting_makes_at_most_one_message(world: World, looser: dict[str, Any]) -> None:
    world.channels(all=Rules(events=KINDS))
    world.settle(settle=3 * HOUR, settle_changed=3 * HOUR, min_change=Decimal("0.10"))

    def shown(step: int) -> list[dict[str, Any]]:
        pricing = {"prompt": f"{100 + step}", "completion": "4", "image": f"{1 + step}"}
        return [
            document(f"a/m{n}", pricing=pricing, context_length=1000 * n + step, expiration_date="2027-01-01")
            for n in range(8)
        ]

    for step in range(3):
        world.shows(*shown(step))
    world.settle(**looser)
    messages = [report for report in (world.check() for _ in range(12)) if report.decision.deliveries]
    assert len(messages) <= 1
    assert all(not world.check().events for _ in range(3))


def test_a_changed_setting_is_applied_although_the_list_is_the_same(world: World) -> None:
    world.settle(settle=3 * HOUR)
    world.shows(document("a/one", "1"))
    assert news(world.shows(document("a/one", "2"))) == []
    world.settle(settle=timedelta(0))
    assert news(world.check()) == ["repriced a/one"]


def test_an_unchanged_list_is_judged_again_when_something_comes_due(world: World) -> None:
    world.settle(settle=3 * HOUR)
    world.shows(document("a/one", "1"))
    world.shows(document("a/one", "2"))
    assert [news(world.check(HOUR)) for _ in range(4)] == [[], [], ["repriced a/one"], []]


def test_a_clock_that_steps_back_announces_nothing_and_breaks_nothing(world: World) -> None:
    world.shows(*many(3))
    world.now -= timedelta(days=400)
    assert news(world.shows(*many(3))) == []
    assert news(world.shows(*many(2))) == []
    assert news(world.check()) == ["expired many/m2"]
    with world.store.reading() as session:
        assert all(v.valid_to is None or v.valid_to >= v.valid_from for v in session.history.versions("many/m2"))


# Two at once


def test_two_processes_that_check_at_once_announce_once(world: World, database: str) -> None:
    world.channels(all=Rules())
    world.shows(*many(10))
    world.shown = (body([*many(10), document("a/new"), document("b/new")]),)
    together = Barrier(4)

    def one(number: int) -> Report:
        with Store.open(database) as store:
            together.wait(20)
            return check(store, world, world.config, now=START + HOUR + number * timedelta(milliseconds=1))

    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(one, range(4)))
    assert sorted(line for report in reports for line in news(report)) == ["new a/new", "new b/new"]
    assert sorted(str(event.model) for event in world.queued("all")) == ["a/new", "b/new"]


# The witness


def gone(world: World, count: int = 60) -> None:
    """A catalogue of which a half is about to be missing."""
    world.shows(*many(count))


def test_the_witness_is_asked_only_when_it_decides(world: World) -> None:
    gone(world)
    assert world.asked == ["models"]
    world.shows(*many(58))
    assert world.asked == ["models"], "few are missing"
    world.shows()
    assert world.asked == ["models"], "an empty list is not believed whatever is counted"
    world.counted = 30
    world.shows(*many(30))
    assert world.asked == ["models", "count"]


def test_a_count_that_confirms_is_believed(world: World) -> None:
    gone(world)
    world.counted = 31
    report = world.shows(*many(30))
    assert (report.poll.outcome, news(report)) == ("good", [])
    assert len(world.check().events) == 30


@pytest.mark.parametrize("count", [60, 0, "the count cannot be read"])
def test_a_count_that_does_not_confirm_or_cannot_be_had_leaves_it_to_repetition(world: World, count: Any) -> None:
    world.channels(asks=Rules(events=("catalog_suspect",)), defaults=Rules())
    gone(world)
    world.counted = count
    outcomes = [world.shows(*many(30)).poll.outcome, world.check().poll.outcome, world.check().poll.outcome]
    assert outcomes == ["refused", "refused", "good"]
    assert [event.kind for event in world.queued("asks")] == ["catalog_suspect"]
    assert world.queued("defaults") == []
    assert len(world.check().events) == 30


def test_a_list_that_is_whole_again_was_no_news(world: World) -> None:
    world.channels(defaults=Rules())
    gone(world)
    world.counted = 60
    world.shows(*many(30))
    assert news(world.shows(*many(60))) == []
    assert [news(world.check()) for _ in range(2)] == [[], []]
    assert world.queued("defaults") == []


# The source itself


def test_the_sources_own_events_go_once_each_to_the_channels_that_ask(world: World) -> None:
    world.channels(failing=Rules(events=("source_failing", "source_recovered"), models=("nobody/*",)), defaults=Rules())
    world.shows(*many(3))
    for _ in range(6):
        world.fails("HTTP 503")
    world.shows(*many(3))
    world.check()
    for _ in range(3):
        world.fails("HTTP 503")
    told = world.queued("failing")
    assert [event.kind for event in told] == ["source_failing", "source_recovered", "source_failing"]
    assert "HTTP 503" in str(told[0].detail)
    assert "30 min" in str(told[1].detail)
    assert world.queued("defaults") == []


# Documents that do not fit, and the feed


def test_prices_that_cannot_be_read_are_named_once_and_stay_as_they_were(world: World) -> None:
    world.shows(*many(3))
    for number in range(4):
        report = world.shows(*many(2), unfit("many/m2"), document("a/new", f"{number}"))
        assert (report.poll.outcome, [line for line in news(report) if "m2" in line]) == ("good", [])
        assert len(report.decision.problems) == (number == 0)
    assert news(world.shows(*many(3), document("a/new", "3"))) == []


def test_what_the_feed_alone_knows_is_new_once_and_never_expires(world: World) -> None:
    world.config = replace(world.config, source=SourceSettings(rss=True))
    world.fed = ["many/m0"]
    world.shows(*many(3))
    world.fed = ["many/m0", "fed/first"]
    assert news(world.check()) == ["new fed/first"]
    world.fed = ["many/m0"]
    assert [news(world.check()) for _ in range(4)] == [[], [], [], []]
    assert news(world.shows(*many(3), document("fed/first"))) == []


def test_a_free_variant_and_its_base_id_in_the_feed_are_one_new_model_and_the_paid_one_is_another(world: World) -> None:
    world.config = replace(world.config, source=SourceSettings(rss=True))
    world.fed = ["many/m0", "old/gone old/gone-2023"]
    world.shows(*many(3))
    world.fed = ["nova/spark-1 nova/spark-1-2026", *world.fed]
    free, paid = document("nova/spark-1:free"), document("nova/spark-1")
    assert news(world.shows(*many(3), free)) == ["new nova/spark-1:free"]
    assert news(world.shows(*many(3), free, paid)) == ["new nova/spark-1"]


@pytest.mark.parametrize("listed", [{}, {"canonical_slug": "fed/first-2026"}])
@pytest.mark.parametrize("listed_id", ["fed/first", "fed/first:free", "fed/renamed"])
def test_what_was_announced_from_the_feed_is_known_by_all_its_names(
    listed_id: str, listed: dict[str, str], world: World
) -> None:
    world.config = replace(world.config, source=SourceSettings(rss=True))
    world.fed = ["many/m0", "old/gone old/gone-2023"]
    world.shows(*many(3))
    world.fed = ["fed/first fed/first-2026", *world.fed]
    assert news(world.check()) == ["new fed/first"]
    same = listed or listed_id != "fed/renamed"
    there = document(listed_id, **listed)
    assert news(world.shows(*many(3), there)) == ([] if same else ["new fed/renamed"])
    gone = document("old/returned", canonical_slug="old/gone-2023")  # only the first feed had it
    assert news(world.shows(*many(3), there, gone)) == ["new old/returned"]


def test_a_feed_that_was_cut_off_is_used_as_far_as_it_goes_but_is_no_first_one(world: World) -> None:
    world.config = replace(world.config, source=SourceSettings(rss=True))
    world.fed = ["many/m0", "old/gone", "old/older"]
    world.feed_bytes = -100
    assert "cut off" in (world.shows(*many(3)).poll.feed or "")
    world.feed_bytes = None
    report = world.check()
    assert (news(report), report.poll.feed) == ([], None)
    world.fed = ["fed/first", *world.fed]
    world.feed_bytes = -100
    report = world.check()
    assert (news(report), report.poll.feed) == (["new fed/first"], None)
    world.feed_bytes = None
    assert news(world.check()) == []


def test_a_feed_that_is_only_made_anew_is_not_read_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.config = replace(world.config, source=SourceSettings(rss=True))
    world.fed = ["many/m0"]
    world.shows(*many(3))
    with monkeypatch.context() as patched:
        patched.setattr("watcher.upstream.feed.read_feed", lambda _: pytest.fail("it was read"))
        assert news(world.check()) == []
    world.fed = ["many/m0", "fed/first"]
    assert news(world.check()) == ["new fed/first"]


def test_a_feed_that_breaks_stops_nothing(world: World) -> None:
    world.config = replace(world.config, source=SourceSettings(rss=True))
    world.shows(*many(3))
    world.fed = "the feed is down"
    report = world.shows(*many(3), document("a/new"))
    assert (news(report), report.poll.outcome, report.poll.feed) == (["new a/new"], "good", "the feed is down")


def test_nothing_is_half_stored_when_a_cycle_breaks_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.channels(all=Rules())
    world.shows(*many(3))
    breaking: Callable[..., None] = _break
    with monkeypatch.context() as patched:
        patched.setattr("watcher.store.outbox.Outbox.add", breaking)
        with pytest.raises(KeyboardInterrupt):
            world.shows(*many(3), document("a/new"))
    assert news(world.check()) == ["new a/new"], "the next cycle finds the same difference again"


def _break(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


# Once a day


def ages(world: World) -> list[timedelta]:
    return [world.now - moment(at) for (at,) in rows(world.store, "SELECT at FROM polls ORDER BY id")]


def test_old_polls_are_forgotten_although_nothing_ever_changes(world: World) -> None:
    world.config = replace(world.config, store=replace(world.config.store, keep=timedelta(days=2)))
    world.shows(document("a/a"))
    for _ in range(12 * 6):
        world.check(2 * HOUR)
    first, *rest = ages(world)
    assert first == timedelta(days=6), "an import needs it"
    assert timedelta(days=1, hours=20) < max(rest) <= timedelta(days=3, hours=2)


def test_a_day_between_two_looks_is_only_noted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.shows(document("a/a"))
    read_only = []
    monkeypatch.setattr(Maintenance, "prune", lambda _self, span, now: read_only.append((span, now)))
    world.check(timedelta(hours=23))
    assert read_only == []
    world.check(timedelta(hours=1))
    assert read_only == [(timedelta(days=365), world.now)]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_damage_is_found_within_a_day_and_then_nothing_is_written(world: World) -> None:
    path = world.store.file
    assert path is not None
    world.shows(*many(60))
    world.store.close()
    content = bytearray(path.read_bytes())
    with sqlite3.connect(path) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'events_model'").fetchone()
    connection.close()
    content[(page - 1) * 4096 : page * 4096] = bytes(4096)
    path.write_bytes(content)
    world.store = Store(f"sqlite:///{path}")
    for _ in range(2):
        with pytest.raises(StoreError, match="is damaged; nothing was written"):
            world.check(timedelta(days=1))
    world.store.close()
    assert path.read_bytes() == content


@pytest.mark.parametrize(("asked", "waits"), [(None, None), (1800.0, 1800.0), (10.0**7, 24 * 3600.0)])
def test_a_feed_that_asks_to_be_left_alone_is(asked: float | None, waits: float | None, world: World) -> None:
    world.config = replace(world.config, source=SourceSettings(rss=True))
    world.fed = StatusError("busy", 429, asked)
    report = world.shows(*many(3))
    assert (report.poll.outcome, report.poll.feed, report.not_before) == ("good", "busy", waits)


# A cache in between


@pytest.mark.parametrize(("age", "told"), [(None, True), (3, True), (9, False), (10, False), (3600, False)])
def test_an_answer_that_a_cache_had_at_the_last_poll_is_no_second_look_at_what_is_gone(
    age: int | None, told: bool, world: World
) -> None:
    world.shows(*many(20))
    world.shows(*many(19))
    world.age = age
    assert bool(news(world.check(timedelta(seconds=10)))) is told
    world.age = 1
    assert news(world.check()) == ([] if told else ["expired many/m19"])


def test_nor_does_it_confirm_a_list_that_lacks_many_models(world: World) -> None:
    world.shows(*many(40))
    world.counted = "no count"
    world.shows(*many(20))
    world.age = 3600
    for _ in range(5):
        assert world.check(timedelta(seconds=10)).poll.outcome == "refused"
    world.age = None
    assert [world.check().poll.outcome for _ in range(2)] == ["refused", "good"]


def test_its_age_is_not_held_against_it_after_a_clock_that_was_ahead(world: World) -> None:
    world.shows(*many(20))
    world.shows(*many(19))
    world.age = 60
    assert news(world.check(-5 * HOUR)) == ["expired many/m19"]


# A list that means the same


def contents(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """All that is in a database, but for how long polls took."""
    tables = ("models", "versions", "sources", "events", "deliveries", "told", "upkeep")
    columns = {
        "polls": "id, at, outcome, models, events, reason, feed, not_before, imported",
        **dict.fromkeys(tables, "*"),
    }
    return {table: rows(store, f"SELECT {which} FROM {table} ORDER BY 1, 2") for table, which in columns.items()}


def test_a_dry_run_of_a_list_that_means_the_same_stores_nothing(world: World) -> None:
    world.shows(document("a/a"), document("b/b"))
    before = contents(world.store)
    world.shown = (body([document("b/b"), document("a/a")]),)
    check(world.store, world, world.config, now=world.now + 5 * MINUTE, dry_run=True)
    assert contents(world.store) == before


# Whatever unexpected happens


class Poison(Exception):
    """What nobody expects."""


def test_a_crash_is_a_failed_poll_that_is_announced_and_the_next_poll_goes_on(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.channels(ops=Rules(events=KINDS))
    world.shows(document("a/one"))
    reports = []
    for _ in range(3):
        world.now += 5 * MINUTE
        reports.append(check(world.store, Crashing(), world.config, now=world.now))
    assert [(report.bug, report.poll.outcome) for report in reports] == [(True, "failed")] * 3
    assert reports[0].poll.reason == "the watcher cannot process the list (Poison); this is a bug in openrouter-watcher"
    assert news(reports[2]) == ["source_failing *"]
    assert [event.kind for event in world.queued("ops")] == ["source_failing"]
    assert "secret" not in str(reports)
    assert "Poison" in caplog.text
    with world.store.reading() as session:
        assert session.state.last_poll() == reports[2].poll
        assert session.state.source("list").health.failures == 3
    report = world.shows(document("a/one"), document("b/two"))
    assert news(report) == ["new b/two", "source_recovered *"]


class Crashing:
    def models(self) -> Listing:
        raise Poison("a secret")

    def feed(self, chat_links: bool = False) -> bytes:
        raise AssertionError

    def count(self) -> int:
        raise AssertionError


# Answers that overtake each other


@pytest.mark.parametrize("order", list(permutations(range(4))), ids=str)
def test_an_older_answer_is_never_taken_for_a_newer_one(world: World, order: tuple[int, ...]) -> None:
    """Four checks ask one after the other, the catalogue grows between the second and third; they end in any order."""
    world.shows(document("a/one"))
    asked = [world.now + (number + 1) * MINUTE for number in range(4)]
    seen = [[document("a/one")]] * 2 + [[document("a/one"), document("x/fresh")]] * 2
    told, newest = [], -1
    for done, number in enumerate(order):
        world.shown = (body(seen[number]),)
        ends = world.now + HOUR + done * MINUTE
        report = check(
            world.store,
            world,
            world.config,
            now=asked[number],
            monotonic=iter_clock((ends - asked[number]).total_seconds()),
        )
        told += news(report)
        if number < newest and seen[number] != seen[newest]:
            assert (report.poll.outcome, report.events) == ("overtaken", ())
        newest = max(newest, number)
    assert told == ["new x/fresh"]


def iter_clock(seconds: float) -> Callable[[], float]:
    """A clock that stands at 0 once, and at that many seconds from then on."""
    readings = chain([0.0], repeat(seconds))
    return lambda: next(readings)


def test_a_record_from_the_future_overtakes_nobody(world: World) -> None:
    world.shows(document("a/one"))
    check(world.store, world, world.config, now=moment("2030-01-01T00:00"))
    report = world.shows(document("a/one"), document("x/fresh"))
    assert (report.poll.outcome, news(report)) == ("good", ["new x/fresh"])
