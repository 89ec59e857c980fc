"""The judgement on four weeks of recorded captures, against figures worked out from the raw JSON alone."""

import os
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from bench import lasting
from tests.catalog.history import World
from watcher.catalog.model import DEFAULT_KINDS, Event
from watcher.catalog.price import VARIES

DATA = Path(os.environ.get("WATCHER_DATA") or Path(__file__).parents[3] / "shared" / "data")
ARCHIVES = sorted(DATA.glob("*.tar.xz"))

pytestmark = pytest.mark.skipif(not ARCHIVES, reason=f"no recorded captures in {DATA}")


class Recorded:
    """One run over the archive: the captures as they are, and the events they made."""

    def __init__(self, archive: Path) -> None:
        self.captures: list[lasting.Capture] = []
        world = World()
        for at, body in lasting.captures(archive):
            self.captures.append(lasting.capture(at, body))
            world = world.read(at, body)
        self.events = world.events
        self.outcomes = Counter(verdict.outcome for verdict in world.verdicts)
        self.said = [_said(event) for event in world.events if event.model is not None]


def _said(event: Event) -> lasting.Said:
    prices = {key: event.prices[key].new for key in lasting.KEYS if key in event.prices}
    numbers = {key: Decimal(-1 if new == VARIES else new) for key, new in prices.items() if new is not None}
    return lasting.Said(event.at, event.kind, event.model or "", numbers)


@pytest.fixture(scope="module", params=ARCHIVES, ids=lambda path: path.name)
def recorded(request: pytest.FixtureRequest) -> Recorded:
    return Recorded(request.param)


@pytest.mark.parametrize("by_key", [True, False], ids=["each price", "the pair of prices"])
def test_reprices_are_of_states_that_last_and_nearly_all_that_last_are_told_once(
    recorded: Recorded, by_key: bool
) -> None:
    figures = lasting.measure_prices(recorded.captures, recorded.said, by_key=by_key)
    print(
        f"{figures.repriced} told, {figures.lasted:.2%} lasted; {figures.changes} lasted, {figures.announced:.2%} told"
    )
    print(*figures.not_lasting, *figures.missed, sep="\n")
    assert figures.changes > 0
    assert figures.lasted >= 0.95, figures.not_lasting
    assert figures.announced >= 0.98, figures.missed
    assert not figures.twice


def test_absences_of_two_captures_are_told_and_those_of_one_are_not(recorded: Recorded) -> None:
    assert lasting.measure_presence(recorded.captures, recorded.said) == []


def test_the_archive_makes_few_events(recorded: Recorded) -> None:
    kinds = Counter(event.kind for event in recorded.events)
    print(kinds, recorded.outcomes)
    assert sum(kinds[kind] for kind in DEFAULT_KINDS) < 125
    assert kinds.total() < 250


def test_every_recorded_capture_is_believed(recorded: Recorded) -> None:
    assert recorded.outcomes.keys() == {"good"}
