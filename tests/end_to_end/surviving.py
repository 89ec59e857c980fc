"""A check with news for several channels, which something happens to, and whether the promise was kept after all.

The promise: every event reaches every channel that wanted it; what comes twice had been accepted before, and is the
same message; the database is whole; and there is nothing more to announce.
"""

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from email import message_from_bytes, policy
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self
from unittest.mock import patch

from testkit.command import TOGETHER, CommandResult, clean_environment, run_here
from testkit.receivers import MailServer, Sink
from watcher.simulator import Simulator, built_in, story_scenes
from watcher.simulator.story import Story, StoryStep, appears, repriced, vanishes

ROOT = Path(__file__).parent.parent.parent
SECONDS = 120

NEWS = {
    ("new", "openai/gpt-5.2-codex"),
    ("repriced", "anthropic/claude-haiku-4.5"),
    ("repriced", "x-ai/grok-4"),
    ("expired", "qwen/qwen3-coder:free"),
}
"""What the second step of the story is worth built_in: kinds and models."""

CONFIG = """
[source]
url = "{source}"
[store]
url = "sqlite:///w.db"
[announce]
settle = "0s"
confirm_expired = 1
[delivery]
{delivery}
[[channels]]
name = "hook"
url_env = "HOOK"
[[channels]]
name = "mail"
url_env = "MAIL"
[[channels]]
name = "narrow"
url_env = "NARROW"
events = ["new", "expired"]
{more}
"""

DEAD = '[[channels]]\nname = "dead"\nurl = "json://127.0.0.1:9/"\n'
"""A channel that refuses everything."""


def story() -> Story:
    """All the news at once, then nothing more."""

    def change(models: list[dict[str, Any]]) -> list[dict[str, Any]]:
        models = appears("openai/gpt-5.2-codex", models)
        models = repriced("anthropic/claude-haiku-4.5", {"prompt": "0.8", "completion": "4"}, models)
        models = repriced("x-ai/grok-4", {"prompt": "4", "completion": "18"}, models)
        return vanishes("qwen/qwen3-coder:free".__eq__, models)

    start = datetime(2026, 1, 14, 15, tzinfo=UTC)
    first = partial(vanishes, "openai/gpt-5.2-codex".__eq__)
    steps = (StoryStep("first"), StoryStep("second", change))
    return Story("survival", start, lambda: first(built_in()), steps)


class Told(NamedTuple):
    """A message that a service accepted, whole."""

    events: tuple[str, ...]
    """Ids, shortened to what a mail quotes of them."""
    message_id: str | None


