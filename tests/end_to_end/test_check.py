"""`watcher --check` against the pretend OpenRouter: what it prints, what it sends, how it exits, what it leaves."""

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from testkit.command import Command
from testkit.receivers import Sink
from watcher.simulator import Fault, Simulator, built_in, story_scenes
from watcher.simulator.story import Story, StoryStep, appears, repriced, vanishes

NEWCOMER, HAIKU, GONE = "openai/gpt-5.2-codex", "anthropic/claude-haiku-4.5", "qwen/qwen3-coder:free"


def story() -> Story:
    """All at once, for a configuration that settles at once: new, cheaper, gone; then nothing more."""
    from datetime import UTC, datetime

    def change(models: list[dict[str, object]]) -> list[dict[str, object]]:
        models = repriced(HAIKU, {"prompt": "0.8", "completion": "4"}, appears(NEWCOMER, models))
        return vanishes(GONE.__eq__, models)

    start = datetime(2026, 1, 14, 15, tzinfo=UTC)
    steps = (StoryStep("first"), StoryStep("second", change))
    return Story("test", start, lambda: vanishes(NEWCOMER.__eq__, built_in()), steps)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(story_scenes(story())) as simulator:
        yield simulator


def configure(command: Command, simulator: Simulator, more: str = "") -> None:
    command.configure(
        f'[source]\nurl = "{simulator.url}"\n[store]\nurl = "sqlite:///w.db"\n[announce]\nsettle = "0s"\n{more}'
    )


def channel(sink: Sink, more: str = "") -> str:
    return f'[[channels]]\nname = "hook"\nurl = "json://{sink.address}/"\n{more}'


def rows(command: Command, table: str) -> int:
    with sqlite3.connect(command.folder / "w.db") as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def no_bytes(path: Path) -> None:
    path.touch()


