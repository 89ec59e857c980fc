"""Run the daemon through weeks of its time in minutes: its clock advances whenever it is idle; its sockets are real.

In the source's story, each change either lasts and must be announced once, or does not last and must not be announced.
So the story alone gives the expected events. Source and services fail at random, and a seed makes that repeatable.

The daemon runs in its own process (`python -m testkit.soak …`), so that its memory can be measured.
"""

import json
import os
import random
import re
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from aiosmtpd.controller import Controller

from watcher.catalog.model import CHANGE_KINDS, Event
from watcher.simulator import Fault, Scene, Simulator, built_in
from watcher.store.store import Store

START = datetime(2026, 1, 14, 15, tzinfo=UTC)
INTERVAL = timedelta(minutes=5)
NEWS = 0.3
"""The share of steps with a change."""
QUIET = 450
"""Polls at the end without changes and faults: more than a day, so that the last digest comes."""
REST = 120
"""Polls for which a changed model stays the same: longer than a price takes to settle."""
EVERY = 100
"""Polls between two readings of the daemon's resources."""
WARM = 500
"""Polls after which the resources must not grow."""

OUTCOMES = "SELECT outcome, count(*) FROM polls GROUP BY outcome"

CONFIG = """
[source]
url = "{source}"
[store]
url = "sqlite:///{folder}/watcher.db"
[delivery]
timeout = "2s"
[announce]
damping = 1
[[channels]]
name = "hook"
url = "json://{hook}/hook"
events = ["*"]
[[channels]]
name = "digest"
url = "json://{hook}/digest"
events = ["*"]
digest = "daily 09:00"
[[channels]]
name = "narrow"
url = "json://{hook}/narrow"
events = ["new", "expired"]
models = ["soak/*"]
[[channels]]
name = "mail"
url = "{mail}"
events = ["*"]
"""


# The story


class Expected(NamedTuple):
    """An event that must be announced once: kind, model, and the new price per token or other value."""

    kind: str
    model: str
    value: str | None = None


class Story:
    """Scenes for the simulator in which something happens every few steps, to one model at a time."""

    def __init__(self, steps: int, seed: int) -> None:
        self.expected: Counter[Expected] = Counter()
        self.number = 0
        self._steps = steps
        self._dice = random.Random(seed)
        self._models = {model["id"]: {**model, "expiration_date": None} for model in built_in()}
        self._restless = [
            model["id"]
            for model in self._models.values()
            if not model["id"].startswith("~") and "overrides" not in model["pricing"] and _price(model) > 0
        ]
        self._first_price = {model_id: _price(self._models[model_id]) for model_id in self._restless}
        self._free_at = dict.fromkeys(self._restless, 0)
        self._later: dict[int, list[tuple[str, Mapping[str, Any] | None]]] = {}
        self._newcomers = 0

    @property
    def calm(self) -> bool:
        """Whether the story is over."""
        return self.number > self._steps - QUIET

    def __iter__(self) -> Iterator[Scene]:
        yield self._scene(list(self._models.values()))
        while True:
            yield self._next()

    def _scene(self, models: list[Mapping[str, Any]], fault: Fault | None = None) -> Scene:
        return Scene(self.number, "", START + self.number * INTERVAL, models, fault, default_output="all")

    def _next(self) -> Scene:
        self.number += 1
        for model_id, document in self._later.pop(self.number, []):
            if document is None:
                del self._models[model_id]
            else:
                self._models[model_id] = dict(document)
        if not self.calm and self.number > 2 and self._dice.random() < NEWS:
            self._happen()
        models = list(self._models.values())
        if self._dice.random() < 0.3:  # benchmarks change all the time
            models[0] = {**models[0], "benchmarks": {"arena_elo": self._dice.randint(900, 1500)}}
        fault = None if self.calm or self.number < 3 or self._dice.random() > 0.12 else self._fault()
        return self._scene(models, fault)

    def _happen(self) -> None:
        idle = [model_id for model_id, free_at in self._free_at.items() if free_at <= self.number]
        if not idle:
            return
        model_id = self._dice.choice(idle)
        model = self._models[model_id]
        self._free_at[model_id] = self.number + REST
        match self._dice.choice(("reprice", "flap", "flap", "vanish", "blink", "new", "context", "nothing")):
            case "reprice":
                changed = self._repriced(model)
                self._models[model_id] = changed
                self.expected[Expected("repriced", model_id, changed["pricing"]["prompt"])] += 1
            case "flap":
                self._models[model_id] = self._repriced(model)
                self._then(self._dice.randint(1, 20), model_id, model)
            case "vanish":
                del self._models[model_id]
                self._then(self._dice.randint(20, 60), model_id, model)
                self.expected[Expected("expired", model_id)] += 1
                self.expected[Expected("returned", model_id)] += 1
            case "blink":
                del self._models[model_id]
                self._then(1, model_id, model)
            case "new":
                self._newcomers += 1
                newcomer = {**model, "id": f"soak/new-{self._newcomers}", "name": f"Soak: New {self._newcomers}"}
                newcomer["canonical_slug"] = newcomer["id"]
                self._models[newcomer["id"]] = newcomer
                self._then(self._dice.randint(40, 90), newcomer["id"], None)
                self.expected[Expected("new", newcomer["id"])] += 1
                self.expected[Expected("expired", newcomer["id"])] += 1
            case "context":
                length = model["context_length"] + 1000 * self._dice.randint(1, 50)
                self._models[model_id] = {**model, "context_length": length}
                self.expected[Expected("changed", model_id, str(length))] += 1

    def _then(self, steps: int, model_id: str, document: Mapping[str, Any] | None) -> None:
        self._later.setdefault(self.number + steps, []).append((model_id, document))

    def _repriced(self, model: Mapping[str, Any]) -> dict[str, Any]:
        first = self._first_price[model["id"]]
        prices = {format(first * factor, ".12f").rstrip("0") for factor in (0.5, 0.8, 1.0, 1.25, 2.0)}
        price = self._dice.choice(sorted(prices - {model["pricing"]["prompt"]}))
        return {**model, "pricing": {**model["pricing"], "prompt": price}}

    def _fault(self) -> Fault:
        name = self._dice.choice(("500", "503", "429", "cut", "html", "wrong-type", "empty", "short", "duplicates"))
        asked = {"retry_after": str(self._dice.choice((1, 120, 900)))} if name in ("429", "503") else {}
        return Fault.named(name, **asked)


