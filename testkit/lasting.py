"""What a watcher should have announced of a recorded archive, worked out from the raw JSON by a definition of its own.

Nothing of the judged code is used here, and nothing depends on how far apart the captures are. For prices (those of
`prompt` and `completion`, as a pair):

- The *shown* prices of a model are those in the captures that have it; a capture without it says nothing about them.
- A move is *material* if it is at least 1%, or to or from free, or to or from a price that varies.
- A *state* is a run of shown prices without a material move from the run's first price. It *lasts* if it holds
  12 hours (or what is asked for) of captures: from the first capture that shows it to the last one. A state that runs
  into the end of the archive before it is that old is *undecided*, and counts neither way.
- A *lasting change* is a lasting state that is materially different (or by at least the share that is asked for) from
  the last lasting state before it (from the first shown one, if none lasted before): there and back is none, and drift
  adds up.
- The *known* prices of a model are those that the events said last, at first those that were shown first.
- An announcement *lasted* if the state that was shown at that time lasts, and says what was shown then. Its *delay*
  begins with the first capture of that state. It says a thing *twice* if it says only what was known before it.
- A lasting change is *announced* if its price is the known one when the state ends.

For presence: an absence is a run of captures without an id that was shown before. One of at least two captures, or
after more than six hours without a capture, must give one `expired`, and one `returned` if it ends; any other must give
nothing. No id may come and go so often that it would have to be damped.

A *rollout* is a capture in which 20 models and 10% of the list begin to state prices under conditions. Those prices
did not rise: no reprice may tell of them alone.
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
"""The digits that a double holds: what is written beyond them is rounding."""

Prices = tuple[Decimal, ...]


class Recorded(NamedTuple):
    """The time (UTC) and the body of one response."""

    at: datetime
    body: bytes


@dataclass(frozen=True)
class Capture:
    """What one response shows: the prices of each model in the order of `KEYS` (-1: it varies)."""

    at: datetime
    prices: Mapping[str, Prices]
    conditional: frozenset[str] = frozenset()
    """The models that state prices under conditions."""


@dataclass(frozen=True)
class Said:
    """One event of the watcher that is judged; `prices` are the new ones of `KEYS` that it gave."""

    at: datetime
    kind: str
    model: str
    prices: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass
class State:
    """One run of materially equal prices of one model."""

    model: str
    price: Prices
    first: datetime
    last: datetime
    end: datetime | None = None
    """The first capture that showed another price."""

    def lasts(self, long: timedelta) -> bool | None:
        """Whether it holds that long; None if the archive ends too early to tell."""
        if self.last - self.first >= long:
            return True
        return None if self.end is None else False


@dataclass
class Figures:
    """How far what was said is what should have been said; each list of lines names the failures."""

    repriced: int = 0
    """Reprices said whose state is decided."""
    not_lasting: list[str] = field(default_factory=list)
    changes: int = 0
    """Lasting changes."""
    missed: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    delays: list[timedelta] = field(default_factory=list)

    @property
    def lasted(self) -> float:
        """The share of the reprices said that lasted."""
        return 1 - len(self.not_lasting) / self.repriced if self.repriced else 1.0

    @property
    def announced(self) -> float:
        """The share of the lasting changes that were said."""
        return 1 - len(self.missed) / self.changes if self.changes else 1.0


def captures(archive: Path) -> Iterator[Recorded]:
    """Yield the members of a tar, in the order of time as it stands in it."""
    with tarfile.open(archive, "r|*") as tar:
        for member in tar:
            if (file := tar.extractfile(member)) is not None:
                at = datetime.strptime(Path(member.name).stem, "%Y-%m-%dT%H-%M-%SZ").replace(tzinfo=UTC)
                yield Recorded(at, file.read())


def capture(at: datetime, body: bytes) -> Capture:
    """Return what one body shows."""
    pricing = {model["id"]: model["pricing"] for model in json.loads(body)["data"]}
    shown = {model: tuple(_price(prices[key]) for key in KEYS) for model, prices in pricing.items()}
    return Capture(at, shown, frozenset(model for model, prices in pricing.items() if prices.get("overrides")))


def cadence(history: Sequence[Capture]) -> timedelta:
    """Return the usual time from a capture to the next."""
    return median(later.at - earlier.at for earlier, later in pairwise(history))


def _price(text: str) -> Decimal:
    return _DOUBLE.plus(Decimal(text))


def is_material(old: Prices, new: Prices, share: Decimal = MATERIAL) -> bool:
    """Whether one of the prices moved by at least that share, or to or from free."""
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
    history: Sequence[Capture], said: Iterable[Said], *, lasts: timedelta = LASTS, share: Decimal = MATERIAL
) -> Figures:
    """Compare the events with the states that last that long and, for lasting changes, differ by that share."""
    events: dict[str, list[Said]] = defaultdict(list)
    for event in said:
        if event.prices:
            events[event.model].append(event)
    figures = Figures()
    for runs in states(history):
        about = events[runs[0].model]
        _measure_said(runs, about, lasts, figures)
        _measure_changes(runs, about, lasts, share, figures)
    return figures


def _measure_said(runs: list[State], said: list[Said], lasts: timedelta, figures: Figures) -> None:
    known = runs[0].price
    for event in said:
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


def _measure_changes(runs: list[State], said: list[Said], lasts: timedelta, share: Decimal, figures: Figures) -> None:
    reference = runs[0].price
    for state in runs[1:]:
        if not state.lasts(lasts) or not is_material(reference, state.price, share):
            continue
        reference = state.price
        figures.changes += 1
        known = runs[0].price
        for event in said:
            if state.end is None or event.at < state.end:
                known = _known_after(known, event)
        if is_material(state.price, known):
            figures.missed.append(f"{state}, known {known}")


def _known_after(known: Prices, event: Said) -> Prices:
    return tuple(event.prices.get(key, price) for key, price in zip(KEYS, known, strict=True))


def measure_rollouts(history: Sequence[Capture], said: Iterable[Said]) -> list[str]:
    """Return a line for each reprice that tells within a day of a rollout of nothing but what it began to state."""
    begun: dict[str, datetime] = {}
    stated = history[0].conditional
    for earlier, later in pairwise(history):
        fresh = later.conditional & earlier.prices.keys() - stated
        stated |= later.conditional
        if len(fresh) >= 20 and 10 * len(fresh) >= len(later.prices):
            begun |= dict.fromkeys(fresh, later.at)
    return [
        f"{event.at} {event.model}"
        for event in said
        if event.kind == "repriced" and not event.prices and event.model in begun
        if begun[event.model] <= event.at <= begun[event.model] + 24 * HOUR
    ]


@dataclass(frozen=True)
class Absence:
    """A run of captures without an id that had been there."""

    model: str
    captures: int
    first: datetime
    before: datetime
    """The last capture that had it."""
    back: datetime | None
    """The first capture that had it again."""


def absences(history: Sequence[Capture]) -> list[Absence]:
    """Return every absence, in the order of models."""
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
    """Return the ids that the first capture does not have."""
    return {model for shot in history for model in shot.prices} - history[0].prices.keys()


def measure_presence(history: Sequence[Capture], said: Iterable[Said]) -> list[str]:
    """Return a line for each difference between the events on presence and what they should have been."""
    expected: dict[tuple[str, str], int] = defaultdict(int)
    for model in newcomers(history):
        expected["new", model] = 1
    for absence in absences(history):
        if absence.captures >= 2 or absence.first - absence.before > _RARE:
            expected["expired", absence.model] += 1
            expected["returned", absence.model] += absence.back is not None
    actual: dict[tuple[str, str], int] = defaultdict(int)
    for event in said:
        if event.kind in ("new", "expired", "returned"):
            actual[event.kind, event.model] += 1
    return [
        f"{kind} {model}: {actual[kind, model]}, should be {expected[kind, model]}"
        for kind, model in sorted(expected.keys() | actual.keys())
        if actual[kind, model] != expected[kind, model]
    ]
