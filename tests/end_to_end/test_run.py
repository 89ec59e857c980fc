"""`watcher run` as the process that it is: it polls, it sends, it hears its signals, and it ends clean.

The shortest interval is a minute, so after the first poll the tests ask for each one with SIGUSR1.
"""

import json
import os
import re
import select
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from testkit.command import SECONDS, Running, Watcher, starting
from testkit.receivers import Request, Sink
from tests.end_to_end.test_check import HAIKU, NEWCOMER, channel, story
from watcher.simulator import Fault, Simulator, story_scenes

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent


def until(true: Callable[[], Any]) -> None:
    """Wait for a condition that only the other side can bring about."""
    end = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < end, "it never came"
        select.select([], [], [], 0.01)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(story_scenes(story())) as simulator:
        yield simulator


Start = Callable[..., Running]


@pytest.fixture
def start(watcher: Watcher) -> Iterator[Start]:
    with starting(watcher) as start:
        yield partial(start, "run")


def configure(watcher: Watcher, simulator: Simulator, more: str = "", *, database: str = "w.db") -> None:
    watcher.configure(
        f'[source]\nurl = "{simulator.url}"\n[store]\nurl = "sqlite:///{database}"\n[announce]\nsettle = "0s"\n'
        f'[delivery]\nretry_first = "1s"\n{more}'
    )
    (watcher.folder / "config.toml").chmod(0o600)


def rows(watcher: Watcher, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(watcher.folder / "w.db")) as connection:
        return list(connection.execute(query))


def assert_clean(watcher: Watcher) -> None:
    """The database is whole, and nothing of a connection lies beside it."""
    assert {path.name for path in watcher.folder.glob("w.db*")} <= {"w.db", "w.db.sending", "w.db.running"}
    assert rows(watcher, "PRAGMA integrity_check") == [("ok",)]


def models_of(request: Request) -> set[str]:
    """The models that a web hook was told of."""
    return {event["model"] for event in json.loads(request.body)["events"]}


# The main job


def test_it_polls_at_its_start_and_what_changes_arrives(
    watcher: Watcher, simulator: Simulator, sink: Sink, start: Start
) -> None:
    configure(watcher, simulator, channel(sink))
    run = start()
    run.says("polled: good, 87 models")
    assert sink.requests == [], "how things are is no news"
    simulator.advance()
    run.polls()
    run.says("channel hook: 2 alerts: sent")
    assert models_of(sink.requests[-1]) == {NEWCOMER, HAIKU}
    run.polls()
    run.says("channel hook: 1 alert: sent")
    run.polls()
    assert run.stops() == 0
    assert len(sink.requests) == 2, "nothing is told twice"
    assert_clean(watcher)


def test_without_a_channel_alerts_are_printed(watcher: Watcher, simulator: Simulator, start: Start) -> None:
    configure(watcher, simulator)
    run = start()
    run.says("polled: good")
    simulator.advance()
    run.polls()
    run.says("channel console: 2 alerts: printed")
    run.gets(signal.SIGTERM)
    out, _ = run.process.communicate(timeout=SECONDS)
    assert "GPT-5.2-Codex" in out.decode()


def test_what_is_not_delivered_is_tried_again_without_a_poll(
    watcher: Watcher, simulator: Simulator, sink: Sink, start: Start
) -> None:
    configure(watcher, simulator, channel(sink))
    run = start()
    run.says("polled: good")
    simulator.advance()
    sink.statuses = [500]
    run.polls()
    run.says("channel hook: 2 alerts not delivered yet: HTTP 500")
    polls = len(rows(watcher, "SELECT 1 FROM polls"))
    run.says("channel hook: 2 alerts: sent")
    assert len(rows(watcher, "SELECT 1 FROM polls")) == polls


def test_what_it_did_not_send_before_it_ended_it_sends_when_it_is_back(
    watcher: Watcher, simulator: Simulator, sink: Sink, start: Start
) -> None:
    configure(watcher, simulator, channel(sink))
    run = start()
    run.says("polled: good")
    simulator.advance()
    sink.status = 500
    run.polls()
    run.says("not delivered yet")
    assert run.stops() == 0
    sink.status = 200
    before = len(sink.requests)
    run = start()
    until(lambda: {NEWCOMER, HAIKU} <= set[str]().union(*map(models_of, sink.requests[before:])))


def test_no_log_at_rest(watcher: Watcher, simulator: Simulator, sink: Sink) -> None:
    configure(watcher, simulator, channel(sink))
    run = Running(watcher, "run")
    try:
        run.says("87 models taken in; from now on changes are announced")
        for number in (2, 3, 4):
            run.gets(signal.SIGUSR1)
            until(lambda number=number: len(rows(watcher, "SELECT 1 FROM polls")) == number)
        assert run.stops() == 0
    finally:
        run.process.kill()
    assert [re.sub(r"^\S+ \S+ ", "", line) for line in run.lines] == [
        f"watching {simulator.url} every 5m",
        "87 models taken in; from now on changes are announced",
        "stopping",
    ]


