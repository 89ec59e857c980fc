"""`watcher status`: the source, the next poll, the channels and the database, and 0 only if all is well."""

import json
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from testkit.command import Command, Running
from testkit.receivers import Sink
from tests.end_to_end.test_processes import wait_until
from tests.store.processes import run_on_small_disk, run_unprivileged
from watcher.simulator import Simulator, story_scenes
from watcher.simulator.story import STORIES


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(story_scenes(STORIES["demo"])) as simulator:
        yield simulator


def configure(command: Command, simulator: Simulator, more: str = "") -> None:
    command.configure(
        f'[source]\nurl = "{simulator.url}"\nrss = false\ninterval = "7m"\n[store]\nurl = "sqlite:///w.db"\n'
        f'[announce]\nsettle = "0s"\n[delivery]\nretry_first = "0s"\n{more}'
    )


def channel(name: str, sink: Sink) -> str:
    return f'[[channels]]\nname = "{name}"\nurl = "json://{sink.address}/"\nevents = ["*"]\n'


def news(simulator: Simulator) -> None:
    for _ in range(3):
        simulator.advance()


def age_the_polls(command: Command, by: str) -> None:
    with sqlite3.connect(command.folder / "w.db") as connection:
        for column in ("at", "not_before"):
            connection.execute(f"UPDATE polls SET {column} = strftime('%Y-%m-%d %H:%M:%f', {column}, ?)", [by])
    connection.close()


def status(command: Command, *arguments: str) -> tuple[int, dict[str, object]]:
    code, out, err = command.run("status", "--json", *arguments)
    assert err == ""
    return code, json.loads(out)


def test_all_is_told_in_a_few_lines(command: Command, simulator: Simulator, sink: Sink) -> None:
    configure(command, simulator, channel("hook", sink))
    command.run("--check")
    code, out, err = command.run("status")
    assert (code, err) == (0, "")
    source, hook, database = out.splitlines()
    assert source.startswith("healthy: last checked ")
    assert hook == "channel hook: last sent: never"
    assert database.startswith("database: ")
    assert database.endswith(str(command.folder / "w.db"))


def test_the_daemon_is_told_of_where_one_runs(command: Command, simulator: Simulator) -> None:
    configure(command, simulator)
    daemon = Running(command, "--verbose", "run")
    try:
        daemon.says("polled: ")
        wait_until(lambda: "watcher run polls every 7m: the next poll is at " in command.run("status").out)
    finally:
        daemon.process.kill()
        daemon.ends()
    assert "watcher run" not in command.run("status").out, "it runs no more, although its file is still there"


@pytest.mark.parametrize("how", [(), ("--json",)])
def test_a_monitor_gets_the_exit_codes_that_it_expects(
    command: Command, simulator: Simulator, sink: Sink, how: tuple[str, ...]
) -> None:
    def ask() -> tuple[int, str]:
        code, out, err = command.run("status", "--nagios", *how)
        assert err == ""
        return code, out

    configure(command, simulator, channel("hook", sink))
    code, out = ask()
    assert (code, out.startswith("WATCHER CRITICAL - no database yet;")) == (2, not how)
    command.run("--check")
    code, out = ask()
    assert (code, out.startswith("WATCHER OK - healthy: ")) == (0, not how)
    news(simulator)
    sink.status = 500
    command.run("--check")
    code, out = ask()
    assert (code, out.startswith("WATCHER WARNING - the source is healthy, a channel is not")) == (1, not how)
    age_the_polls(command, "-9 days")
    assert ask()[0] == 2
    command.configure("nonsense")
    code, out = ask()
    assert (code, out.startswith("WATCHER UNKNOWN - ")) == (3, True)


def test_all_is_told_as_json(command: Command, simulator: Simulator, sink: Sink) -> None:
    configure(command, simulator, channel("hook", sink))
    command.run("--check")
    code, shown = status(command)
    assert (code, shown["healthy"]) == (0, True)
    at, following = (datetime.fromisoformat(str(shown[key])) for key in ("last_good", "next_poll"))
    assert (following - at).total_seconds() == 420
    assert shown["channels"] == [
        {"name": "hook", "pending": 0, "last_success": None, "last_failure": None, "error": None}
    ]
    assert shown["database"] == {"path": f"{command.folder}/w.db", "bytes": (command.folder / "w.db").stat().st_size}


def test_a_channel_that_fails_is_not_healthy_until_it_works(command: Command, simulator: Simulator, sink: Sink) -> None:
    configure(command, simulator, channel("hook", sink))
    command.run("--check")
    news(simulator)
    sink.status = 500
    assert command.run("--check").code == 75
    code, out, _ = command.run("status")
    assert code == 75
    assert "the source is healthy, a channel is not" in out
    assert "deliveries wait; failed 2" in out
    assert "HTTP 500" in out
    code, shown = status(command)
    (told,) = shown["channels"]  # type: ignore[misc]
    assert (code, shown["healthy"], told["last_success"]) == (75, False, None)
    assert "HTTP 500" in told["error"]
    sink.status = 200
    command.run("--check")
    code, shown = status(command)
    (told,) = shown["channels"]  # type: ignore[misc]
    assert (code, shown["healthy"], told["error"], told["pending"]) == (0, True, None, 0)
    assert told["last_failure"] < told["last_success"]


def test_what_a_channel_never_took_is_not_healthy_and_sending_it_anew_is(
    command: Command, simulator: Simulator, sink: Sink
) -> None:
    configure(command, simulator, channel("hook", sink))
    command.run("--check")
    news(simulator)
    sink.status = 410
    command.run("--check")
    code, shown = status(command)
    assert (code, shown["pending"]) == (75, {})
    ids = [str(row["id"]) for row in json.loads(command.run("deliveries", "--json").out)]
    sink.status = 200
    command.run("deliveries", "retry", *ids)
    command.run("--check")
    assert status(command)[0] == 0


