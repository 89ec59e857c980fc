"""Compute from raw JSON what a watcher should announce of a recorded archive.

This module uses none of the measured code, and its definitions do not depend on the time between captures. For prices
(the pair of `prompt` and `completion`):

- The *shown* prices of a model are those in captures that have the model.
- A move is *material* if it is at least 1%, or to or from free, or to or from a price that varies.
- A *state* is a run of shown prices without a material move from the first price of the run. It *lasts* if the time
  from its first to its last capture is at least 12 hours (or another given time). It is *undecided*, and not counted,
  if the archive ends before that.
- A *lasting change* is a lasting state that differs materially (or by a given share) from the lasting state before it,
  or from the first shown state. So a price that returns is no change, and drift adds up.
- The *known* prices of a model are the last announced ones, at first the first shown ones.
- An announcement *lasted* if it gives the state that was shown at its time, and that state lasts. Its *delay* starts
  with the first capture of the state. It is *repeated* if it gives only known prices.
- A lasting change is *announced* if its price is known when its state ends.

An absence is a run of captures without an id that was shown before. If it has at least two captures, or comes after
more than six hours without a capture, it must give one `expired`, and one `returned` if it ends. Other absences must
give nothing. No id may come and go so often that damping applies.

A *rollout* is a capture in which 20 models and 10% of the list begin to state prices under conditions. Those prices did
not rise, so no reprice may be about them alone.
"""

import json
import tarfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from itertools import groupby, pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple

KEYS = ("prompt", "completion")
HOUR = timedelta(hours=1)
LASTS = 12 * HOUR
MATERIAL = Decimal("0.01")
_RARE = 6 * HOUR
_DOUBLE = Context(prec=15)
"""A double has 15 digits; later digits come from rounding."""

Prices = tuple[Decimal, ...]


class RecordedResponse(NamedTuple):
    """The time (UTC) and the body of one recorded response."""

    at: datetime
    body: bytes


@dataclass(frozen=True)
class Capture:
    """The prices of each model in one response, in the order of `KEYS` (-1: the price varies)."""

    at: datetime
    prices: Mapping[str, Prices]
    conditional: frozenset[str] = frozenset()
    """Models that state prices under conditions."""


@dataclass(frozen=True)
class Announcement:
    """One event of the measured watcher; `prices` are its new prices of `KEYS`."""

    at: datetime
    kind: str
    model: str
    prices: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass
class State:
    """A run of materially equal prices of one model."""

    model: str
    price: Prices
    first: datetime
    last: datetime
    end: datetime | None = None
    """The first capture with another price."""

    def lasts(self, long: timedelta) -> bool | None:
        """Whether the state lasts that long; None if the archive ends too early."""
        if self.last - self.first >= long:
            return True
        return None if self.end is None else False


@dataclass
class Figures:
    """How well the announcements match the archive. Each list of lines names failures."""

    repriced: int = 0
    """Announced reprices with a decided state."""
    not_lasting: list[str] = field(default_factory=list)
    changes: int = 0
    """The number of lasting changes."""
    missed: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    delays: list[timedelta] = field(default_factory=list)

    @property
    def lasted(self) -> float:
        """The share of the announced reprices that lasted."""
        return 1 - len(self.not_lasting) / self.repriced if self.repriced else 1.0

    @property
    def announced(self) -> float:
        """The share of the lasting changes that were announced."""
        return 1 - len(self.missed) / self.changes if self.changes else 1.0


def captures(archive: Path) -> Iterator[RecordedResponse]:
    """Yield the members of a tar in their order, which is that of time."""
    with tarfile.open(archive, "r|*") as tar:
        for member in tar:
            if (file := tar.extractfile(member)) is not None:
                at = datetime.strptime(Path(member.name).stem, "%Y-%m-%dT%H-%M-%SZ").replace(tzinfo=UTC)
                yield RecordedResponse(at, file.read())


def capture(at: datetime, body: bytes) -> Capture:
    """Return the prices in one body."""
    pricing = {model["id"]: model["pricing"] for model in json.loads(body)["data"]}
    shown = {model: tuple(_price(prices[key]) for key in KEYS) for model, prices in pricing.items()}
    return Capture(at, shown, frozenset(model for model, prices in pricing.items() if prices.get("overrides")))


def cadence(history: Sequence[Capture]) -> timedelta:
    """Return the median time between two captures."""
    return median(later.at - earlier.at for earlier, later in pairwise(history))


def _price(text: str) -> Decimal:
    return _DOUBLE.plus(Decimal(text))


def is_material(old: Prices, new: Prices, share: Decimal = MATERIAL) -> bool:
    """Whether a price moved by at least that share, or to or from free."""
    return any(_moved(*pair, share) for pair in zip(old, new, strict=True))


def _moved(old: Decimal, new: Decimal, share: Decimal = MATERIAL) -> bool:
    return old != new and (min(old, new) <= 0 or abs(new - old) >= share * old)


