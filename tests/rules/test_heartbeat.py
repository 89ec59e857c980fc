"""Signs of life: once a time, to the channel that asked, whoever polls, whatever clocks and processes do."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest
from msgspec.structs import replace

from testkit.command import Command
from tests.store.samples import document
from tests.test_cycle import World
from watcher.catalog.decision import Heartbeat
from watcher.catalog.event import heartbeat_event
from watcher.config.clock import DIGEST, QUIET_HOURS
from watcher.config.secret import Secret
from watcher.config.settings import Channel, Rules, Timing
from watcher.cycle import Report, check
from watcher.delivery.channel import Result
from watcher.delivery.outbox import drain
from watcher.messages.headline import headline
from watcher.rules import heartbeat
from watcher.store.store import Store

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)


def channel(name: str = "team", alive: str | None = "daily 09:00", **timing: object) -> Channel:
    rhythm = DIGEST.parse(alive) if alive else None
    return Channel(name, url=Secret("json://127.0.0.1:9/"), timing=Timing(alive=rhythm, **timing))  # type: ignore[arg-type]


def heartbeats(report: Report) -> tuple[str, ...]:
    """Return the channels that a poll queued a heartbeat for."""
    return tuple(queued.channel for queued in report.decision.deliveries if queued.event.kind == "alive")


class Watch(World):
    """A world that polls at given times."""

    def use(self, *channels: Channel) -> None:
        self.config = replace(self.config, channels=channels)

    def at(self, moment: datetime) -> tuple[str, ...]:
        self.now = moment
        return heartbeats(self.check(timedelta(0)))

    def told(self, name: str = "team") -> list[str]:
        return [event.detail or "" for event in self.queued(name) if event.kind == "alive"]

    def send(self, result: Result = Result(True, "sent")) -> None:  # noqa: B008
        drain(self.store, self.config, lambda _channel, _events: result, clock=lambda: self.now, jitter=lambda: 0.5)


@pytest.fixture
def watch(database: str) -> Iterator[Watch]:
    with Store.open(database) as store:
        watch = Watch(store)
        watch.use(channel())
        watch.now = NINE - HOUR
        watch.shows(document("a/a"), document("a/b"))
        yield watch


def test_it_comes_at_its_time_and_once(watch: Watch) -> None:
    polled = [watch.at(NINE + number * timedelta(minutes=5)) for number in range(-2, 30)]
    assert polled.count(("team",)) == 1
    assert polled[2] == ("team",), "the first poll at or after it"
    assert watch.told() == ["Watched 2 models, no change since the last one."]


def test_it_counts_what_was_announced_since_the_last_one(watch: Watch) -> None:
    watch.at(NINE)
    watch.send()
    watch.shows(document("a/a"), document("a/b", "0.5"), document("a/c"))
    watch.at(NINE + DAY)
    watch.send()
    watch.at(NINE + 2 * DAY)
    assert watch.told()[1:] == [
        "Watched 3 models, 2 changes since the last one.",
        "Watched 3 models, no change since the last one.",
    ]


def test_only_a_channel_that_asked_gets_it_whatever_its_rules_are(watch: Watch) -> None:
    watch.use(replace(channel("one"), rules=Rules(events=("new",), models=("none/*",))), channel("two", None))
    watch.at(NINE - 2 * HOUR)
    watch.at(NINE)
    assert len(watch.told("one")) == 1
    assert watch.told("two") == []


def test_a_channel_that_asks_now_is_not_notified_before_the_next_time(watch: Watch) -> None:
    watch.at(NINE)
    watch.use(channel(), channel("later"))
    assert watch.at(NINE + 2 * HOUR) == ()
    assert watch.at(NINE + DAY) == ("later",), "the other one's still waits"


def test_after_a_pause_there_is_one(watch: Watch) -> None:
    watch.at(NINE)
    watch.send()
    assert watch.at(NINE + 30 * DAY + HOUR) == ("team",)
    assert watch.at(NINE + 30 * DAY + 2 * HOUR) == ()
    assert watch.at(NINE + 31 * DAY) == (), "the last one was not sent yet"
    watch.send()
    assert watch.at(NINE + 32 * DAY) == ("team",)


def test_a_restart_forgets_nothing(watch: Watch, database: str) -> None:
    watch.at(NINE)
    watch.send()
    watch.store.close()
    with Store.open(database) as store:
        watch.store = store
        assert watch.at(NINE + HOUR) == ()
        assert watch.at(NINE + DAY) == ("team",)


def test_processes_that_poll_at_once_queue_one(watch: Watch, database: str) -> None:
    barrier = Barrier(4)

    def poll(_number: int) -> tuple[str, ...]:
        with Store.open(database) as store:
            barrier.wait(30)
            return heartbeats(check(store, watch, watch.config, now=NINE))

    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(poll, range(4)))
    assert sorted(told) == [(), (), (), ("team",)]
    assert len(watch.told()) == 1


def test_a_channel_that_is_back_after_days_gets_one_about_all_changes(watch: Watch) -> None:
    watch.at(NINE)
    down = Result(False, "it is down", status=500)
    watch.send(down)
    watch.shows(document("a/a"), document("a/b"), document("a/c"))
    for number in range(1, 3):
        assert watch.at(NINE + number * DAY) == ()
        watch.send(down)
    watch.now += HOUR
    watch.send()
    watch.at(NINE + 3 * DAY)
    assert watch.told() == [
        "Watched 2 models, no change since the last one.",
        "Watched 3 models, 1 change since the last one.",
    ]


def test_it_says_that_the_source_is_not_read(watch: Watch) -> None:
    watch.now = NINE
    assert heartbeats(watch.fails("it is down")) == ("team",)
    assert watch.told() == [
        "Watched 2 models, no change since the last one. But the last poll was not good: it is down"
    ]


def test_it_does_not_wait_for_a_digest_but_for_the_end_of_quiet_hours(watch: Watch) -> None:
    quiet = QUIET_HOURS.parse("08:00-11:00")
    watch.use(
        channel(digest=DIGEST.parse("daily 20:00")),
        channel("quiet", quiet_hours=quiet),
        channel("urgent", quiet_hours=quiet, urgent=("alive",)),
    )
    watch.at(NINE - 3 * HOUR)
    watch.at(NINE)
    with watch.store.reading() as session:
        due = {row.channel: row.due for row in session.outbox.listed()}
    assert due == {"team": NINE, "quiet": NINE + 2 * HOUR, "urgent": NINE}


def test_an_unchanged_list_is_judged_anew_only_when_it_is_due(watch: Watch) -> None:
    def noted(moment: datetime) -> bool:
        with watch.store.reading() as session:
            return not heartbeat.due(watch.config.channels, session.known(moment).heartbeats, moment)

    assert noted(NINE - timedelta(seconds=1))
    assert not noted(NINE)
    watch.at(NINE)
    assert noted(NINE + timedelta(hours=23))


def test_a_dry_run_takes_it_from_nobody(watch: Watch) -> None:
    check(watch.store, watch, watch.config, now=NINE, dry_run=True)
    assert watch.at(NINE + HOUR) == ("team",)


def test_a_clock_that_steps_back_brings_it_once_and_one_that_was_years_ahead_does_not_silence_it(watch: Watch) -> None:
    assert watch.at(NINE) == ("team",)
    watch.send()
    assert watch.at(NINE - timedelta(minutes=1)) == ()
    assert watch.at(NINE) == ()
    assert watch.at(NINE + 3000 * DAY) == ("team",)
    watch.send()
    assert watch.at(NINE + HOUR) == ()
    assert watch.at(NINE + DAY) == ("team",)


BERLIN = [
    # Clocks go from 02:00 to 03:00 on 29 March, and from 03:00 to 02:00 on 25 October.
    ("daily 02:30", datetime(2026, 3, 28, 12, tzinfo=UTC), [datetime(2026, 3, 29, 1, tzinfo=UTC)]),
    ("daily 09:00", datetime(2026, 3, 28, 12, tzinfo=UTC), [datetime(2026, 3, 29, 7, tzinfo=UTC)]),
    ("daily 02:30", datetime(2026, 10, 24, 12, tzinfo=UTC), [datetime(2026, 10, 25, 0, 30, tzinfo=UTC)]),
    (
        "weekly sun 02:30",
        datetime(2026, 10, 24, 12, tzinfo=UTC),
        [datetime(2026, 10, 25, 0, 30, tzinfo=UTC)],
    ),
]


@pytest.mark.parametrize(("rhythm", "start", "times"), BERLIN)
def test_it_comes_once_on_the_days_on_which_clocks_change(rhythm: str, start: datetime, times: list[datetime]) -> None:
    team = channel(alive=rhythm, timezone="Europe/Berlin")
    state = {"team": Heartbeat(start, start)}
    came = []
    for number in range(24 * 12):
        now = start + number * timedelta(minutes=5)
        if heartbeat.due([team], state, now):
            came.append(now)
            state = {"team": Heartbeat(now, now)}
    assert came == times


def test_hourly_is_each_hour(watch: Watch) -> None:
    team = channel(alive="hourly")
    assert heartbeat.due([team], {"team": Heartbeat(NINE, NINE)}, NINE + HOUR)
    assert not heartbeat.due([team], {"team": Heartbeat(NINE, NINE)}, NINE + HOUR - timedelta(seconds=1))


@pytest.mark.parametrize(
    ("rhythm", "ahead"), [("hourly", timedelta(hours=20)), ("hourly", 1400 * DAY), ("daily 09:00", 1400 * DAY)]
)
def test_one_that_a_clock_in_the_future_saw_to_silences_no_channel(watch: Watch, rhythm: str, ahead: timedelta) -> None:
    watch.use(channel(alive=rhythm))
    watch.at(NINE)
    watch.send()
    assert watch.at(NINE + ahead) == ("team",)
    watch.send()
    after = NINE + timedelta(minutes=10)
    assert watch.at(after) == ()
    assert watch.at(after + (HOUR if rhythm == "hourly" else DAY)) == ("team",)


def test_changes_of_the_future_are_not_counted_again_and_again(watch: Watch) -> None:
    watch.at(NINE)
    watch.shows(document("a/a"), document("a/b"), document("a/c"))
    watch.at(NINE + 1400 * DAY)
    watch.at(NINE + HOUR)
    watch.send()
    watch.at(NINE + DAY)
    assert watch.told()[-1] == "Watched 3 models, no change since the last one."


@pytest.mark.parametrize(
    ("models", "changes", "trouble", "title"),
    [
        (460, 3, None, "Still alive: Watched 460 models, 3 changes since the last one"),
        (1, 1, None, "Still alive: Watched 1 model, 1 change since the last one"),
        (1460, 0, "@everyone: it. is down", "Still alive: Watched 1,460 models, no change since the last one"),
    ],
)
def test_its_title_is_what_it_says(models: int, changes: int, trouble: str | None, title: str) -> None:
    assert headline([heartbeat_event(models, changes, trouble, NINE, NINE - DAY)]) == title


def test_it_is_no_change_that_is_listed(
    watch: Watch, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch.at(NINE)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text(f'[store]\nurl = "{database}"\n')
    command = Command(tmp_path)
    assert command.run("changes", "--json").out == "[]\n"
    assert "Watched 2 models" in command.run("changes", "--kind", "alive").out
