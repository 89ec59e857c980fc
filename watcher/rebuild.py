"""The past from recorded snapshots: what a store would hold had it watched all along.

The judgement depends on what came before, so a new piece of history is never patched in: all captures, those stored
and those new, are gone through once more in the order of their times. That is why pieces can come in any order, and
twice, with the same result.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from heapq import merge
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from watcher.catalog.model import Event, Facets
from watcher.catalog.reading import Entry, Snapshot, UnreadableError, read
from watcher.catalog.state import ModelState
from watcher.config.settings import Config
from watcher.replay import Recorded, Replay


class CaptureSeen(NamedTuple):
    """What one capture showed. `trusted`: it was believed before."""

    at: datetime
    snapshot: Snapshot
    trusted: bool


class Span(Struct):
    """A model as it was from `start` until `end` (None: until the last capture)."""

    model: str
    start: datetime
    end: datetime | None
    facets: Facets
    raw: bytes


class RebuiltHistory(Struct):
    """What the captures tell."""

    polls: list[tuple[datetime, int]]
    """Time and number of models of each capture that was believed."""
    spans: list[Span]
    events: list[Event]
    states: dict[str, ModelState]
    """Every model as after the last capture."""
    first_seen: dict[str, datetime]


def rebuild_history(captures: Iterable[CaptureSeen], config: Config, problems: list[str]) -> RebuiltHistory:
    """Return the history that captures, in the order of their times, tell.

    A capture that is not believed is left out; why goes to `problems`.
    """
    run = Replay(replace(config, channels=()))
    past = RebuiltHistory([], [], [], {}, {})
    open_spans: dict[str, Span] = {}
    for capture in captures:
        decision = run.judge(capture.at, capture.snapshot, trusted=capture.trusted)
        if decision.outcome != "good":
            problems.append(f"{capture.at:%Y-%m-%d %H:%M:%S}: not believed: {decision.reason}")
            continue
        problems += [f"{capture.at:%Y-%m-%d %H:%M:%S}: {problem}" for problem in decision.problems]
        past.polls.append((capture.at, capture.snapshot.total))
        past.events += [replace(event, marks=(*event.marks, "imported")) for event in decision.events]
        for model_id, state in decision.states.items():
            past.first_seen.setdefault(model_id, capture.at)
            span = open_spans.get(model_id)
            if span is not None and not (state.present and span.facets == state.model.facets):
                span.end = capture.at
                del open_spans[model_id]
                span = None
            if state.present and span is None:
                raw = capture.snapshot.entries[model_id].raw
                span = Span(model_id, capture.at, None, state.model.facets, raw)
                open_spans[model_id] = span
                past.spans.append(span)
    past.states = dict(run.known.states)
    return past


def in_order(
    stored: Iterator[CaptureSeen], recorded: Iterable[Recorded], before: datetime | None, problems: list[str]
) -> Iterator[CaptureSeen]:
    """Yield stored and new captures by time; a new one at a stored time, or not before `before`, is left out."""
    last: datetime | None = None
    for seen in merge(stored, _readable(recorded, before, problems), key=lambda seen: (seen.at, not seen.trusted)):
        if seen.at != last:
            yield seen
        last = seen.at


def _readable(recorded: Iterable[Recorded], before: datetime | None, problems: list[str]) -> Iterator[CaptureSeen]:
    late = 0
    for capture in recorded:
        if before is not None and capture.at >= before:
            late += 1
            continue
        try:
            yield CaptureSeen(capture.at, read([capture.body]), trusted=False)
        except UnreadableError as error:
            problems.append(f"{capture.at:%Y-%m-%d %H:%M:%S}: skipped: {error}")
    if late:
        problems.append(f"{late} captures left out: from {before:%Y-%m-%d %H:%M} on the watcher itself was watching")


def snapshots(spans: Iterable[Span], times: Iterable[tuple[datetime, int]]) -> Iterator[CaptureSeen]:
    """Yield the snapshot at each of the times, put together again from the spans.

    Args:
        spans: what was stored, by their start.
        times: time and number of models of each stored capture, in order.
    """
    waiting = sorted(spans, key=lambda span: span.start)
    there: dict[str, tuple[Span, Entry]] = {}
    position = 0
    for at, total in times:
        while position < len(waiting) and waiting[position].start <= at:
            span = waiting[position]
            there[span.model] = span, Entry(span.raw, repr((span.model, position)).encode())
            position += 1
        for model_id in [key for key, (span, _) in there.items() if span.end is not None and span.end <= at]:
            del there[model_id]
        yield CaptureSeen(at, Snapshot({key: entry for key, (_, entry) in there.items()}, total), trusted=True)