@pytest.mark.parametrize(
    ("options", "env", "line"),
    [
        (("--log", "json"), {}, r'^\{"at":".*","level":"info","message":"watching http'),
        (("--log", "journal"), {}, "^<6>watching http"),
        ((), {"JOURNAL_STREAM": "8:1"}, "^<6>watching http"),
        ((), {}, r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d watching http"),
    ],
)
def test_log_lines_are_of_the_kind_that_is_asked_for(
    watcher: Watcher,
    simulator: Simulator,
    start: Start,
    options: tuple[str, ...],
    env: dict[str, str],
    line: str,
) -> None:
    configure(watcher, simulator)
    run = start(*options, env=env)
    run.says(line)
    run.says("polled")
    assert run.stops() == 0


def test_on_a_terminal_lines_are_for_people_whatever_the_terminal_was_started_by(
    watcher: Watcher, simulator: Simulator
) -> None:
    configure(watcher, simulator)
    ours, its = os.openpty()
    command = [sys.executable, "-m", "watcher", "run"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "JOURNAL_STREAM": "8:1"}
    process = subprocess.Popen(command, cwd=watcher.folder, env=env, stdout=its, stderr=its)
    os.close(its)
    said = b""
    while b"taken in" not in said:
        said += os.read(ours, 65536)
    process.terminate()
    assert process.wait(SECONDS) == 0
    os.close(ours)
    assert re.match(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d watching ", said)


def test_json_lines_are_json_to_the_end(watcher: Watcher, simulator: Simulator, start: Start) -> None:
    configure(watcher, simulator)
    run = start("--log", "json")
    run.says("polled")
    watcher.configure("nonsense")
    run.gets(signal.SIGHUP)
    run.says("not reloaded")
    assert run.stops() == 0
    assert {json.loads(line)["level"] for line in run.lines} == {"debug", "info", "error"}


# What goes wrong


def test_a_source_that_fails_stops_nothing(watcher: Watcher, simulator: Simulator, sink: Sink, start: Start) -> None:
    configure(watcher, simulator, channel(sink))
    run = start()
    run.says("polled: good")
    simulator.set_fault(Fault.named("404"))
    run.polls()
    run.polls()
    assert len([line for line in run.lines if "the source cannot be read: " in line]) == 1
    simulator.set_fault(None)
    run.gets(signal.SIGUSR1)
    run.says("the source can be read again")
    simulator.advance()
    run.polls()
    run.says("channel hook: 2 alerts: sent")
    assert run.stops() == 0


def test_a_hanging_channel_holds_up_neither_polls_nor_others(
    watcher: Watcher, simulator: Simulator, sink: Sink, start: Start
) -> None:
    hanging = Sink()
    hanging.status = -1
    more = f'[[channels]]\nname = "hangs"\nurl = "json://{hanging.address}/"\n'
    configure(watcher, simulator, more + channel(sink))
    run = start()
    run.says("polled: good")
    simulator.advance()
    run.polls()
    until(lambda: hanging.requests and sink.requests)
    for _ in range(3):
        run.polls()
    assert not any("hangs" in line for line in run.lines), "it still hangs"
    assert len(hanging.requests) == 1
    hanging.close()
    assert run.stops() == 0
    assert_clean(watcher)


def test_a_slow_poll_does_not_pile_up(watcher: Watcher, simulator: Simulator, start: Start) -> None:
    configure(watcher, simulator)
    run = start()
    run.says("polled: good")
    before = len(simulator.requests)
    simulator.set_fault(Fault(path="/api/v1/models?output*", delay=1, times=1))
    run.gets(signal.SIGUSR1)
    until(lambda: len(simulator.requests) > before)
    for _ in range(5):
        run.gets(signal.SIGUSR1)
    run.says("polled: good")
    run.says("polled: good")
    run.gets(signal.SIGTERM)
    assert run.ends() == 0
    assert len(rows(watcher, "SELECT 1 FROM polls")) == 3, "five wishes while it was slow are one poll"


@pytest.mark.parametrize(
    ("configuration", "code", "says"),
    [
        ('[source]\nintervall = "5m"\n', 78, 'did you mean "interval"'),
        ('[[channels]]\nname = "a"\nurl_file = "nowhere"\n', 78, "cannot read"),
        ('[[channels]]\nname = "a"\nurl = "nonsense://x"\n', 78, 'channel "a"'),
        ('[source]\napi_key_file = "nowhere"\n', 78, "api_key_file"),
        ('[store]\nurl = "sqlite:////dev/null/w.db"\n', 74, "/dev/null"),
        ('[store]\nurl = "sqlite:////dev"\n', 74, "is a folder"),
    ],
)
def test_what_is_wrong_at_the_start_ends_it_with_a_line_in_the_journal(
    watcher: Watcher, configuration: str, code: int, says: str
) -> None:
    watcher.configure(configuration)
    ran = watcher.run("run", "--log", "journal")
    assert (ran.code, ran.out) == (code, "")
    (line,) = ran.err.splitlines()
    assert line.startswith("<3>")
    assert says in line
