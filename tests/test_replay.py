"""The judgement over recorded snapshots, in memory: the same code, another clock."""

import random
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace

from tests.events import event
from tests.store.samples import HOUR, START, body, document, unfit
from watcher.catalog.decision import Decision, Queued
from watcher.catalog.model import Model
from watcher.catalog.policy import Policy
from watcher.catalog.reading import read
from watcher.config.clock import DIGEST, QUIET_HOURS
from watcher.config.secret import DatabaseURL, Secret
from watcher.config.settings import Channel, Config, SourceSettings, StoreSettings, Timing
from watcher.delivery.channel import Result
from watcher.delivery.outbox import drain
from watcher.rebuild import CaptureSeen, rebuild_history, snapshots
from watcher.replay import Outbox, Replay
from watcher.rules.timing import due_at
from watcher.store.history import Version
from watcher.store.store import Store


class Capture(Struct):
    at: Any
    body: bytes


def config(policy: Policy | None = None) -> Config:
    return Config(None, SourceSettings(), StoreSettings(DatabaseURL("")), policy or Policy())


Shown = Sequence[Mapping[str, Any]] | bytes


def captures(*shown: Shown) -> list[Capture]:
    return [Capture(START + n * HOUR, each if isinstance(each, bytes) else body(each)) for n, each in enumerate(shown)]


def replayed(*shown: Shown, **policy: Any) -> list[Decision]:
    run = Replay(config(replace(Policy(), **policy)))
    return [run.step(capture) for capture in captures(*shown)]


def news(steps: Sequence[Decision]) -> list[str]:
    return [f"{n} {event.kind} {event.model or '*'}" for n, step in enumerate(steps) for event in step.events]


ONE, TWO = document("a/one"), document("b/two")


def test_the_first_capture_is_the_baseline() -> None:
    assert news(replayed([ONE], [ONE, TWO])) == ["1 new b/two"]


@pytest.mark.parametrize("first", [b"<html>", b'{"data": []}', b"", b"[" * 100_000])
def test_the_first_that_is_believed_is(first: bytes) -> None:
    steps = replayed(first, [ONE], [ONE, TWO])
    assert steps[0].outcome != "good"
    assert [line for line in news(steps) if "source" not in line and "suspect" not in line] == ["2 new b/two"]


def test_a_capture_that_is_not_believed_says_why_and_changes_nothing() -> None:
    steps = replayed([ONE, TWO], b"oops", [ONE, TWO])
    assert [step.outcome for step in steps] == ["good", "failed", "good"]
    assert "not JSON" in str(steps[1].reason)
    assert steps[1].states == {}


def test_the_clock_is_the_captures_own() -> None:
    dearer = document("a/one", "0.000002")
    steps = replayed([ONE], [dearer], [dearer], [dearer], [dearer], [dearer])
    assert news(steps) == ["4 repriced a/one"]
    (event,) = steps[4].events
    assert (event.at, event.since) == (START + 4 * HOUR, START + HOUR)


def test_a_step_holds_the_models_that_changed_in_it() -> None:
    steps = replayed([ONE, TWO], [ONE, TWO], [ONE])
    assert [sorted(step.states) for step in steps] == [["a/one", "b/two"], [], ["b/two"]]


# When what is announced would have been sent


@pytest.mark.parametrize(
    "timing",
    [
        Timing(),
        Timing(digest=DIGEST.parse("daily 09:00"), urgent=("expired",)),
        Timing(digest=DIGEST.parse("hourly"), quiet_hours=QUIET_HOURS.parse("22:00-07:00"), timezone="Europe/Berlin"),
        Timing(max_per_hour=1, urgent=("expired", "new")),
        Timing(max_per_hour=2, quiet_hours=QUIET_HOURS.parse("20:30-08:00"), urgent=("expired",)),
    ],
)
def test_messages_go_when_the_daemon_sends_them(timing: Timing, tmp_path: Path) -> None:
    chance = random.Random(1)
    kinds = ("new", "expired", "repriced", "changed")
    channel = Channel("team", url=Secret("json://127.0.0.1:9/"), timing=timing)
    settings = replace(config(), channels=(channel,))
    outbox, expected, sent = Outbox([channel]), [], []
    now = START

    def send(_channel: Channel, _events: object) -> Result:
        return Result(True, "sent")

    with Store.open(f"sqlite:///{tmp_path}/w.db") as store:
        for tick in range(100):
            now = START + tick * timedelta(minutes=30)
            sent += outbox.send_before(now)
            if tick < 48 and chance.random() < 0.3:
                new = [event(chance.choice(kinds), id=f"{tick}-{n}") for n in range(chance.randint(1, 2))]  # type: ignore[arg-type]
                queued = [Queued("team", one, due_at(timing, one.kind, now)) for one in new]
                outbox.add(queued)
                with store.writing() as session:
                    session.state.add_events(tuple(new))
                    session.outbox.add(queued, now)
            attempts = drain(store, settings, send, clock=lambda now=now: now)  # type: ignore[misc]
            expected += [(now, sorted(attempt.events)) for attempt in attempts]
    sent += outbox.send_before(now)
    assert [(message.at, sorted(event.id for event in message.events)) for message in sent] == expected
    assert len(expected) > 1
    assert outbox.waiting == {"team": []}


