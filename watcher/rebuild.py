"""Rebuilding the past from recorded snapshots: what a store would hold had the watcher run all along.

Each decision depends on those before it, so new captures cannot simply be added. All captures, stored and new, are
judged once more in the order of their times. So they can be imported in any order, and twice, with the same result.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from datetime import datetime
from heapq import merge
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from watcher.catalog.decision import Fetched
from watcher.catalog.model import Event
from watcher.catalog.reading import Entry, Snapshot, UnreadableError, read
from watcher.catalog.state import ModelState
from watcher.config.settings import Config
from watcher.replay import Replay
from watcher.store.documents import split_benchmarks
from watcher.store.history import Version

if TYPE_CHECKING:
    from watcher.upstream.archive.members import Capture


class CaptureSeen(NamedTuple):
    """The list of one capture. `trusted`: it was believed before."""

    at: datetime
    snapshot: Snapshot
    trusted: bool


class RebuiltHistory(Struct):
    """The history that follows from captures."""

    polls: list[tuple[datetime, int]]
    """Time and number of models of each capture that was believed."""
    versions: list[Version]
    """Those that were there in the last capture still are."""
    events: list[Event]
    states: dict[str, ModelState]
    """Every model as after the last capture."""
    first_seen: dict[str, datetime]
    benchmarked: dict[str, tuple[datetime, bytes]]
    """The last document of each model that had benchmarks, and its time."""


def rebuild_history(captures: Iterable[CaptureSeen], config: Config, problems: list[str]) -> RebuiltHistory:
    """Return the history that follows from captures in the order of their times.

    A capture that is not believed is left out; the reason is added to `problems`.
    """
    run = Replay(replace(config, channels=()))
    history = RebuiltHistory([], [], [], {}, {}, {})
    current: dict[str, Version] = {}
    for capture in captures:
        count = capture.snapshot.total if capture.trusted else None  # confirms it
        decision = run.decide(capture.at, Fetched(capture.snapshot, count=count))
        if decision.outcome != "good":
            problems.append(f"{capture.at:%Y-%m-%d %H:%M:%S}: not believed: {decision.reason}")
            continue
        problems += [f"{capture.at:%Y-%m-%d %H:%M:%S}: {problem}" for problem in decision.problems]
        history.polls.append((capture.at, capture.snapshot.total))
        for model_id, listed in capture.snapshot.entries.items():
            if b'"benchmarks"' in listed.raw:
                history.benchmarked[model_id] = capture.at, listed.raw
        history.events += [replace(event, marks=(*event.marks, "imported")) for event in decision.events]
        for model_id, state in decision.states.items():
            history.first_seen.setdefault(model_id, capture.at)
            version, entry = current.get(model_id), capture.snapshot.entries.get(model_id)
            raw = None if entry is None else split_benchmarks(entry.raw)[0]
            if version is not None:
                if state.present and version.model == state.model and raw in (None, version.raw):
                    continue
                history.versions.append(replace(current.pop(model_id), valid_to=capture.at))
            if state.present:
                assert raw is not None
                current[model_id] = Version(state.model, capture.at, None, raw)
    history.versions += current.values()
    history.states = dict(run.known.states)
    return history


def in_order(
    stored: Iterator[CaptureSeen], recorded: Iterable["Capture"], before: datetime | None, problems: list[str]
) -> Iterator[CaptureSeen]:
    """Yield stored and new captures by time; a new one at a stored time, or not before `before`, is left out."""
    merged = merge(stored, _readable(recorded, before, problems), key=lambda seen: (seen.at, not seen.trusted))
    for _, same in groupby(merged, key=lambda seen: seen.at):
        yield next(same)


def _readable(recorded: Iterable["Capture"], before: datetime | None, problems: list[str]) -> Iterator[CaptureSeen]:
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


def snapshots(versions: Iterable[Version], times: Iterable[tuple[datetime, int]]) -> Iterator[CaptureSeen]:
    """Yield the stored snapshots again; `times` has time and number of models of each, in order."""
    waiting = deque(sorted(versions, key=lambda version: version.valid_from))
    present: dict[str, tuple[datetime | None, Entry]] = {}
    for at, total in times:
        while waiting and waiting[0].valid_from <= at:
            version = waiting.popleft()
            id = version.model.id
            present[id] = version.valid_to, Entry(version.raw, repr((id, len(waiting))).encode())
        present = {id: (end, entry) for id, (end, entry) in present.items() if end is None or end > at}
        yield CaptureSeen(at, Snapshot({key: entry for key, (_, entry) in present.items()}, total), trusted=True)
