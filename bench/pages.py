"""The pages of `watcher web`: bytes over the wire with all that they load, time to answer, memory of `watcher run`.

Two histories: 640 models over nine months, and ten years with 6,000 models in 500,000 versions.
"""

import gzip
import re
import statistics
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from itertools import pairwise
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from bench.web import serve_api, serving
from testkit.archive import newest_models
from testkit.command import Running, Watcher
from watcher.catalog.event import model_event
from watcher.catalog.model import Event, FieldChange, Model, PriceChange
from watcher.catalog.price import percent
from watcher.catalog.reading import normalise
from watcher.simulator import Scene, Simulator
from watcher.store.documents import pack
from watcher.store.schema import events, models, polls, versions
from watcher.store.store import Store

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
USUAL = (640, 120, 20_000, 4_000, timedelta(days=270))
"""Models that are there and that are gone, versions, events, and how long it has been watched."""
LONG = (6_000, 2_000, 500_000, 150_000, timedelta(days=3650))


def fill(url: str, size: tuple[int, int, int, int, timedelta]) -> None:
    """Write a history of this size into a new database."""
    there, gone, many, announced, span = size
    dice, start = Random(1), NOW - span
    documents = list({one["id"]: one for one in newest_models(2 * (there + gone))}.values())[: there + gone]
    with Store.open(url) as store, store.writing() as session:
        run = session.connection.execute
        every = span / 3000
        run(polls.insert(), [{"at": start + n * every, "outcome": "good", "models": there, "events": 0,
                              "milliseconds": 300, "imported": False} for n in range(3001)])  # fmt: skip
        rows: list[dict[str, Any]] = []
        news: list[Event] = []
        for number, document in enumerate(documents):
            model = normalise(msgspec.json.encode(document), NOW).model
            present = number < there
            first = start + dice.random() * span * 0.5
            last = None if present else first + dice.random() * (NOW - first)
            run(models.insert().values(id=model.id, name=model.name, first_seen=first, last_seen=last, present=present,
                                       since=last or first, listed=True, announced=present, digest=b""))  # fmt: skip
            # A few models are restless, and have hundreds of versions.
            count = max(1, round(dice.paretovariate(1.1) * many / (there + gone) / 6))
            count = min(count, 4000, many - len(rows) - (len(documents) - number))
            moments = sorted(first + dice.random() * ((last or NOW) - first) for _ in range(count - 1))
            raw = pack(document)
            ends = [*moments, last]
            price = model.facets.get("pricing.prompt", "0")
            for at, end in zip([first, *moments], ends, strict=True):
                old, price = price, f"{dice.randrange(1, 90) / 1e7:.7f}"
                facets = {**model.facets, "pricing.prompt": price}
                rows.append({"model": model.id, "valid_from": at, "valid_to": end, "facets": pack(facets), "raw": raw})
                if len(news) < announced - gone and old not in ("varies", "?"):
                    change = {"prompt": PriceChange(old, price, percent(old, price))}
                    way = "up" if float(price) > float(old) else "down"
                    news.append(model_event("repriced", Model(model.id, facets), at, at, prices=change, direction=way))
            if last is not None:
                news.append(model_event("expired", model, last, last))
            elif number % 50 == 0:
                field = {"expiration_date": FieldChange(None, "2026-12-24")}
                news.append(model_event("expiring", model, NOW, NOW, fields=field, days_left=28))
        dice.shuffle(rows)
        for at in range(0, len(rows), 10_000):
            run(versions.insert(), rows[at : at + 10_000])
        run(events.insert().prefix_with("OR IGNORE"), [
            {"id": one.id, "at": one.at, "kind": one.kind, "model": one.model, "body": pack(one), "imported": False}
            for one in news
        ])  # fmt: skip
        print(f"{len(documents):,} models, {len(rows):,} versions, {len(news):,} events", file=sys.stderr)


def main() -> None:
    """Print the figures."""
    with TemporaryDirectory() as name:
        for title, size, goal in (("nine months", USUAL, 50), ("ten years", LONG, 100)):
            url = f"sqlite:///{name}/{title[:3]}.db"
            fill(url, size)
            with Store.open(url) as store, store.reading() as session:
                ids = Random(2).sample(sorted(session.history.names()), 40)
            with serving(serve_api, url) as origin:
                _print_pages(origin, title, ids, goal)
        _print_memory(Path(name), ids)