def test_what_is_not_due_at_the_end_waits_and_a_heartbeat_is_no_message() -> None:
    outbox = Outbox([Channel("team")])
    outbox.add([Queued("team", event("new"), START + HOUR), Queued("team", event("alive"), START)])
    assert outbox.send_before(START + HOUR) == []
    assert [queued.event.kind for queued in outbox.waiting["team"]] == ["new"]


# What an import makes of it


def told(*shown: Sequence[Mapping[str, Any]]) -> Any:
    problems: list[str] = []
    seen = (CaptureSeen(START + n * HOUR, read([body(each)]), trusted=False) for n, each in enumerate(shown))
    return rebuild_history(seen, config(), problems), problems


def spans(past: Any) -> list[tuple[str, int, int | None]]:
    def number(moment: Any) -> Any:
        return None if moment is None else (moment - START) // HOUR

    found = sorted(past.versions, key=lambda version: (version.model.id, version.valid_from))
    return [(each.model.id, number(each.valid_from), number(each.valid_to)) for each in found]


def test_a_span_lasts_while_the_document_is_the_same_but_for_its_benchmarks() -> None:
    past, problems = told([ONE], [document("a/one", benchmarks={"x": 1})], [document("a/one", "2")], [], [ONE, TWO])
    assert problems == ["2026-01-04 15:00:00: not believed: the list is empty"]
    assert spans(past) == [("a/one", 0, 2), ("a/one", 2, 4), ("a/one", 4, None), ("b/two", 4, None)]


def test_a_document_in_another_spelling_is_a_span_of_the_same_normal_form() -> None:
    past, _ = told([ONE], [document("a/one", "0.0000010")])
    assert spans(past) == [("a/one", 0, 1), ("a/one", 1, None)]
    assert past.versions[0].model == past.versions[1].model and past.versions[0].raw != past.versions[1].raw


def test_a_span_ends_where_its_model_is_gone() -> None:
    past, _ = told([ONE, TWO], [ONE], [ONE, TWO])
    assert spans(past) == [("a/one", 0, None), ("b/two", 0, 1), ("b/two", 2, None)]
    assert past.first_seen == {"a/one": START, "b/two": START}


def test_a_document_that_does_not_fit_keeps_the_normal_form() -> None:
    past, problems = told([ONE, TWO], [ONE, unfit("b/two")], [ONE, TWO])
    assert spans(past) == [("a/one", 0, None), ("b/two", 0, 1), ("b/two", 1, 2), ("b/two", 2, None)]
    assert len({repr(version.model) for version in past.versions if version.model.id == "b/two"}) == 1
    assert len(problems) == 1


def test_past_events_are_marked() -> None:
    past, _ = told([ONE], [ONE, TWO])
    assert [(event.kind, event.marks) for event in past.events] == [("new", ("imported",))]


def test_stored_captures_are_put_together_again_as_they_were() -> None:
    past, _ = told([ONE], [ONE, TWO], [TWO], [document("b/two", "7")])
    again = list(snapshots(past.versions, past.polls))
    assert [(seen.at, sorted(seen.snapshot.entries), seen.trusted) for seen in again] == [
        (START, ["a/one"], True),
        (START + HOUR, ["a/one", "b/two"], True),
        (START + 2 * HOUR, ["b/two"], True),
        (START + 3 * HOUR, ["b/two"], True),
    ]
    twice = rebuild_history(again, config(), [])
    assert spans(twice) == spans(past)
    assert twice.events == past.events


def test_captures_that_were_believed_are_believed_again_though_most_models_go() -> None:
    many = [document(f"many/m{n}") for n in range(50)]
    raws = [read([body([one])]).entries[one["id"]].raw for one in many]
    ends = [None, *[START + HOUR] * 49]
    span = [Version(Model(one["id"], {}), START, end, raw) for one, end, raw in zip(many, ends, raws, strict=True)]
    problems: list[str] = []
    past = rebuild_history(snapshots(span, [(START, 50), (START + HOUR, 1)]), config(), problems)
    assert problems == []
    assert len(past.polls) == 2