def test_a_channel_that_is_gone_is_told_only_while_something_waits_for_it(
    command: Command, simulator: Simulator, sink: Sink
) -> None:
    configure(command, simulator, channel("old", sink))
    command.run("--check")
    news(simulator)
    sink.status = 500
    command.run("--check")
    configure(command, simulator, channel("hook", sink))
    code, shown = status(command)
    assert code == 0, "nobody can repair what is not configured"
    assert [told["name"] for told in shown["channels"]] == ["hook", "old"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("age", "code"), [("1h", 0), ("10m", 69)])
def test_the_age_of_the_last_poll_counts_if_it_is_asked_for(
    age: str, code: int, command: Command, simulator: Simulator
) -> None:
    configure(command, simulator)
    command.run("--check")
    age_the_polls(command, "-30 minutes")
    assert command.run("status").code == 0
    found, out, _ = command.run("status", "--max-age", age)
    assert found == code
    assert out.startswith("healthy" if code == 0 else "not checked since ")
    assert status(command, "--max-age", age)[1]["healthy"] is (code == 0)


@pytest.mark.parametrize(("age", "interval", "code"), [("-47", "7m", 0), ("-49", "7m", 69), ("-49", "1d", 0)])
def test_what_stopped_checking_days_ago_is_not_healthy(
    age: str, interval: str, code: int, command: Command, simulator: Simulator
) -> None:
    configure(command, simulator)
    command.run("--check")
    config = command.folder / "config.toml"
    config.write_text(config.read_text().replace('"7m"', f'"{interval}"'))
    age_the_polls(command, f"{age} hours")
    assert (command.run("status").code, status(command)[0]) == (code, code)


def test_it_makes_no_database(command: Command, simulator: Simulator) -> None:
    configure(command, simulator)
    code, out, err = command.run("status")
    assert (code, err) == (69, "")
    assert out.startswith("no database yet; run watcher --check\nlast good poll: never\n")
    assert f"database: none yet, {command.folder}/w.db" in out
    assert status(command)[1]["last_poll"] is None
    assert [path.name for path in command.folder.iterdir()] == ["config.toml"]


LOOK = """
import json, os, sys
from watcher.cli import main
os.chdir(sys.argv[1])
sys.stdout = open(os.devnull, "w")
codes = []
for verb in ("status", "models", "changes", "show a/b", "chart a/b", "deliveries", "channels", "render --since 2020"):
    try:
        main(verb.split())
    except SystemExit as end:
        codes.append(end.code)
print(json.dumps(codes), file=sys.__stdout__)
"""
LOOKED = [0, 0, 1, 64, 64, 0, 0, 0]
"""There is no change, and no model a/b."""
FILL = """
import json, os, sys, sqlite3
from pathlib import Path
from watcher.store.store import Store
os.chdir(sys.argv[1])
Path("config.toml").write_text('[store]\\nurl = "sqlite:///w.db"\\n')
Store.open("sqlite:///w.db").close()
with open("rest", "wb", buffering=0) as rest:
    try:
        while rest.write(b"x" * 4096):
            pass
    except OSError:
        pass
"""


@pytest.mark.parametrize(
    "in_use", ["at rest", pytest.param("open", marks=pytest.mark.slow), "being written", "left behind by a kill"]
)
def test_who_may_only_read_the_database_is_told_too(in_use: str, command: Command, simulator: Simulator) -> None:
    configure(command, simulator)
    command.run("--check")
    writer = None
    if in_use != "at rest":
        writer = sqlite3.connect(command.folder / "w.db", isolation_level=None)
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("UPDATE polls SET events = events")
    if in_use == "being written":
        assert writer is not None
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE polls SET events = events + 1")
    if in_use == "left behind by a kill":
        left = {path: path.read_bytes() for path in command.folder.glob("w.db*")}
        assert writer is not None
        writer.close()
        for path, content in left.items():
            path.write_bytes(content)
    files = sorted(command.folder.iterdir())
    for path in files:
        path.chmod(0o444)
    command.folder.chmod(0o555)
    try:
        assert run_unprivileged(LOOK, str(command.folder)) == LOOKED
        assert sorted(command.folder.iterdir()) == files
    finally:
        command.folder.chmod(0o755)
        if writer is not None:
            writer.close()


def test_listings_work_on_a_full_disk(tmp_path: Path) -> None:
    assert run_on_small_disk(FILL + LOOK, str(tmp_path), "400k") == [69, 1, 1, 64, 64, 0, 0, 0]


def test_an_age_that_is_none_is_a_mistake(command: Command, simulator: Simulator) -> None:
    configure(command, simulator)
    assert command.run("status", "--max-age", "long").code == 64


def test_records_in_the_future_are_told_and_prove_nothing(command: Command, simulator: Simulator, sink: Sink) -> None:
    configure(command, simulator, channel("hook", sink))
    command.run("--check")
    age_the_polls(command, "+1400 days")
    code, out, _ = command.run("status")
    assert code == 69, "a poll of the future does not show that the source is watched"
    assert out.startswith("not checked since ")
    (line,) = (line for line in out.splitlines() if "in the future" in line)
    assert line.startswith("1 record lies in the future, up to 20")
    assert line.endswith(": the clock was wrong when it was made, or is wrong now")
    command.run("--check")
    code, out, _ = command.run("status")
    assert (code, out.startswith("healthy: ")) == (0, True)
    assert "1 record lies in the future" in out