def states(history: Sequence[Capture]) -> list[list[State]]:
    """Return the states of each model, in order."""
    runs: dict[str, list[State]] = defaultdict(list)
    for shot in history:
        for model, price in shot.prices.items():
            known = runs[model]
            if known and not is_material(known[-1].price, price):
                known[-1].last = shot.at
                continue
            if known:
                known[-1].end = shot.at
            known.append(State(model, price, shot.at, shot.at))
    return list(runs.values())


def measure_prices(
    history: Sequence[Capture],
    announcements: Iterable[Announcement],
    *,
    lasts: timedelta = LASTS,
    share: Decimal = MATERIAL,
) -> Figures:
    """Compare the events with the states that last that long; lasting changes must differ by that share."""
    events: dict[str, list[Announcement]] = defaultdict(list)
    for event in announcements:
        if event.prices:
            events[event.model].append(event)
    figures = Figures()
    for runs in states(history):
        about = events[runs[0].model]
        _measure_reprices(runs, about, lasts, figures)
        _measure_changes(runs, about, lasts, share, figures)
    return figures


def _measure_reprices(runs: list[State], announcements: list[Announcement], lasts: timedelta, figures: Figures) -> None:
    known = runs[0].price
    for event in announcements:
        before, known = known, _known_after(known, event)
        if event.kind != "repriced":
            continue
        if not is_material(before, known):
            figures.twice.append(f"{event.at} {event.model} {dict(event.prices)}")
        state = next(state for state in reversed(runs) if state.first <= event.at)
        figures.delays.append(event.at - state.first)
        if is_material(state.price, _known_after(state.price, event)):
            figures.not_lasting.append(f"{event.at} {event.model} {dict(event.prices)} was not shown then: {state}")
        elif state.lasts(lasts) is None:
            continue
        elif not state.lasts(lasts):
            figures.not_lasting.append(f"{event.at} {state}")
        figures.repriced += 1


def _measure_changes(
    runs: list[State], announcements: list[Announcement], lasts: timedelta, share: Decimal, figures: Figures
) -> None:
    reference = runs[0].price
    for state in runs[1:]:
        if not state.lasts(lasts) or not is_material(reference, state.price, share):
            continue
        reference = state.price
        figures.changes += 1
        known = runs[0].price
        for event in announcements:
            if state.end is None or event.at < state.end:
                known = _known_after(known, event)
        if is_material(state.price, known):
            figures.missed.append(f"{state}, known {known}")


def _known_after(known: Prices, event: Announcement) -> Prices:
    return tuple(event.prices.get(key, price) for key, price in zip(KEYS, known, strict=True))


def measure_rollouts(history: Sequence[Capture], announcements: Iterable[Announcement]) -> list[str]:
    """Return a line for each reprice, within a day of a rollout, that is only about the rolled-out prices."""
    begun: dict[str, datetime] = {}
    stated = history[0].conditional
    for earlier, later in pairwise(history):
        fresh = later.conditional & earlier.prices.keys() - stated
        stated |= later.conditional
        if len(fresh) >= 20 and 10 * len(fresh) >= len(later.prices):
            begun |= dict.fromkeys(fresh, later.at)
    return [
        f"{event.at} {event.model}"
        for event in announcements
        if event.kind == "repriced" and not event.prices and event.model in begun
        if begun[event.model] <= event.at <= begun[event.model] + 24 * HOUR
    ]


@dataclass(frozen=True)
class Absence:
    """A run of captures without an id that was shown before."""

    model: str
    captures: int
    first: datetime
    before: datetime
    """The last capture with the id before."""
    back: datetime | None
    """The first capture with the id again."""


def absences(history: Sequence[Capture]) -> list[Absence]:
    """Return every absence, ordered by model."""
    found = []
    for model in sorted({model for shot in history for model in shot.prices}):
        there = [(shot.at, model in shot.prices) for shot in history]
        runs = [(present, [at for at, _ in run]) for present, run in groupby(there, key=lambda pair: pair[1])]
        for number, (present, times) in enumerate(runs):
            if not present and number > 0:
                back = runs[number + 1][1][0] if number + 1 < len(runs) else None
                found.append(Absence(model, len(times), times[0], runs[number - 1][1][-1], back))
    return found


def newcomers(history: Sequence[Capture]) -> set[str]:
    """Return the ids that are missing from the first capture."""
    return {model for shot in history for model in shot.prices} - history[0].prices.keys()


def measure_presence(history: Sequence[Capture], announcements: Iterable[Announcement]) -> list[str]:
    """Return a line for each presence event that is missing or wrong."""
    expected: dict[tuple[str, str], int] = defaultdict(int)
    for model in newcomers(history):
        expected["new", model] = 1
    for absence in absences(history):
        if absence.captures >= 2 or absence.first - absence.before > _RARE:
            expected["expired", absence.model] += 1
            expected["returned", absence.model] += absence.back is not None
    actual: dict[tuple[str, str], int] = defaultdict(int)
    for event in announcements:
        if event.kind in ("new", "expired", "returned"):
            actual[event.kind, event.model] += 1
    return [
        f"{kind} {model}: {actual[kind, model]}, should be {expected[kind, model]}"
        for kind, model in sorted(expected.keys() | actual.keys())
        if actual[kind, model] != expected[kind, model]
    ]