def _addresses(ids: Sequence[str]) -> dict[str, list[str]]:
    """Return addresses of each page that are all asked for once."""
    quoted = [quote(id, safe="/:~") for id in ids]
    kinds = ("new", "expired,new,expiring", "repriced&direction=down", "repriced&size=50", "new&free=1", "changed")
    sorts = ("prompt", "-prompt", "context", "created", "-changed")
    return {
        "changes": ["/", *(f"/?model={id}" for id in quoted), *(f"/?kind={kind}" for kind in kinds)],
        "models": ["/models", *(f"/models?q={id[:7]}" for id in quoted), *(f"/models?sort={sort}" for sort in sorts)],
        "model": [f"/model/{id}" for id in quoted],
        "gone": ["/gone", *(f"/gone?q={id[:5]}" for id in quoted)],
        "compare": [f"/compare?model={one}&model={other}" for one, other in pairwise(quoted)],
        "status": ["/status"] * 40,
    }


def _print_pages(origin: str, title: str, ids: Sequence[str], goal: int) -> None:
    client = _Client(origin)
    client.get("/models")  # which reads all models
    for page, addresses in _addresses(ids).items():
        times, largest = [], 0
        for address in addresses:
            began = time.perf_counter()
            body = client.get(address)
            times.append((time.perf_counter() - began) * 1000)
            loaded = re.findall(r'(?:src|href)="([^"]*/static/[^"]*)"', gzip.decompress(body).decode())
            largest = max(largest, len(body) + sum(len(client.get(each)) for each in set(loaded)))
        p95 = statistics.quantiles(times, n=20)[-1]
        print(f"{title:<12} {page:<8} median {statistics.median(times):6.1f} ms, p95 {p95:6.1f} ms (goal: {goal}), "
              f"{largest / 1000:5.1f} kB with what it loads (goal: 60)")  # fmt: skip
    times = []
    for _ in range(100):
        began = time.perf_counter()
        client.get("/models", known=True)
        times.append((time.perf_counter() - began) * 1000)
    print(f"{title:<12} 304      median {statistics.median(times):6.1f} ms (goal: 5)")


def _print_memory(folder: Path, ids: Sequence[str]) -> None:
    scene = Scene(0, "", datetime.now(UTC), newest_models(USUAL[0]), default_output="all")
    with Simulator([scene]) as simulator:
        watcher = Watcher(folder)
        web = '[web]\nlisten = "127.0.0.1:0"\n'
        watcher.configure(f'[source]\nurl = "{simulator.url}"\n[store]\nurl = "sqlite:///nin.db"\n{web}')
        running = Running(watcher, "--verbose", "run", env={"MALLOC_ARENA_MAX": "1"})
        try:
            found = re.search(r"http://\S+?(?=/api/v1)", running.says("serving "))
            assert found is not None
            client = _Client(found[0])
            addresses = [each for some in _addresses(ids).values() for each in some]
            for number in range(1000):
                client.get(addresses[number % len(addresses)], missing=True)
            status = Path(f"/proc/{running.pid}/status").read_text()
            resident = int(status.partition("VmRSS:")[2].split()[0]) / 1000
            print(f"watcher run after 1,000 requests: {resident:.0f} MB (goal: 100)")
        finally:
            running.stops()


class _Client:
    """A browser that keeps its connection."""

    def __init__(self, origin: str) -> None:
        parts = urlsplit(origin)
        assert parts.hostname is not None
        self._connection = HTTPConnection(parts.hostname, parts.port, timeout=60)
        self._etags: dict[str, str] = {}

    def get(self, path: str, *, known: bool = False, missing: bool = False) -> bytes:
        """Return the body as it came, compressed; with `known` it must not come again."""
        condition = {"If-None-Match": self._etags[path]} if known else {}
        self._connection.request("GET", path, headers={"Accept-Encoding": "gzip", **condition})
        response = self._connection.getresponse()
        body = response.read()
        allowed = (304,) if known else (200, 404) if missing else (200,)
        assert response.status in allowed, (path, response.status, body[:300])
        self._etags[path] = response.headers["etag"] or ""
        return body if response.headers["content-encoding"] == "gzip" else gzip.compress(body)
