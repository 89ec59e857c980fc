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
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from testkit.archive import newest_models
from watcher.catalog.event import model_event
from watcher.catalog.model import Event, FieldChange, Model, PriceChange
from watcher.catalog.price import percent
from watcher.catalog.reading import normalise
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


if __name__ == "__main__":
    fill(f"sqlite:///{sys.argv[1]}", LONG if sys.argv[2] == "long" else USUAL)