class World:
    """A source with news, a database that does not know them yet, and services that keep what they accept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sink = Sink()
        self.mail = MailServer()
        self.simulator = Simulator(story_scenes(story()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.simulator.close()
        self.mail.close()
        self.sink.close()

    def prepare(self, *, more: str = DEAD, delivery: str = "") -> None:
        """Make the database that others are copied from, and let the news happen."""
        template = self.case("template", fresh=True)
        text = CONFIG.format(source=self.simulator.url, delivery=delivery, more=more)
        (template.folder / "config.toml").write_text(text)
        ran = template.run("baseline")
        assert (ran.code, ran.out, ran.err) == (0, "", "")
        self.simulator.advance()

    def case(self, name: str, *, fresh: bool = False) -> "Case":
        """Return a watcher of its own, with a copy of the database; `fresh`: without one."""
        folder = self.folder / name
        folder.mkdir()
        template = self.folder / "template"
        if template != folder:
            shutil.copy(template / "config.toml", folder)
        if not fresh:
            shutil.copy(template / "w.db", folder)
        return Case(self, name, folder)

    def told(self, case: str, run: str) -> dict[str, list[Told]]:
        """Return what each channel accepted in a run, as far as it was whole."""
        told: dict[str, list[Told]] = {"hook": [], "narrow": [], "mail": []}
        for request in list(self.sink.requests):
            channel, _, where = request.path.strip("/").partition("/")
            if where.strip("/") == f"{case}/{run}":
                try:
                    events = json.loads(request.body)["events"]
                except ValueError:
                    continue  # the sender died in the middle of it
                told[channel].append(Told(tuple(sorted(event["id"][:8] for event in events)), None))
        for envelope in list(self.mail.envelopes):
            if envelope.rcpt_tos == [f"{run}@{case}.example"]:
                mail = message_from_bytes(envelope.content, policy=policy.default)
                part = mail.get_body(("plain",))
                assert part is not None
                found = re.search(r"ref ((?:[0-9a-f]{8} ?)+)", part.get_content())
                assert found is not None
                told["mail"].append(Told(tuple(sorted(found[1].split())), mail["Message-ID"]))
        return told


@dataclass
class Case:
    """One watcher; each of its runs sends to addresses of that run's own, so it is known who sent what."""

    world: World
    name: str
    folder: Path
    runs: list[str] = field(default_factory=list)

    @property
    def database(self) -> Path:
        return self.folder / "w.db"

    def environment(self, run: str) -> dict[str, str]:
        """Return the environment of a run, in which the channels' addresses stand."""
        if run not in self.runs:
            self.runs.append(run)
        mail, _, _ = self.world.mail.url.partition("&to=")
        return {
            **clean_environment(),
            "PYTHONDONTWRITEBYTECODE": "",
            "HOOK": f"json://{self.world.sink.address}/hook/{self.name}/{run}",
            "NARROW": f"json://{self.world.sink.address}/narrow/{self.name}/{run}",
            "MAIL": f"{mail}&to={run}@{self.name}.example",
        }

    def start(
        self, run: str, *, by: Sequence[str] = ("-m", "watcher"), env: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[str]":
        """Start a check; `by` are the interpreter's arguments that run the command."""
        return subprocess.Popen(
            [*TOGETHER, sys.executable, *by, "--check"],
            cwd=self.folder,
            env={**self.environment(run), **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, run: str, *, later: timedelta = timedelta(0), env: Mapping[str, str] | None = None) -> CommandResult:
        """Run a check in this process, by a clock that is so much ahead."""

        class Clock(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
                return datetime.now(tz) + later

        with patch("watcher.cli.check.datetime", Clock):
            return run_here(self.folder, "--check", env={**self.environment(run), **(env or {})})

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.database)) as connection:
            return connection.execute(query).fetchall()

    def deliveries(self) -> dict[tuple[str, str], str]:
        """Return the states of the deliveries, by channel and shortened id of the event."""
        rows = self.rows("SELECT channel, event, state FROM deliveries")
        states = {(channel, event[:8]): state for channel, event, state in rows}
        assert len(states) == len(rows), "one delivery for each event and channel"
        return states

    def assert_promise_kept(self, before: Mapping[tuple[str, str], str] | None = None) -> list[Told]:
        """Check what was stored and heard, and return the messages that came twice.

        `before`: the deliveries' states as the first run left them, where that is known.
        """
        runs = [self.world.told(self.name, run) for run in self.runs]
        events = {event[:8]: (kind, model) for event, kind, model in self.rows("SELECT id, kind, model FROM events")}
        news = {event: what for event, what in events.items() if what[0] not in SOURCE}
        assert sorted(news.values()) == sorted(NEWS), "each announced once"
        states = self.deliveries()
        repeats: list[Told] = []
        for channel in ("hook", "mail", "narrow"):
            wanted = {event for event, (kind, _) in news.items() if channel != "narrow" or kind in ("new", "expired")}
            assert {event for at, event in states if at == channel} == wanted
            assert {states[channel, event] for event in wanted} == {"sent"}
            accepted: list[Told] = []
            for told in (run[channel] for run in runs):
                for message in told:
                    if set(message.events) & set(ids(accepted)):
                        assert message in accepted, "a repeat is the same message"
                        repeats.append(message)
                        if before is not None:
                            assert {before[channel, event] for event in message.events} == {"pending"}
                assert len(ids(told)) == len(set(ids(told))), "one run says nothing twice"
                accepted += told
            assert set(ids(accepted)) == wanted, channel
            for event in wanted:
                if before is not None and before.get((channel, event)) == "sent":
                    assert event in ids(runs[0][channel]), "what is noted as sent was accepted"
        assert self.rows("PRAGMA integrity_check") == [("ok",)]
        assert self.rows("PRAGMA foreign_key_check") == []
        return repeats


def assert_nothing_to_announce(*cases: Case) -> None:
    """Check each once more: nothing is announced, and nobody hears anything."""
    for case in cases:
        before = case.rows("SELECT id FROM events ORDER BY id")
        ran = case.run("after")
        dead = any(channel == "dead" for channel, _ in case.deliveries())
        assert ran.code == (75 if dead else 0), ran.err
        assert case.rows("SELECT id FROM events ORDER BY id") == before
        assert case.world.told(case.name, "after") == {"hook": [], "narrow": [], "mail": []}


SOURCE = ("source_failing", "source_recovered", "catalog_suspect")


def ids(told: Iterable[Told]) -> list[str]:
    return [event for message in told for event in message.events]


def ended(process: "subprocess.Popen[str]") -> CommandResult:
    """Wait for a process, and return what it came to."""
    try:
        out, err = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    return CommandResult(process.returncode, out, err)
