"""What a watcher should have announced of a recorded archive, worked out from the raw JSON by a definition of its own.

Nothing of the judged code is used here. The definition, for prices (those of `prompt` and `completion`):

- The *shown* prices of a model are those in the captures that have it; a capture without it says nothing about them.
- A move is *material* if it is at least 1 %, or to or from free, or to or from a price that varies.
- A *state* is a run of shown prices without a material move from the run's first price. It *lasts* if it holds
  12 hours of captures: from the first capture that shows it to the last one. A state that runs into the end of the
  archive before it is that old is *undecided*, and counts neither way.
- A *lasting change* is a lasting state that is materially different from the last lasting state before it (from
  the first shown one, if none lasted before): there and back is none, and drift adds up.
- An announcement *lasted* if the state that was shown at that time lasts, and says what was shown then.
- A lasting change is *announced* if, while its state holds, an event says its price; it is announced twice if two do.

`by_key` judges each of the two prices of a model as a thing of its own; else a state is the pair of both.

For presence: an absence is a run of captures without an id that was shown before. One of at least two captures must
give one `expired`, and one `returned` if it ends; one of a single capture must give nothing.
"""

import json
import tarfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from itertools import groupby
from pathlib import Path

KEYS = ("prompt", "completion")
LASTS = timedelta(hours=12)
_THRESHOLD = Decimal("0.01")
_DOUBLE = Context(prec=15)
"""The digits that a double holds: what is written beyond them is rounding."""

Prices = tuple[Decimal, ...]


@dataclass(frozen=True)
class Capture:
    """One response: when, and the prices of each model in it in the order of `KEYS` (-1: it varies)."""

    at: datetime
    prices: Mapping[str, Prices]


@dataclass(frozen=True)
class Said:
    """One event of the watcher that is judged; `prices` are the new ones it gave, by key."""

    at: datetime
    kind: str
    model: str
    prices: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass
class State:
    """One run of materially equal prices of one subject."""

    model: str
    keys: tuple[str, ...]
    price: Prices
    first: datetime
    last: datetime
    end: datetime | None = None
    """The first capture that showed another price."""

    @property
    def lasts(self) -> bool | None:
        """Whether it lasts; None if the archive ends too early to tell."""
        if self.last - self.first >= LASTS:
            return True
        return None if self.end is None else False


@dataclass
class Figures:
    """How far what was said is what should have been said; each list names the failures."""

    repriced: int = 0
    """Reprices said whose state is decided."""
    not_lasting: list[str] = field(default_factory=list)
    changes: int = 0
    """Lasting changes."""
    missed: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)

    @property
    def lasted(self) -> float:
        """The share of the reprices said that lasted."""
        return 1 - len(self.not_lasting) / self.repriced if self.repriced else 1.0

    @property
    def announced(self) -> float:
        """The share of the lasting changes that were said."""
        return 1 - len(self.missed) / self.changes if self.changes else 1.0


def captures(archive: Path) -> Iterator[tuple[datetime, bytes]]:
    """Yield the time and the body of each member of a tar, in the order of time as it stands in it."""
    with tarfile.open(archive, "r|*") as tar:
        for member in tar:
            if (file := tar.extractfile(member)) is not None:
                at = datetime.strptime(Path(member.name).stem, "%Y-%m-%dT%H-%M-%SZ").replace(tzinfo=UTC)
                yield at, file.read()


def capture(at: datetime, body: bytes) -> Capture:
    """Return what one body shows."""
    models = json.loads(body)["data"]
    return Capture(at, {model["id"]: tuple(_price(model["pricing"][key]) for key in KEYS) for model in models})


def _price(text: str) -> Decimal:
    return _DOUBLE.plus(Decimal(text))


def is_material(old: Prices, new: Prices) -> bool:
    """Whether one of the prices moved materially."""
    return any(_moved(*pair) for pair in zip(old, new, strict=True))


def _moved(old: Decimal, new: Decimal) -> bool:
    return old != new and (min(old, new) <= 0 or abs(new - old) >= _THRESHOLD * old)


def states(history: Sequence[Capture], *, by_key: bool = True) -> list[list[State]]:
    """Return the states of each subject, in order."""
    subjects = [(key,) for key in KEYS] if by_key else [KEYS]
    runs: dict[tuple[str, tuple[str, ...]], list[State]] = defaultdict(list)
    for shot in history:
        for model, both in shot.prices.items():
            for keys in subjects:
                price = tuple(both[KEYS.index(key)] for key in keys)
                known = runs[model, keys]
                if known and not is_material(known[-1].price, price):
                    known[-1].last = shot.at
                    continue
                if known:
                    known[-1].end = shot.at
                known.append(State(model, keys, price, shot.at, shot.at))
    return list(runs.values())


def measure_prices(history: Sequence[Capture], said: Iterable[Said], *, by_key: bool = True) -> Figures:
    """Compare the events with the lasting states of the prices."""
    events: dict[str, list[Said]] = defaultdict(list)
    for event in said:
        if event.prices:
            events[event.model].append(event)
    figures = Figures()
    for runs in states(history, by_key=by_key):
        about = [event for event in events[runs[0].model] if not event.prices.keys().isdisjoint(runs[0].keys)]
        _measure_said(runs, [event for event in about if event.kind == "repriced"], figures)
        _measure_changes(runs, about, figures)
    return figures


def _measure_said(runs: list[State], said: list[Said], figures: Figures) -> None:
    for event in said:
        state = next(state for state in reversed(runs) if state.first <= event.at)
        if not _says(event, state):
            figures.not_lasting.append(f"{event.at} {event.model} {dict(event.prices)} was not shown then: {state}")
        elif state.lasts is None:
            continue
        elif not state.lasts:
            figures.not_lasting.append(f"{event.at} {state}")
        figures.repriced += 1


def _measure_changes(runs: list[State], said: list[Said], figures: Figures) -> None:
    reference = runs[0].price
    for state in runs:
        if not state.lasts:
            continue
        if state is not runs[0] and is_material(reference, state.price):
            figures.changes += 1
            here = [e for e in said if state.first <= e.at and (state.end is None or e.at < state.end)]
            saying = [event for event in here if _says(event, state)]
            if not saying:
                figures.missed.append(str(state))
            if len(saying) > len(state.keys):
                figures.twice.append(str(state))
        if state is runs[0] or is_material(reference, state.price):
            reference = state.price


def _says(event: Said, state: State) -> bool:
    told = [
        (event.prices[key], price) for key, price in zip(state.keys, state.price, strict=True) if key in event.prices
    ]
    return not any(_moved(price, new) for new, price in told)


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
        if absence.captures >= 2:
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
