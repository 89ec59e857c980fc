"""Feeds, metrics and badges of `watcher web` with 640 models and nine months of history, asked one after the other."""

import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from msgspec.structs import replace

from bench.pages import NOW, USUAL, fill
from watcher.config.load import load_config
from watcher.config.mine import MineSettings
from watcher.config.secret import DatabaseURL
from watcher.config.settings import Config, WebSettings
from watcher.web.feeds import ENTRIES, FEEDS
from watcher.web.server import WebServer

_TIMES = 100


def main() -> None:
    """Print the figures."""
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/w.db"
        fill(url, USUAL)
        config = load_config(None, {"HOME": "/nonexistent"})
        store, mine = replace(config.store, url=DatabaseURL(url)), MineSettings(models=("openai/*", "anthropic/*"))
        config = replace(config, web=WebSettings(listen="127.0.0.1:0"), store=store, mine=mine)
        with _serving(config) as client:
            pages = list(_pages(client))
        for path in FEEDS:
            with _serving(config) as client:  # which has no entry in memory
                for page in pages:
                    client.get(path + page)
                client.tell(f"{path}, {ENTRIES} entries", " (goal: 30)")
                etag = client.get(path)[1]
                client.times.clear()
                for _ in range(_TIMES):
                    assert client.get(path, if_none_match=etag or "")[0] == 304
                client.tell(f"{path}, a 304", " (goal: 5)")
        with _serving(config) as client:
            for path in ("/metrics", "/badge/openai/gpt-4o.svg", "/healthz"):
                for _ in range(_TIMES):
                    client.get(path)
                client.tell(path)


@contextmanager
def _serving(config: Config) -> Iterator["_Client"]:
    server = WebServer(config, clock=lambda: NOW)
    server.start()
    try:
        client = _Client(server.url)
        client.get("/healthz")
        client.times.clear()
        yield client
    finally:
        server.stop()


def _pages(client: "_Client") -> Iterator[str]:
    """Yield the query of each full page of the feed."""
    query = ""
    while following := json.loads(client.get(f"/feed.json{query}")[2]).get("next_url"):
        yield query
        query = f"?{urlsplit(following).query}"


class _Client:
    """A client that keeps its connection, and what its requests took: time, and processor time of client and server."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._connection = HTTPConnection(parts.hostname, parts.port)
        self.times: list[tuple[float, float]] = []

    def get(self, path: str, **headers: str) -> tuple[int, str | None, bytes]:
        """Return status, ETag and body."""
        began, worked = time.perf_counter(), time.process_time()
        self._connection.request(
            "GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )
        response = self._connection.getresponse()
        body = response.read()
        self.times.append(((time.perf_counter() - began) * 1000, (time.process_time() - worked) * 1000))
        return response.status, response.headers["etag"], body

    def tell(self, what: str, goal: str = "") -> None:
        """Print how long the requests took that came since the last time."""
        times, worked = zip(*self.times, strict=True)
        p95, processor = statistics.quantiles(times, n=20)[-1], statistics.median(worked)
        print(f"{what:<24} median {statistics.median(times):5.1f} ms, p95 {p95:5.1f}, processor {processor:4.1f}{goal}")
        self.times.clear()
