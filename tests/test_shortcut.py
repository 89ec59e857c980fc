"""The shortcut of an unchanged check changes nothing: with it and without it, all is the same."""

import random
import shutil
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.store.samples import HOUR, MINUTE, body, document
from tests.test_cycle import World, contents, many
from watcher.catalog.decision import Known
from watcher.catalog.model import KINDS, Event
from watcher.config.clock import DIGEST
from watcher.config.settings import Channel, Rules, Timing
from watcher.delivery.channel import Result
from watcher.delivery.outbox import drain
from watcher.store.records import Poll
from watcher.store.store import Store

SENT = Result(True, "sent")
FAILED = Result(False, "HTTP 500", status=500)
UNKNOWN = Result(False, "no answer in time")
REFUSED = Result(False, "HTTP 404", status=404)
"""With all events refused for good."""


class Counting(Store):
    """A store that counts how often the shortcut was taken."""

    taken = 0

    def glance(self, now: datetime, unchanged: Callable[[Known], Poll | None]) -> Poll | None:
        recorded = super().glance(now, unchanged)
        self.taken += recorded is not None
        return recorded


class Thorough(Store):
    """A store without the shortcut."""

    def glance(self, now: datetime, unchanged: Callable[[Known], Poll | None]) -> None:
        return None


def changed_somehow(shown: list[dict[str, Any]], dice: random.Random) -> list[dict[str, Any]]:
    """Another list: mostly one that means the same, sometimes one that does not."""
    at = dice.randrange(len(shown))
    moved: dict[str, Any] = dice.choice(
        [
            *[{"benchmarks": {"elo": dice.randrange(100)}}] * 6,
            *[{"x_extra": None}, {"supported_parameters": dice.sample(["tools", "stop"], 2)}] * 2,
            {"description": dice.choice(["long", "short"])},
            {"pricing": {"prompt": dice.choice(["0.000001", "0.000002"]), "completion": "0.000004"}},
            {"expiration_date": dice.choice([None, "2026-01-06", "2026-02-01"])},
            {"context_length": dice.choice([1000, 2000])},
        ]
    )
    listed = [*shown[:at], {**shown[at], **moved}, *shown[at + 1 :]]
    if dice.random() < 0.1 and len(listed) > 6:
        del listed[at]
    if dice.random() < 0.1:
        listed.append(document(f"a/new-{dice.randrange(10**9)}"))
    dice.shuffle(listed)
    return listed


def step(world: World, shown: Any, fed: Any, after: timedelta, result: Result) -> tuple[Any, ...]:
    """Poll and send, and return all that came of it."""
    world.shown, world.fed = shown, fed
    report = world.check(after)

    def send(_channel: Channel, events: Sequence[Event]) -> Result:
        return replace(result, refused=tuple(event.id for event in events)) if result is REFUSED else result

    sent = drain(world.store, world.config, send, clock=lambda: world.now, jitter=lambda: 0.5)
    attempts = sorted(sent, key=lambda attempt: attempt.channel)  # channels are served side by side
    poll = replace(report.poll, milliseconds=0)
    rows = contents(world.store)
    decision = report.decision
    came = poll, decision.events, decision.deliveries, decision.problems, report.not_before
    return came, attempts, rows


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 12))])
def test_with_and_without_it_all_is_the_same(seed: int, empty: Path, tmp_path: Path) -> None:
    dice = random.Random(seed)
    worlds = []
    for kind in (Counting, Thorough):
        world = World(kind.open(f"sqlite:///{shutil.copy(empty, tmp_path / kind.__name__)}"))
        world.channels(team=Rules(events=KINDS), daily=Rules(events=KINDS))
        team, daily = world.config.channels
        team = replace(team, timing=Timing(alive=DIGEST.parse("daily 09:00")))
        daily = replace(daily, timing=Timing(digest=DIGEST.parse("daily 20:00")))
        source = replace(world.config.source, rss=True)
        world.config = replace(world.config, channels=(team, daily), source=source)
        world.settle(settle=3 * HOUR, settle_changed=3 * HOUR)
        worlds.append(world)
    shown, fed = many(9), ["many/m0"]
    for _ in range(60):
        after = dice.choice([*[5 * MINUTE] * 4, 40 * MINUTE, 4 * HOUR, 30 * HOUR, -2 * HOUR])
        says = dice.choice([*[(body(shown),)] * 12, "it is down", "it is overloaded"])
        result = dice.choice([SENT, SENT, FAILED, UNKNOWN, REFUSED])
        quick, thorough = (step(world, says, fed, after, result) for world in worlds)
        assert quick == thorough
        if dice.random() < 0.4:
            shown = changed_somehow(shown, dice)
        if dice.random() < 0.05:
            fed = [*fed, f"fed/f{dice.randrange(10**9)}"]
    assert worlds[0].store.taken >= 3, "the shortcut was taken"
    for world in worlds:
        world.store.close()