def _price(model: Mapping[str, Any]) -> float:
    return float(model["pricing"].get("prompt", "0"))


# The services


class Services:
    """A web server and a mail server. They refuse some messages, and take some without saying so."""

    def __init__(self, seed: int) -> None:
        self.calm = False
        self.sure: dict[str, Counter[str]] = {}
        """Channel → id (for mail its first part) → how often it was taken with a positive answer."""
        self.unsure: dict[str, Counter[str]] = {}
        self.refused = 0
        self._dice = random.Random(seed)
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self._mail = Controller(self, hostname="127.0.0.1", port=_free_port())
        self._mail.start()
        self.mail_url = (
            f"mailto://127.0.0.1:{self._mail.port}?mode=insecure&smtp=127.0.0.1"
            "&from=watcher@example.org&to=ann@example.org"
        )

    def mood(self) -> str:
        """Return what happens to the next message."""
        with self._lock:
            if self.calm:
                return "take"
            weights = {"take": 84, "refuse": 5, "ask": 3, "hang up": 3, "take and hang up": 3, "linger": 2}
            return self._dice.choices(list(weights), list(weights.values()))[0]

    def take(self, channel: str, ids: Sequence[str], *, confirmed: bool) -> None:
        """Record a taken message, and whether the sender got a positive answer."""
        with self._lock:
            (self.sure if confirmed else self.unsure).setdefault(channel, Counter()).update(ids)

    def _handler(services) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                channel, ids = self.path.strip("/"), [event["id"] for event in body["events"]]
                mood = services.mood()
                if mood in ("take", "linger"):
                    time.sleep(0.2 if mood == "linger" else 0)
                    services.take(channel, ids, confirmed=True)
                    self._say(200)
                elif mood in ("refuse", "ask"):
                    services.refused += 1
                    self._say(500 if mood == "refuse" else 429)
                else:
                    if mood == "take and hang up":
                        services.take(channel, ids, confirmed=False)
                    else:
                        services.refused += 1
                    self.close_connection = True

            def _say(self, status: int) -> None:
                self.send_response(status)
                if status == 429:
                    self.send_header("Retry-After", "7")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Take a mail, refuse it, or take it and answer with an error."""
        mail = message_from_bytes(envelope.content, policy=policy.default)
        part = mail.get_body(("plain",))  # type: ignore[attr-defined]
        found = re.search(r"ref ((?:[0-9a-f]{8} ?)+)", part.get_content())
        assert found is not None
        mood = self.mood()
        if mood == "take and hang up":
            self.take("mail", found[1].split(), confirmed=False)
            return "451 4.3.0 something went wrong"
        if mood in ("take", "linger"):
            self.take("mail", found[1].split(), confirmed=True)
            return "250 OK"
        self.refused += 1
        return "451 4.3.0 try again"

    def close(self) -> None:
        """Stop both servers."""
        self._server.shutdown()
        self._server.server_close()
        self._mail.stop()


def _free_port() -> int:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


# The outcome


class Reading(NamedTuple):
    """The daemon's resources after a number of polls: bytes of memory, open files, threads."""

    polls: int
    rss: int
    files: int
    threads: int


