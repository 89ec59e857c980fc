"""Pings of a monitor, to a real one on loopback: in order, about every poll, at no poll's expense."""

import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from testkit.command import Command
from testkit.receivers import Sink
from watcher.config.secret import Secret
from watcher.config.settings import HealthSettings
from watcher.daemon import health_ping
from watcher.daemon.health_ping import Pings
from watcher.errors import StoreError
from watcher.simulator import Fault, Simulator, story_scenes
from watcher.simulator.story import STORIES
from watcher.store.records import Poll
from watcher.store.store import Store

GOOD = Poll(datetime(2026, 1, 5, tzinfo=UTC), "good", 428, 460, 3)
BAD = Poll(GOOD.at, "failed", 5, reason="it is\x1b[31m\ndown")
SECRET = "5a7f"
PING = "watcher-ping"


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    yield sink
    sink.close()


class RecordedPings(Pings):
    """Pings that keep their lines for people."""

    def __init__(self, environ: dict[str, str] | None = None) -> None:
        self.lines: list[str] = []
        super().__init__(environ or {}, self.lines.append)

    def poll(self, health: HealthSettings, poll: Poll = GOOD) -> None:
        with self.around(health) as ping:
            ping(poll)
        self.close(30)


def health(sink: Sink, more: str = "") -> HealthSettings:
    return HealthSettings(Secret(f"http://{sink.address}/{SECRET}{more}"))


def asked(sink: Sink) -> list[tuple[str, str, str]]:
    return [(request.verb, request.path, request.body.decode()) for request in sink.requests]


def test_a_good_poll_is_told_from_its_begin_to_its_end(sink: Sink) -> None:
    pings = RecordedPings()
    pings.poll(health(sink))
    assert asked(sink) == [("POST", f"/{SECRET}/start", ""), ("POST", f"/{SECRET}", "460 models, 3 events, 428 ms")]
    assert pings.lines == []


@pytest.mark.parametrize("outcome", ["failed", "refused"])
def test_a_poll_that_is_not_good_is_a_failure_and_says_why_on_one_line(outcome: str, sink: Sink) -> None:
    RecordedPings().poll(health(sink), Poll(GOOD.at, outcome, 5, reason=BAD.reason))
    assert asked(sink)[1] == ("POST", f"/{SECRET}/fail", f"{outcome}: it is down")


@pytest.mark.parametrize(
    ("error", "text"),
    [(StoreError("The disk is full."), "The disk is full."), (KeyError("x"), "a bug in openrouter-watcher: KeyError")],
)
def test_a_poll_that_breaks_off_is_a_failure_and_breaks_off(error: Exception, text: str, sink: Sink) -> None:
    pings = RecordedPings()
    with pytest.raises(type(error)), pings.around(health(sink)):
        raise error
    pings.close(30)
    assert asked(sink)[1:] == [("POST", f"/{SECRET}/fail", text)]


def test_what_is_added_stands_before_a_query(sink: Sink) -> None:
    RecordedPings().poll(health(sink, "/?create=1"), BAD)
    assert [path for _, path, _ in asked(sink)] == [f"/{SECRET}/start?create=1", f"/{SECRET}/fail?create=1"]


def test_the_address_can_stand_in_a_file_or_a_variable(sink: Sink, tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(f"http://{sink.address}/file\n")
    RecordedPings().poll(HealthSettings(ping_url_file=file))
    RecordedPings({"PING": f"http://{sink.address}/variable"}).poll(HealthSettings(ping_url_env="PING"))
    assert [path for _, path, _ in asked(sink)] == ["/file/start", "/file", "/variable/start", "/variable"]


def test_without_an_address_nothing_is_started() -> None:
    pings = RecordedPings()
    pings.poll(HealthSettings())
    assert PING not in [thread.name for thread in threading.enumerate()]
    assert pings.lines == []


@pytest.mark.parametrize("status", [404, 500, 301])
def test_what_is_not_taken_is_told_once_until_it_is_taken(status: int, sink: Sink) -> None:
    pings = RecordedPings()
    sink.status = status
    pings.poll(health(sink))
    pings.poll(health(sink))
    line = f"the health ping was not taken: the answer is HTTP {status}"
    assert pings.lines == [line]
    sink.status = 200
    pings.poll(health(sink))
    sink.status = status
    pings.poll(health(sink))
    assert pings.lines == [line, line]
    assert "/elsewhere" not in [path for _, path, _ in asked(sink)], "no redirect is followed"


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (HealthSettings(Secret("http://127.0.0.1:9/" + SECRET)), "it cannot be reached (ConnectError)"),
        (HealthSettings(ping_url_env="NOWHERE"), "health: ping_url_env: the environment variable NOWHERE is not set"),
    ],
)
def test_a_monitor_that_cannot_be_asked_fails_no_poll_and_shows_no_secret(broken: HealthSettings, says: str) -> None:
    pings = RecordedPings()
    pings.poll(broken)
    assert pings.lines == [f"the health ping was not taken: {says}"]
    assert SECRET not in repr(broken) + str(pings.lines)