def no_tables(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 7")
    assert path.stat().st_size > 0


@pytest.mark.parametrize("make", [no_bytes, no_tables])
def test_a_database_that_is_there_but_empty_is_no_silent_baseline(
    command: Command, simulator: Simulator, make: Callable[[Path], None]
) -> None:
    configure(command, simulator)
    make(command.folder / "w.db")
    simulator.set_fault(Fault.named("503", times=1, retry_after="100"))
    assert "was empty" not in command.run("--check").err, "nothing was taken in yet"
    code, out, err = command.run("--check")
    assert (code, out) == (0, "")
    assert err.removesuffix("watcher: the source can be read again\n") == (
        f"watcher: the database {command.folder / 'w.db'} was empty: 87 models were taken in as known, and nothing of "
        "before is announced; if it should not have been empty, put a backup in its place\n"
    )
    assert command.run("--check") == (0, "", ""), "it is said once"


def test_an_empty_database_is_told_after_a_dry_run_too(command: Command, simulator: Simulator) -> None:
    configure(command, simulator)
    (command.folder / "w.db").touch()
    assert command.run("--check", "--dry-run").err == ""
    assert "was empty: 87 models" in command.run("--check", "--json").err


def test_another_question_is_a_baseline_of_its_own_and_no_empty_database(
    command: Command, simulator: Simulator
) -> None:
    configure(command, simulator)
    (command.folder / "w.db").touch()
    assert "was empty" in command.run("--check").err
    config = command.folder / "config.toml"
    config.write_text(config.read_text().replace("[store]", 'output_modalities = ["text"]\n[store]'))
    assert command.run("--check") == (0, "", "")


def test_first_check_is_the_baseline_and_says_nothing(command: Command, simulator: Simulator) -> None:
    configure(command, simulator)
    assert command.run("--check") == (0, "", "")
    assert rows(command, "models") == 87
    assert rows(command, "events") == 0


def test_changes_go_to_the_console_where_no_channel_is_configured(command: Command, simulator: Simulator) -> None:
    configure(command, simulator)
    command.run("--check")
    simulator.advance()
    code, out, err = command.run("--check")
    assert (code, err) == (0, "")
    assert "GPT-5.2-Codex" in out
    assert "$1 → $0.80/M" in out
    assert GONE not in out, "one poll without it is not enough"
    code, out, err = command.run("--check")
    assert (code, err) == (0, "")
    assert GONE in out
    assert "still works: qwen/qwen3-coder" in out
    assert command.run("--check") == (0, "", "")


def test_json_prints_poll_events_and_deliveries(command: Command, simulator: Simulator, sink: Sink) -> None:
    configure(command, simulator, channel(sink))
    first = json.loads(command.run("--check", "--json").out)
    assert first["poll"]["outcome"] == "good"
    assert (first["events"], first["deliveries"]) == ([], [])
    simulator.advance()
    second = json.loads(command.run("--check", "--json").out)
    assert {(event["kind"], event["model"]) for event in second["events"]} == {("new", NEWCOMER), ("repriced", HAIKU)}
    repriced_event = next(event for event in second["events"] if event["kind"] == "repriced")
    assert repriced_event["direction"] == "down"
    assert repriced_event["prices"]["prompt"] == {"old": "0.000001", "new": "0.0000008", "change": "-20.00%"}
    assert repriced_event["url"] == f"https://openrouter.ai/{HAIKU}"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", repriced_event["at"])
    (delivery,) = second["deliveries"]
    assert (delivery["channel"], delivery["state"]) == ("hook", "sent")
    assert set(delivery["events"]) == {event["id"] for event in second["events"]}
    assert len(sink.requests) == 1, "one message a channel a cycle"


def test_json_is_the_delivery_where_no_channel_is_configured(command: Command, simulator: Simulator) -> None:
    configure(command, simulator)
    command.run("--check", "--json")
    simulator.advance()
    assert len(json.loads(command.run("--check", "--json").out)["events"]) == 2
    assert GONE in command.run("--check").out, "what was printed as JSON is not printed again; the expiry is"


@pytest.mark.parametrize(("flags", "code"), [((), 0), (("--exit-code",), 1)])
def test_exit_code_is_asked_for(command: Command, simulator: Simulator, flags: tuple[str, ...], code: int) -> None:
    configure(command, simulator)
    assert command.run("--check", *flags).code == 0
    simulator.advance()
    assert command.run("--check", *flags).code == code


def test_dry_run_shows_and_neither_stores_nor_sends(command: Command, simulator: Simulator, sink: Sink) -> None:
    configure(command, simulator, channel(sink, 'events = ["new"]\n'))
    command.run("--check")
    simulator.advance()
    before = rows(command, "polls")
    code, out, _ = command.run("--check", "--dry-run")
    assert code == 0
    assert "GPT-5.2-Codex" in out
    assert "would be sent to hook: 1 of 2 events" in out
    assert (sink.requests, rows(command, "polls"), rows(command, "events")) == ([], before, 0)
    command.run("--check")
    assert len(sink.requests) == 1


def test_a_failing_channel_is_tried_again_and_holds_back_no_other(
    command: Command, simulator: Simulator, sink: Sink
) -> None:
    other = '[[channels]]\nname = "dead"\nurl = "json://127.0.0.1:9/"\n'
    configure(command, simulator, other + channel(sink) + '[delivery]\nretry_first = "0s"\n')
    command.run("--check")
    simulator.advance()
    sink.status = 500
    code, _, err = command.run("--check")
    assert code == 75
    assert "channel hook: HTTP 500" in err
    assert "channel dead: connection refused" in err
    sink.status = 200
    code, _, err = command.run("--check")
    assert code == 75, "the dead one still waits"
    assert err == "watcher: channel hook: it works again\n", "cron mails every line"
    told = [event["kind"] for event in sink.json()["events"]]
    assert sorted(told) == ["expired", "new", "repriced"], "what waited and what is due now go together"


FAULTS = [
    ("empty", "the list is empty"),
    ("short", "promises"),
    ("duplicates", "twice"),
    ("html", "text/html"),
    ("404", "404"),
    ("redirect", "not the same host"),
]


@pytest.mark.parametrize(("fault", "says"), FAULTS)
def test_a_lying_source_expires_nothing_and_says_why_in_one_line(
    command: Command, simulator: Simulator, fault: str, says: str
) -> None:
    configure(command, simulator)
    command.run("--check")
    simulator.set_fault(Fault.named(fault, path="/api/v1/models*"))
    said = [command.run("--check") for _ in range(4)]
    assert [(code, out) for code, out, _ in said] == [(69, "")] * 4
    (line,) = said[0].err.splitlines()
    assert says in line
    assert ("not believed, nothing was taken: " in line) is (fault in ("empty", "short", "duplicates"))
    assert [err for _, _, err in said[1:]] == [""] * 3, "cron mails every line"
    assert says in command.run("--check", "--dry-run").err
    simulator.set_fault(None)
    again = "is believed again" if "not believed" in line else "can be read again"
    assert command.run("--check") == (0, "", f"watcher: the source {again}\n")
    assert command.run("--check") == (0, "", "")
    assert rows(command, "events") == (2 if fault in ("html", "404", "redirect") else 1), "the source's own events"


def test_with_default_events_the_first_channel_learns_that_the_source_fails_and_works_again(
    command: Command, simulator: Simulator, sink: Sink
) -> None:
    configure(command, simulator, channel(sink) + channel(sink, 'models = ["none"]').replace("hook", "me"))
    command.run("--check")
    simulator.set_fault(Fault.named("500"))
    for _ in range(3):
        command.run("--check")
    simulator.set_fault(None)
    command.run("--check")
    posted = [json.loads(request.body)["events"] for request in sink.requests]
    assert [[event["kind"] for event in events] for events in posted] == [["source_failing"], ["source_recovered"]]


def test_what_cannot_be_read_of_models_is_named_once_and_in_status_and_they_count_as_present(
    command: Command, simulator: Simulator
) -> None:
    configure(command, simulator)
    command.run("--check")
    simulator.set_fault(Fault.named("broken"))
    said = [command.run("--check") for _ in range(2)]
    assert [(code, out) for code, out, _ in said] == [(0, "")] * 2
    assert "pricing cannot be read of " in said[0].err
    assert said[1].err == ""
    assert said[0].err.splitlines()[0].removeprefix("watcher: ") in command.run("status").out


def test_an_unreachable_source(command: Command) -> None:
    command.configure('[source]\nurl = "http://127.0.0.1:9/api/v1"\n[store]\nurl = "sqlite:///w.db"\n')
    code, out, err = command.run("--check")
    assert (code, out) == (69, "")
    assert "127.0.0.1:9" in err
    assert len(err.splitlines()) == 1


def test_a_broken_feed_never_stops_the_list(command: Command, simulator: Simulator) -> None:
    configure(command, simulator)
    command.run("--check")
    simulator.advance()
    simulator.set_fault(Fault.named("html", path="*use_rss=true*"))
    code, out, err = command.run("--check")
    assert code == 0
    assert "GPT-5.2-Codex" in out
    assert "RSS feed was not used" in err
    assert command.run("--check").err == "", "cron mails every line"


def broken_text(path: Path) -> None:
    path.write_text("this is no database, " * 100)


def broken_foreign(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")


def broken_newer(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")


@pytest.mark.parametrize(
    ("damage", "code", "says"),
    [
        (broken_text, 74, "is not an SQLite database"),
        (broken_foreign, 74, "belongs to another program"),
        (broken_newer, 78, "written by a newer version"),
    ],
)
def test_a_database_that_is_not_ours_is_left_alone(
    command: Command, simulator: Simulator, damage: object, code: int, says: str
) -> None:
    configure(command, simulator)
    path = command.folder / "w.db"
    if damage is broken_newer:
        command.run("--check")
    assert callable(damage)
    damage(path)
    before = path.read_bytes()
    ran = command.run("--check")
    assert (ran.code, ran.out) == (code, "")
    assert says in ran.err
    assert len(ran.err.splitlines()) == 1
    assert path.read_bytes() == before


def test_a_wrong_configuration_names_every_mistake(command: Command) -> None:
    command.configure('[announce]\nsetle = "3h"\n[[channels]]\nname = "a"\nurl = "json://x"\nmin_change = 5\n')
    code, out, err = command.run("--check")
    assert (code, out) == (78, "")
    assert 'did you mean "settle"' in err
    assert "min_change" in err
    assert len(err.splitlines()) == 2


def test_usage(command: Command) -> None:
    assert command.run("--chek").code == 64
    assert command.run("--json").code == 64
    assert command.run("--check", "models").code == 64
    assert command.run("frobnicate").code == 64
    assert command.run("--version").out.startswith("watcher")


def test_verbose_shows_where(command: Command) -> None:
    command.configure("nonsense")
    assert "Traceback" not in command.run("--check").err
    assert "Traceback" in command.run("--verbose", "--check").err


def test_an_unchanged_check_loads_no_machinery_and_writes_one_row(command: Command, simulator: Simulator) -> None:
    configure(command, simulator, '[[channels]]\nname = "m"\nurl = "mailto://127.0.0.1:9?to=a@b.example"\n')
    command.run("--check")
    before = {table: rows(command, table) for table in ("polls", "models", "versions", "events", "sources")}
    program = (
        "import sys; from watcher.cli import _run; code = _run(['--check']);"
        "print(code, *sorted(set(name.partition('.')[0] for name in sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=command.folder,
        env={"PYTHONPATH": str(Path(__file__).parent.parent.parent), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    code, *modules = done.stdout.split()
    assert code == "0", done.stderr
    assert "httpx" in modules
    heavy = {"apprise", "alembic", "sqlalchemy", "jinja2", "feedparser", "starlette", "uvicorn", "rich", "tarfile"}
    heavy |= {"prometheus_client"}
    assert heavy & {*modules} == set()
    after = {table: rows(command, table) for table in before}
    assert after == {**before, "polls": before["polls"] + 1}


def test_a_check_waits_for_another_sending_within_a_bound_and_says_who_holds_it(
    command: Command, simulator: Simulator, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watcher.store.store.SENDING_SECONDS", 0.2)
    configure(command, simulator, channel(sink))
    assert command.run("--check").code == 0
    simulator.advance()
    holds = f"import fcntl, time; f = open({str(command.folder / 'w.db.sending')!r}, 'a'); fcntl.flock(f, 2)"
    with subprocess.Popen([sys.executable, "-c", f"{holds}; print(1, flush=True); time.sleep(60)"], stdout=-1) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"1\n"
        code, out, err = command.run("--check", "--json")
        other.kill()
    assert code == 75
    assert f"process {other.pid} ('python" in err
    assert err.count("\n") == 1
    events = json.loads(out)["events"]
    assert len(events) == 2, "what was found out is told"
    assert sink.requests == []
    assert command.run("--check").code == 0
    assert {one["id"] for one in sink.json()["events"]} >= {one["id"] for one in events}
