"""The outbox: what is sent when, and what becomes of what a channel did not take."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta

import pytest

from watcher.catalog.model import Event
from watcher.config.clock import Digest
from watcher.config.secret import DatabaseURL, Secret
from watcher.config.settings import Channel, Config, DeliverySettings, Rules, SourceSettings, StoreSettings, Timing
from watcher.delivery.channel import Result
from watcher.delivery.outbox import Attempt, drain, pause
from watcher.rules.routing import route
from watcher.store.store import Store

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
OK = Result(True, "sent")
REFUSED = Result(False, "HTTP 500", status=500)
UNSURE = Result(False, "no answer within 20 s")

Answer = Result | Callable[[Sequence[Event]], Result]


def event(number: int, kind: str = "new", at: datetime = START) -> Event:
    return Event(id=f"e{number}", kind=kind, model=f"a/m{number}", name=f"M{number}", at=at, since=at)  # type: ignore[arg-type]


class World:
    """A database, channels that answer as told, and a clock to set."""

    def __init__(self, database: str, *channels: Channel, delivery: DeliverySettings | None = None) -> None:
        self.config = Config(
            None,
            SourceSettings(),
            StoreSettings(DatabaseURL(database)),
            channels=channels,
            delivery=delivery or DeliverySettings(),
        )
        self.store = Store.open(self.config.store.url.reveal())
        self.now = START
        self.answers: dict[str, Answer] = {}
        self.sent: list[tuple[str, tuple[str, ...]]] = []

    def queue(self, *events: Event) -> "World":
        with self.store.writing() as session:
            session.state.add_events(events)
            session.outbox.add(route(self.config.channels, events, {}, self.now)[0], self.now)
        return self

    def drain(self, after: timedelta = timedelta()) -> list[Attempt]:
        self.now += after
        return drain(self.store, self.config, self._send, clock=lambda: self.now, jitter=lambda: 0.5)

    def _send(self, channel: Channel, events: Sequence[Event]) -> Result:
        self.sent.append((channel.name, tuple(event.id for event in events)))
        answer = self.answers.get(channel.name, OK)
        return answer if isinstance(answer, Result) else answer(events)

    def states(self, channel: str = "a") -> dict[str, str]:
        with self.store.reading() as session:
            return {row.event.id: row.state for row in session.outbox.listed(channel=channel)}


ALL = Rules(events=("new", "expired", "repriced"))
A, B = Channel("a", Secret("json://x"), rules=ALL), Channel("b", Secret("json://y"), rules=ALL)


@pytest.fixture
def world(database: str) -> Iterator[World]:
    world = World(database, A, B)
    yield world
    world.store.close()


def test_what_is_due_together_goes_as_one_message_to_each_channel(world: World) -> None:
    attempts = world.queue(event(1), event(2)).drain()
    assert sorted(world.sent) == [("a", ("e1", "e2")), ("b", ("e1", "e2"))]
    assert {(attempt.channel, attempt.state) for attempt in attempts} == {("a", "sent"), ("b", "sent")}
    assert world.drain() == []
    assert len(world.sent) == 2


def test_a_failing_channel_repeats_for_no_other_and_is_waited_for_twice_as_long_each_time(world: World) -> None:
    world.answers["a"] = REFUSED
    world.queue(event(1)).drain()
    waits = []
    for _ in range(9):
        attempts = world.drain()
        (waiting,) = attempts
        assert (waiting.state, waiting.detail) == ("pending", "HTTP 500")
        assert waiting.next_attempt is not None
        waits.append(waiting.next_attempt - world.now)
        world.drain(after=waits[-1])
    assert [wait.total_seconds() for wait in waits] == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert [channel for channel, _ in world.sent].count("b") == 1


def test_new_events_wait_for_a_channel_that_is_failing_and_go_with_what_it_refused(world: World) -> None:
    world.answers["a"] = REFUSED
    world.queue(event(1)).drain()
    world.queue(event(2)).drain(after=timedelta(seconds=10))
    assert [ids for channel, ids in world.sent if channel == "a"] == [("e1",)]
    world.answers["a"] = OK
    world.drain(after=MINUTE)
    assert [ids for channel, ids in world.sent if channel == "a"] == [("e1",), ("e1", "e2")]


def test_what_may_have_arrived_comes_again_as_the_same_message(world: World) -> None:
    world.answers["a"] = UNSURE
    world.queue(event(1)).drain()
    world.queue(event(2))
    world.answers["a"] = OK
    world.drain(after=MINUTE)
    assert [ids for channel, ids in world.sent if channel == "a"] == [("e1",), ("e1",), ("e2",)]


def test_a_process_that_died_while_sending_left_behind_what_it_was_about_to_say(world: World) -> None:
    class Killed(BaseException):
        pass

    def die(_: Sequence[Event]) -> Result:
        raise Killed

    world.answers["a"] = die
    world.queue(event(1))
    with pytest.raises(Killed):
        world.drain()
    world.queue(event(2))
    world.answers["a"] = OK
    world.drain()
    assert [ids for channel, ids in world.sent if channel == "a"] == [("e1",), ("e1",), ("e2",)]


def test_a_repeat_that_is_refused_stays_the_message_that_may_have_arrived(world: World) -> None:
    for answer in (UNSURE, REFUSED):
        world.answers["a"] = answer
        world.queue(event(1 if answer is UNSURE else 2))
        world.drain(after=MINUTE)
    world.answers["a"] = OK
    world.drain(after=HOUR)
    assert [ids for channel, ids in world.sent if channel == "a"] == [("e1",), ("e1",), ("e1",), ("e2",)]


def test_parts_that_arrived_are_not_sent_again(world: World) -> None:
    world.answers["a"] = Result(False, "HTTP 500 (1 of 2 parts were sent)", ("e1",), 500)
    world.queue(event(1), event(2)).drain()
    assert world.states() == {"e1": "sent", "e2": "pending"}
    world.answers["a"] = OK
    world.drain(after=MINUTE)
    assert world.sent[-1] == ("a", ("e2",))


def test_a_service_that_asks_for_more_time_gets_it(world: World) -> None:
    world.answers["a"] = Result(False, "HTTP 429", status=429, retry_after=900)
    world.queue(event(1)).drain()
    world.drain(after=10 * MINUTE)
    assert [channel for channel, _ in world.sent].count("a") == 1
    world.drain(after=5 * MINUTE)
    assert [channel for channel, _ in world.sent].count("a") == 2


def test_after_three_days_it_is_given_up_and_told_to_the_channels_that_work(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.answers["a"] = REFUSED
    world.queue(event(1), event(2)).drain()
    for _ in range(72):
        world.drain(after=HOUR)
    assert world.states() == {"e1": "given up", "e2": "given up"}
    told = [ids for channel, ids in world.sent if channel == "b"]
    assert len(told) == 2, "the news, and once that they were lost to the other channel"
    with world.store.reading() as session:
        (lost,) = session.history.events(kinds=["undelivered"])
    assert told[1] == (lost.id,)
    assert (lost.name, lost.detail) == ("a", "2 alerts could not be delivered: HTTP 500")
    assert "channel a: gave up on 2 alerts: HTTP 500" in caplog.text
    before = len(world.sent)
    world.drain(after=HOUR)
    assert len(world.sent) == before


def test_where_all_channels_fail_it_ends_all_the_same(world: World) -> None:
    world.answers |= {"a": REFUSED, "b": REFUSED}
    world.queue(event(1)).drain()
    for _ in range(7 * 4):
        world.drain(after=6 * HOUR)
    assert {*world.states("a").values(), *world.states("b").values()} == {"given up"}


def test_what_makes_no_sense_to_repeat_is_given_up_at_once(world: World) -> None:
    world.answers["a"] = Result(False, "HTTP 410", status=410, refused=("e1",))
    world.queue(event(1)).drain()
    assert world.states() == {"e1": "given up"}
    assert [channel for channel, _ in world.sent].count("b") == 2


def test_what_waits_for_a_channel_that_is_no_longer_configured_is_given_up_in_time(database: str) -> None:
    world = World(database, A)
    world.queue(event(1))
    world.config = Config(None, SourceSettings(), world.config.store, channels=(B,))
    world.drain(after=timedelta(days=3))
    assert world.states() == {"e1": "given up"}
    world.store.close()


def test_a_digest_is_the_same_queue_with_a_later_due_time(database: str) -> None:
    daily = Timing(digest=Digest("day", time(9)), urgent=("expired",))
    world = World(database, Channel("a", Secret("json://x"), rules=ALL, timing=daily))
    world.queue(event(1)).drain(after=HOUR)
    world.queue(event(2), event(3, "expired")).drain()
    assert world.sent == [("a", ("e3",))]
    world.drain(after=20 * HOUR)
    assert world.sent[1:] == [("a", ("e1", "e2"))]
    world.drain(after=24 * HOUR)
    assert len(world.sent) == 2, "an empty digest is none"
    world.store.close()


def test_so_many_messages_an_hour_and_then_one_with_all_that_waited(database: str) -> None:
    world = World(
        database, Channel("a", Secret("json://x"), rules=ALL, timing=Timing(max_per_hour=2, urgent=("expired",)))
    )
    for number in range(5):
        world.queue(event(number)).drain(after=MINUTE)
    assert [ids for _, ids in world.sent] == [("e0",), ("e1",)]
    world.queue(event(9, "expired")).drain(after=MINUTE)
    assert world.sent[-1] == ("a", ("e9",))
    world.drain(after=HOUR)
    assert world.sent[-1] == ("a", ("e2", "e3", "e4"))
    world.store.close()


def test_a_given_up_delivery_can_be_sent_again(world: World) -> None:
    world.answers["a"] = Result(False, "HTTP 410", status=410, refused=("e1",))
    world.queue(event(1)).drain()
    world.answers["a"] = OK
    with world.store.writing() as session:
        session.outbox.retry(session.outbox.listed(channel="a", states=["given up"]), world.now)
    world.drain()
    assert world.states()["e1"] == "sent"


def test_two_processes_send_nothing_twice(world: World) -> None:
    import threading

    world.queue(*(event(number) for number in range(20)))
    others = [Store(world.config.store.url.reveal()) for _ in range(4)]

    def run(store: Store) -> None:
        drain(store, world.config, world._send, clock=lambda: START, jitter=lambda: 0.5)

    threads = [threading.Thread(target=run, args=(store,)) for store in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for store in others:
        store.close()
    assert sorted(channel for channel, _ in world.sent) == ["a", "b"]


@pytest.mark.parametrize(
    ("attempts", "jitter", "asked", "seconds"),
    [(1, 0.0, None, 15), (1, 1.0, None, 45), (4, 0.5, None, 240), (99, 0.5, None, 3600), (1, 0.5, 7200, 7200)],
)
def test_the_pause_doubles_up_to_a_bound(attempts: int, jitter: float, asked: float | None, seconds: float) -> None:
    assert pause(DeliverySettings(), attempts, asked, jitter) == timedelta(seconds=seconds)


def test_that_a_channel_loses_alerts_is_told_once_until_it_works_again(world: World) -> None:
    gone = Result(False, "HTTP 410", status=410, refused=tuple(f"e{n}" for n in range(9)))
    world.answers["a"] = gone
    for number in range(3):
        world.queue(event(number)).drain(after=HOUR)
    with world.store.reading() as session:
        assert len(session.history.events(kinds=["undelivered"])) == 1
    world.answers["a"] = OK
    world.queue(event(7)).drain(after=HOUR)
    world.answers["a"] = gone
    world.queue(event(8)).drain(after=HOUR)
    with world.store.reading() as session:
        assert len(session.history.events(kinds=["undelivered"])) == 2


# After a clock that stood in the future


YEARS = timedelta(days=4 * 365)
MONDAYS = Timing(digest=Digest("week", time(9)))


def times(world: World, channel: str = "a") -> list[datetime | None]:
    with world.store.reading() as session:
        return [row.next_attempt for row in session.outbox.listed(channel=channel, states=["pending"])]


def waits(world: World) -> bool:
    with world.store.reading() as session:
        return session.outbox.waiting(world.now)


@pytest.mark.parametrize(
    ("ahead", "queued_then"), [(YEARS, True), (5 * HOUR, True), (5 * HOUR, False), (timedelta(days=2), False)]
)
def test_what_failed_in_the_future_is_tried_at_once_and_then_with_the_usual_pauses(
    world: World, ahead: timedelta, queued_then: bool
) -> None:
    world.answers["a"] = REFUSED
    if not queued_then:
        world.queue(event(1))
    world.now += ahead
    if queued_then:
        world.queue(event(1))
    world.drain()
    for _ in range(12):
        world.drain(after=HOUR)
    world.now, world.sent = START + MINUTE, []
    world.drain()
    assert world.sent == [("a", ("e1",))]
    world.drain(after=10 * MINUTE)
    assert len(world.sent) == 1
    world.answers["a"] = OK
    world.drain(after=2 * HOUR)
    assert world.states() == {"e1": "sent"}


def test_new_alerts_go_at_once_where_older_ones_failed_in_the_future(world: World) -> None:
    world.answers["a"] = REFUSED
    world.now += YEARS
    world.queue(event(1)).drain()
    world.now = START
    world.answers["a"] = OK
    world.queue(event(2)).drain()
    assert world.states() == {"e1": "sent", "e2": "sent"}


@pytest.mark.parametrize("ahead", [YEARS, timedelta(days=8)])
def test_a_digest_of_the_future_comes_at_the_next_time_for_one(database: str, ahead: timedelta) -> None:
    world = World(database, Channel("a", Secret("json://x"), rules=ALL, timing=MONDAYS))
    world.now += ahead
    world.queue(event(1)).drain()
    world.now = START
    assert waits(world)
    world.drain()
    assert world.sent == []
    assert times(world) == [datetime(2026, 3, 2, 9, tzinfo=UTC)]
    assert not waits(world), "once it is timed anew, an unchanged check is cheap again"
    world.drain(after=20 * HOUR)
    assert world.sent == []
    world.drain(after=HOUR)
    assert world.sent == [("a", ("e1",))]
    world.store.close()


def test_a_time_beyond_the_next_digest_is_found_anew_whoever_wrote_it(database: str) -> None:
    world = World(database, Channel("a", Secret("json://x"), rules=ALL, timing=MONDAYS))
    world.queue(event(1))
    with world.store.writing() as session:
        (row,) = session.outbox.listed()
        session.outbox.mark_failed([row], START + YEARS, "nobody knows", refused=True, at=START)
        session.outbox._change([row], last_error=None, attempts=0)
    assert waits(world)
    world.drain()
    assert times(world) == [datetime(2026, 3, 2, 9, tzinfo=UTC)]
    world.store.close()


def test_a_digest_that_was_queued_by_a_right_clock_keeps_its_time(database: str) -> None:
    world = World(database, Channel("a", Secret("json://x"), rules=ALL, timing=MONDAYS))
    world.queue(event(1)).drain()
    assert not waits(world)
    due = times(world)
    world.drain(after=HOUR)
    assert times(world) == due
    world.store.close()


def test_a_service_that_asked_for_a_day_by_a_right_clock_gets_it(world: World) -> None:
    world.answers["a"] = Result(False, "HTTP 429", status=429, retry_after=86400)
    world.queue(event(1)).drain()
    for _ in range(23):
        world.drain(after=HOUR)
    assert [channel for channel, _ in world.sent].count("a") == 1
    world.drain(after=HOUR)
    assert [channel for channel, _ in world.sent].count("a") == 2


def test_a_pause_longer_than_any_that_is_asked_for_is_over(world: World) -> None:
    world.answers["a"] = REFUSED
    world.queue(event(1)).drain()
    with world.store.writing() as session:
        rows = session.outbox.listed(channel="a")
        session.outbox.mark_failed(rows, START + YEARS, "HTTP 500", refused=True, at=START)
    world.answers["a"] = OK
    world.drain()
    assert world.states() == {"e1": "sent"}


@pytest.mark.slow
def test_what_fails_after_the_clock_was_put_right_is_given_up_in_time(world: World) -> None:
    world.answers["a"] = REFUSED
    world.now += YEARS
    world.queue(event(1)).drain()
    world.now = START
    for _ in range(73):
        world.drain(after=HOUR)
    assert world.states() == {"e1": "given up"}
    with world.store.reading() as session:
        assert len(session.history.events(kinds=["undelivered"])) == 1


def test_what_the_future_queued_for_a_channel_that_is_gone_is_given_up_in_time(database: str) -> None:
    world = World(database, Channel("a", Secret("json://x"), rules=ALL, timing=MONDAYS))
    world.now += YEARS
    world.queue(event(1))
    world.now = START
    world.config = Config(None, SourceSettings(), world.config.store, channels=(B,))
    world.drain()
    assert world.states() == {"e1": "pending"}
    assert world.drain(after=timedelta(days=3)) != []
    assert world.states() == {"e1": "given up"}
    world.store.close()


def test_what_waits_for_a_digest_of_a_channel_that_is_gone_keeps_its_time(database: str) -> None:
    world = World(database, Channel("a", Secret("json://x"), rules=ALL, timing=MONDAYS), B)
    world.queue(event(1))
    before = times(world)
    world.config = Config(None, SourceSettings(), world.config.store, channels=(B,))
    world.drain(after=MINUTE)
    assert times(world) == before
    world.store.close()


def test_how_a_channel_does_is_told_by_what_did_not_happen_in_the_future(world: World) -> None:
    def fails() -> bool:
        with world.store.reading() as session:
            return session.outbox.conditions(world.now)["a"].fails

    world.now += YEARS
    world.queue(event(1)).drain()
    world.now = START
    world.answers["a"] = REFUSED
    world.queue(event(2)).drain()
    assert fails(), "the success of 2030 does not hide it"
    world.now += YEARS
    world.drain()
    world.now = START + HOUR
    world.answers["a"] = OK
    world.drain()
    assert not fails(), "nor does a failure of 2030 hide that it works"


def test_lost_alerts_are_told_though_something_arrived_or_was_lost_in_the_future(world: World) -> None:
    gone = Result(False, "HTTP 410", status=410, refused=tuple(f"e{n}" for n in range(9)))

    def told() -> int:
        with world.store.reading() as session:
            return len(session.history.events(kinds=["undelivered"]))

    world.now += YEARS
    world.queue(event(1)).drain()
    world.answers["a"] = gone
    world.queue(event(2)).drain(after=HOUR)
    world.now = START
    for number in (3, 4):
        world.queue(event(number)).drain(after=HOUR)
    assert told() == 2, "once in the future, and once since, for both"


def test_what_was_being_sent_when_the_clock_was_set_back_comes_again_at_once(world: World) -> None:
    class Killed(BaseException):
        pass

    def die(_: Sequence[Event]) -> Result:
        raise Killed

    world.answers["a"] = die
    world.queue(event(1))
    with pytest.raises(Killed):
        world.drain()
    world.answers["a"] = OK
    world.now = START - HOUR
    world.drain()
    assert world.states() == {"e1": "sent"}