def test_a_monitor_that_hangs_up_or_hangs_holds_up_nothing(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    sink.status = 0
    pings = RecordedPings()
    pings.poll(health(sink))
    assert len(pings.lines) == 1
    sink.status = -1
    threads = threading.active_count()
    for _ in range(5):  # none of these waits for its call, and one that hangs is not joined by others
        with pings.around(health(sink)) as ping:
            ping(GOOD)
    pings.close(0)
    assert [thread.name for thread in threading.enumerate()].count(PING) == 1
    assert threading.active_count() <= threads + 2, "one here, and one in the sink"
    monkeypatch.setattr(health_ping, "TIMEOUT", 0.1)
    pings = RecordedPings()
    pings.poll(health(sink))
    assert pings.lines == ["the health ping was not taken: there is no answer in time"]


# The command


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(tmp_path)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(story_scenes(STORIES["demo"])) as simulator:
        yield simulator


def configure(command: Command, simulator: Simulator, sink: Sink) -> None:
    command.configure(
        f'[source]\nurl = "{simulator.url}"\n[store]\nurl = "sqlite:///w.db"\n'
        f'[health]\nping_url = "http://{sink.address}/{SECRET}"\n'
    )


def test_a_check_is_told_and_a_dry_run_is_not(command: Command, simulator: Simulator, sink: Sink) -> None:
    configure(command, simulator, sink)
    assert command.run("--check", "--dry-run").code == 0
    assert asked(sink) == []
    assert command.run("--check") == (0, "", "")
    assert command.run("--check") == (0, "", "")
    simulator.set_fault(Fault.named("404"))
    assert command.run("--check").code == 69
    ends = [path.removeprefix(f"/{SECRET}") for _, path, _ in asked(sink)]
    assert ends == ["/start", "", "/start", "", "/start", "/fail"]


def test_a_check_that_cannot_store_is_a_failure(command: Command, simulator: Simulator, sink: Sink) -> None:
    configure(command, simulator, sink)
    (command.folder / "w.db").write_text("no database at all\n" * 1000)
    assert command.run("--check").code == 74
    assert asked(sink)[-1][1] == f"/{SECRET}/fail"


def test_a_monitor_that_is_gone_changes_nothing_about_a_check(
    command: Command, simulator: Simulator, sink: Sink
) -> None:
    configure(command, simulator, sink)
    sink.status = 500
    assert command.run("--check") == (0, "", ""), "under cron each line would be a mail"


def test_a_ping_that_fails_is_told_with_verbose_and_in_status_until_it_is_taken(
    command: Command, simulator: Simulator, sink: Sink
) -> None:
    configure(command, simulator, sink)
    sink.status = 404
    assert "the health ping was not taken: the answer is HTTP 404\n" in command.run("--verbose", "--check").err
    line = r"^the health ping is not taken since .* UTC: the answer is HTTP 404$"
    assert re.search(line, command.run("status").out, re.MULTILINE)
    since = command.run("status", "--json").json["ping"]["failing_since"]
    assert command.run("--check").code == 0
    assert command.run("status", "--json").json["ping"] == {"failing_since": since, "reason": "the answer is HTTP 404"}
    sink.status = 200
    assert command.run("--check").code == 0
    assert command.run("status", "--json").json["ping"] is None
    assert "health ping" not in command.run("status").out


def test_a_healthy_ping_makes_an_unchanged_check_load_no_database_library(
    command: Command, simulator: Simulator, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(command, simulator, sink)
    command.run("--check")
    monkeypatch.setattr(Store, "writing", None)
    monkeypatch.setattr(Store, "reading", None)
    assert command.run("--check") == (0, "", "")


@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
def test_since_when_a_ping_fails_is_noted_when_the_reason_changes(database: str) -> None:
    later = GOOD.at + timedelta(hours=1)
    with Store.open(database) as store:
        for trouble, at, noted in (
            ("odd %_", GOOD.at, (GOOD.at, "odd %_")),
            ("odd %_", later, (GOOD.at, "odd %_")),
            ("other", later, (later, "other")),
            (None, later, None),
        ):
            store.note_ping(trouble, at)
            with store.reading() as session:
                assert session.maintenance.ping_trouble() == noted
