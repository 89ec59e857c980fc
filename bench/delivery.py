"""Measure how channels that hang or fail delay the others: 1,000 events to 50 channels, of which 5 hang and 5 fail.

The same is measured with the 40 good channels alone. The services are HTTP and mail servers in this process. The sender
runs in its own process, so that its memory and its interpreter lock are separate.
"""

import json
import statistics
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from bench.measure import run
from testkit.receivers import MailServer

EVENTS, MAILS, HOOKS, HANGING, FAILING = 1_000, 5, 35, 5, 5
DEADLINE = 10.0
"""Seconds after which a channel that hangs is cut off."""


class DrainRun(NamedTuple):
    """The cost of one run: seconds until the good channels have everything, seconds until the end, MiB, commits."""

    good: float
    all: float
    peak: float
    commits: int
    deliveries: int


class Services:
    """Servers that record what arrives: channels at `/good` answer, `/fail` refuse, `/hang` never answer."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.heard: list[tuple[float, str, int]] = []
        services = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                kind = self.path.split("/")[1]
                if kind == "good":
                    services.heard.append((time.monotonic(), self.path, body.count(b'"since"')))
                if kind == "hang":
                    services.over.wait()
                    self.close_connection = True
                    return
                self.send_response(500 if kind == "fail" else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        class Post(MailServer):
            async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's
                services.heard.append((time.monotonic(), envelope.rcpt_tos[0], 0))
                return "250 OK"

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.post = Post()

    def urls(self, bad: bool) -> dict[str, str]:
        """Return the channels' addresses by name."""
        web = f"json://127.0.0.1:{self.server.server_port}"
        mail = self.post.url.partition("&to=")[0]
        found = {f"good-{n}": f"{web}/good/{n}" for n in range(HOOKS)}
        found |= {f"mail-{n}": f"{mail}&to=mail-{n}@example.org" for n in range(MAILS)}
        if bad:
            # They come first, which is the worst case: their sending starts before all others.
            failing = {f"fail-{n}": f"{web}/fail/{n}" for n in range(FAILING)}
            found = {f"hang-{n}": f"{web}/hang/{n}" for n in range(HANGING)} | failing | found
        return found

    def close(self) -> None:
        self.over.set()
        self.server.shutdown()
        self.server.server_close()
        self.post.close()


def main(rounds: int = 5) -> None:
    """Print medians, and the ratio of the two."""
    alone: list[DrainRun] = []
    mixed: list[DrainRun] = []
    for _ in range(rounds):
        alone.append(_drained(bad=False))
        mixed.append(_drained(bad=True))
    print(
        f"{EVENTS:,} events to {HOOKS} web hooks and {MAILS} mailboxes, alone and beside {HANGING} channels that hang"
        f" (cut off after {DEADLINE:g} s) and {FAILING} that fail; median of {rounds} runs each, in turn"
    )
    print(f"{'':<10}{'good have all s':>16}{'over s':>9}{'peak MiB':>10}{'commits':>9}{'a delivery':>12}")
    for name, runs in (("alone", alone), ("mixed", mixed)):
        good, over, peak, commits, deliveries = (statistics.median(column) for column in zip(*runs, strict=True))
        print(f"{name:<10}{good:>16.2f}{over:>9.2f}{peak:>10.1f}{commits:>9.0f}{commits / deliveries:>12.4f}")
    ratio = statistics.median(a.good / b.good for a, b in zip(mixed, alone, strict=True))
    print(f"time until the good ones have everything, mixed against alone: {ratio:.2f} (goal 1.2)")


def _drained(*, bad: bool) -> DrainRun:
    services = Services()
    try:
        with TemporaryDirectory() as name:
            folder = Path(name)
            channels = services.urls(bad)
            (folder / "channels.json").write_text(json.dumps(channels))
            subprocess.run([sys.executable, "-m", "bench.delivery", "fill", name], check=True)
            took = run([sys.executable, "-m", "bench.delivery", "send", name], Path.cwd())
            begin, end, commits = json.loads((folder / "result.json").read_text())
    finally:
        services.close()
    arrived: dict[str, int] = {}
    for _, where, count in services.heard:
        arrived[where] = arrived.get(where, 0) + count
    hooks = [count for where, count in arrived.items() if where.startswith("/good")]
    if len(arrived) != HOOKS + MAILS or any(count != EVENTS for count in hooks):
        raise RuntimeError(f"not every good channel has everything: {arrived}")
    last = max(at for at, _, _ in services.heard)
    return DrainRun(last - begin, end - begin, took.peak, commits, EVENTS * len(channels))


# The sender


def _config(folder: Path) -> Any:
    from datetime import timedelta

    from watcher.config.secret import DatabaseURL, Secret
    from watcher.config.settings import Channel, Config, DeliverySettings, SourceSettings, StoreSettings

    channels = tuple(
        Channel(name, Secret(url)) for name, url in json.loads((folder / "channels.json").read_text()).items()
    )
    store = StoreSettings(DatabaseURL(f"sqlite:///{folder}/w.db"))
    delivery = DeliverySettings(timeout=timedelta(seconds=DEADLINE))
    return Config(None, SourceSettings(), store, channels=channels, delivery=delivery)


def _events(now: datetime) -> list[Any]:
    from watcher.catalog.model import Event, Offer, PriceChange

    offer = Offer(context_length=200_000, prices={"prompt": "0.000003", "completion": "0.000015"})
    change = {"prompt": PriceChange("0.000004", "0.000003", "-25%")}
    return [
        Event(
            id=f"{n:016x}",
            kind="repriced" if n % 2 else "new",
            model=f"author-{n % 40}/model-{n}",
            name=f"Author {n % 40}: Model {n}",
            at=now,
            since=now,
            url=f"https://openrouter.ai/author-{n % 40}/model-{n}",
            direction="down" if n % 2 else None,
            prices=change if n % 2 else {},
            offer=offer,
        )
        for n in range(EVENTS)
    ]


def _fill(folder: Path) -> None:
    from watcher.rules.routing import route
    from watcher.store.store import Store

    now = datetime.now(UTC)
    config, events = _config(folder), _events(now)
    with Store.open(config.store.url.reveal()) as store, store.writing() as session:
        session.state.add_events(events)
        session.outbox.add(route(config.channels, events, {}, now)[0], now)


def _send(folder: Path) -> None:
    from sqlalchemy import event

    from watcher.cli.setup import sender
    from watcher.delivery.outbox import drain
    from watcher.store.store import Store

    config = _config(folder)
    commits: list[object] = []
    with Store.open(config.store.url.reveal()) as store:
        event.listen(store._opened()[1], "commit", commits.append)
        begin = time.monotonic()
        drain(store, config, sender(config), clock=lambda: datetime.now(UTC))
        end = time.monotonic()
    (folder / "result.json").write_text(json.dumps([begin, end, len(commits)]))


if __name__ == "__main__":
    {"fill": _fill, "send": _send}[sys.argv[1]](Path(sys.argv[2]))
