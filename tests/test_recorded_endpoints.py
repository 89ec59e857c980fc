"""Recorded answers about the endpoints of all models: what is announced is true, and nothing that lasts is missed."""

import json
from collections import defaultdict
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from testkit.archive import model_archives
from watcher.catalog.decision import Fetched, Known
from watcher.catalog.endpoints import by_model, read_endpoints
from watcher.catalog.model import Event
from watcher.catalog.price import canonical
from watcher.catalog.pricing import price_of
from watcher.catalog.reading import read
from watcher.config.mine import MineSettings
from watcher.config.settings import Config, SourceSettings, StoreSettings
from watcher.decide import after, decide
from watcher.upstream.archive import read_archive

Shown = dict[str, list[dict[str, Any]]]


def judged(captures: list[tuple[Any, Shown]]) -> tuple[Known, list[Event]]:
    source = SourceSettings(rss=False, endpoints="mine")
    config = Config(None, source, StoreSettings("unused"), mine=MineSettings(models=("*",)))  # type: ignore[arg-type]
    known, told = Known(), list[Event]()
    for at, shown in captures:
        models = [{"id": model, "pricing": {"prompt": "0", "completion": "0"}} for model in shown]
        listed = read([json.dumps({"data": models}).encode()])
        answers = tuple(
            read_endpoints(model, json.dumps({"data": {"endpoints": endpoints}}).encode())
            for model, endpoints in shown.items()
        )
        # The list first, because only what it shows is asked about.
        for moment, fetched in ((at - timedelta(seconds=1), Fetched(listed)), (at, Fetched(listed, endpoints=answers))):
            decision = decide(known, fetched, config, moment)
            known = after(known, decision, moment)
            told += [event for event in decision.events if event.provider]
    return known, told


@pytest.mark.slow
@pytest.mark.skipif(not model_archives("endpoints"), reason="no recorded endpoints: set WATCHER_DATA to their folder")
def test_what_is_announced_over_recorded_endpoints_is_true_and_nothing_that_lasts_is_missed() -> None:
    archives = [read_archive(str(path)) for path in model_archives("endpoints")]
    captures = [(capture.at, json.loads(capture.body)["endpoints"]) for archive in archives for capture in archive]
    known, told = judged(captures)
    assert len(told) > 100

    # Each endpoint comes and goes by turns, and each new price starts from the one that was told before.
    by_endpoint = defaultdict(list)
    for event in told:
        by_endpoint[f"{event.model} {event.provider.tag}"].append(event)  # type: ignore[union-attr]
    for key, events in by_endpoint.items():
        presence = [event.kind for event in events if event.kind != "provider_repriced"]
        assert all(first != second for first, second in pairwise(presence)), key
        for first, second in pairwise(event.prices for event in events):
            assert all(first[price].new == second[price].old for price in first.keys() & second.keys()), key

    # A provider that only names its quantization is not told as gone.
    gone = {f"{event.model} {event.provider.tag}" for event in told if event.kind == "provider_gone" and event.provider}
    assert not [key for key in gone if any(f"{key}/{bits}" in known.endpoints for bits in ("fp8", "fp4"))]

    # What was so in the last four captures is what subscribers were told.
    states = by_model(known.endpoints)
    last, *before = [_prices(shown) for _, shown in reversed(captures[-4:])]
    for (model, tag), prices in last.items():
        if all(shown.get((model, tag)) == prices for shown in before):
            told_of = [
                state for state in states[model].values() if state.model.facets["tag"] == tag and state.announced
            ]
            assert sorted(price_of(state.announced_facets, "pricing.prompt") for state in told_of) == prices, (
                model,
                tag,
            )


def _prices(shown: Shown) -> dict[tuple[str, str], list[str]]:
    """Return the prices of each tag of each model: some tags come twice."""
    found = defaultdict(list)
    for model, endpoints in shown.items():
        for endpoint in endpoints:
            found[model, endpoint["tag"]].append(canonical(endpoint["pricing"]["prompt"]))
    return {key: sorted(prices) for key, prices in found.items()}