class Outcome(NamedTuple):
    """The result of a soak."""

    readings: list[Reading]
    seconds: float
    cpu: float
    polls: Counter[str]
    """Outcome → number of polls."""
    events: int
    messages: int
    refused: int
    mistakes: list[str]

    @property
    def growth(self) -> int:
        """The largest growth of memory after the first `WARM` polls, in bytes."""
        return max(reading.rss for reading in self._warm) - self._warm[0].rss

    @property
    def drift(self) -> float:
        """The median memory of the last third of the readings minus that of the first third, in bytes."""
        third = max(1, len(self._warm) // 3)
        parts = self._warm[:third], self._warm[-third:]
        before, after = (statistics.median(reading.rss for reading in part) for part in parts)
        return after - before

    @property
    def _warm(self) -> list[Reading]:
        return [reading for reading in self.readings if reading.polls >= min(WARM, self.readings[-1].polls // 2)]

    @property
    def most_files(self) -> int:
        """The largest growth of the number of open files after the first `WARM` polls."""
        return max(reading.files for reading in self._warm) - self._warm[0].files


def soak(folder: Path, polls: int, seed: int) -> Outcome:
    """Run the daemon for a number of polls, and return its resources and its mistakes."""
    story, services = Story(polls, seed), Services(seed)
    with Simulator(story) as simulator:
        config = folder / "config.toml"
        config.write_text(
            CONFIG.format(source=simulator.url, folder=folder, hook=services.address, mail=services.mail_url)
        )
        config.chmod(0o600)
        command = [sys.executable, "-m", "testkit.soak", str(config), simulator.origin, str(polls), str(seed)]
        began = time.monotonic()
        readings: list[Reading] = []
        log = folder / "log"  # a pipe would fill up, because nobody reads it before the end
        with (
            log.open("w") as errors,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
        ):
            assert process.stdout is not None
            for line in process.stdout:
                readings.append(Reading(**json.loads(line)))
                services.calm = story.calm
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"the daemon ended with {process.returncode}: {log.read_text()[-2000:]}")
    services.close()
    with Store.open(f"sqlite:///{folder}/watcher.db") as store, store.reading() as session:
        events = session.history.events()
        pending = session.outbox.pending()
        outcomes = Counter(dict(iter(session.connection.exec_driver_sql(OUTCOMES).tuples())))
    return Outcome(
        readings,
        time.monotonic() - began,
        usage.ru_utime + usage.ru_stime,
        outcomes,
        len(events),
        sum(sum(taken.values()) for taken in services.sure.values()),
        services.refused,
        [*_untrue(story.expected, events), *_missed(services, events, pending)],
    )


def _untrue(expected: Counter[Expected], events: Sequence[Event]) -> Iterator[str]:
    """Yield a line for each event that is wrongly announced or missing."""
    announced = Counter(_as_expected(event) for event in events if event.kind in CHANGE_KINDS)
    for what, count in (announced - expected).items():
        yield f"announced {count} times too often: {what}"
    for what, count in (expected - announced).items():
        yield f"announced {count} times too seldom: {what}"


def _as_expected(event: Event) -> Expected:
    value = None
    if event.kind == "repriced":
        value = event.prices["prompt"].new
    elif event.kind == "changed":
        value = str(event.fields["context_length"].new) if "context_length" in event.fields else str(event.fields)
    return Expected(event.kind, event.model or "*", value)


def _missed(services: Services, events: Sequence[Event], pending: Mapping[str, int]) -> Iterator[str]:
    """Yield a line for each event that a channel missed, did not want, or got again after it had taken it."""
    every = {event.id for event in events}
    narrow = {e.id for e in events if e.kind in ("new", "expired") and (e.model or "").startswith("soak/")}
    wanted = {"hook": every, "digest": every, "narrow": narrow, "mail": {one[:8] for one in every}}
    for channel, ids in wanted.items():
        sure = services.sure.get(channel, Counter())
        if channel in pending:
            yield f"{channel}: {pending[channel]} still wait"
        for one in sorted(ids - sure.keys()):
            yield f"{channel}: {one} never arrived"
        for one in sorted(sure.keys() - ids):
            yield f"{channel}: {one} was not asked for"
        for one, times in sure.items():
            if times > 1:
                yield f"{channel}: {one} arrived {times} times"


# The daemon's process


def _daemon(config_path: str, control: str, polls: int, seed: int) -> None:
    from functools import partial

    from watcher.config import load_config
    from watcher.daemon.clock import Clock
    from watcher.daemon.health_ping import Pings
    from watcher.daemon.main import Daemon
    from watcher.daemon.setup import Setup
    from watcher.daemon.systemd import Notify
    from watcher.delivery.channel import send
    from watcher.messages.template import compose_for
    from watcher.upstream.client import Client
    from watcher.upstream.transport import RetryClock

    dice = random.Random(seed)

    class Source(Client):
        """A client that takes the next step of the story before each request of the list."""

        def models(self) -> Any:
            nonlocal polled
            polled += 1
            urllib.request.urlopen(urllib.request.Request(f"{control}/simulator/advance", method="POST")).read()
            return super().models()

    def load() -> Setup:
        config = load_config(Path(config_path), {})
        timeout = config.delivery.timeout.total_seconds()
        clock = RetryClock(sleep=lambda _seconds: None, random=dice.random)
        source = Source(config.source.url.reveal(), config.source.query, clock=clock)
        return Setup(
            config,
            source,
            Store(config.store.url.reveal()),
            lambda channel, events: send(
                channel.secret_url({}), partial(compose_for, channel), events, timeout=timeout
            ),
        )

    class HurryingClock(Clock):
        """A clock that jumps to the next due time when all threads of the daemon wait."""

        def __init__(self) -> None:
            self.seconds = 0.0
            self.waiting: dict[threading.Event, float] = {}
            self.changing = threading.Lock()

        def now(self) -> datetime:
            return START + timedelta(seconds=self.seconds)

        def elapsed(self) -> float:
            return self.seconds

        def awake(self) -> float:
            return self.seconds

        def wait(self, event: threading.Event, seconds: float) -> None:
            with self.changing:
                self.waiting[event] = self.seconds + seconds
                if len(self.waiting) == 3 and not any(waits.is_set() for waits in self.waiting):
                    take_reading()
                    self.seconds = max(self.seconds, min(self.waiting.values()))
                    for waits, until in self.waiting.items():
                        if until <= self.seconds:
                            waits.set()
            event.wait()
            with self.changing:
                del self.waiting[event]

    def take_reading() -> None:
        nonlocal last_reading
        if polled >= last_reading + EVERY:
            last_reading = polled
            print(json.dumps(_reading(polled)._asdict()), flush=True)
            if dice.random() < 0.2:
                daemon.reload()
        if polled >= polls:
            daemon.stop()

    polled, last_reading = 0, 0
    daemon = Daemon(load, Notify({}), Pings({}, print), HurryingClock(), dice=dice.random)
    daemon.run()


def _reading(polls: int) -> Reading:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    files = len(list(Path("/proc/self/fd").iterdir())) - 1
    return Reading(polls, pages * os.sysconf("SC_PAGE_SIZE"), files, threading.active_count())


def main(polls: int = 10_000, seed: int = 1) -> None:
    """Print the daemon's resources and its mistakes."""
    with TemporaryDirectory() as name:
        outcome = soak(Path(name), polls, seed)
    first, last = outcome.readings[0], outcome.readings[-1]
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(outcome.polls.items()))
    print(f"{polls:,} polls in {outcome.seconds:.0f} s ({outcome.cpu:.0f} s of CPU): {kinds}")
    print(f"{outcome.events:,} events; {outcome.messages:,} taken by channels, {outcome.refused:,} messages refused")
    print(f"memory: {first.rss / 1e6:.1f} MB after {first.polls:,} polls, {last.rss / 1e6:.1f} MB at the end")
    print(f"after {WARM:,} polls: {outcome.growth / 1e6:+.1f} MB at most, {outcome.drift / 1e6:+.1f} MB in the median")
    print(f"open files: {first.files} → {last.files}, threads: {first.threads} → {last.threads}")
    for mistake in outcome.mistakes[:20]:
        print(f"WRONG: {mistake}")
    print(f"{len(outcome.mistakes)} mistakes")


if __name__ == "__main__":
    _daemon(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
