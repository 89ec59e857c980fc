"""The whole judgement over recorded snapshots, with their own clock: what would have been announced, and when."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from watcher.catalog import poll
from watcher.catalog.announce import Track
from watcher.catalog.model import Event
from watcher.catalog.policy import Policy
from watcher.catalog.poll import Outcome, Standing
from watcher.catalog.reading import Snapshot, UnreadableError, read


class Recorded(Protocol):
    """A response body and the time (UTC) it was captured at."""

    @property
    def at(self) -> datetime:
        """When."""

    @property
    def body(self) -> bytes:
        """What."""


class Step(Struct, frozen=True):
    """What one capture came to."""

    at: datetime
    outcome: Outcome
    events: tuple[Event, ...]
    reason: str | None = None
    """Why the capture was not believed."""
    problems: tuple[str, ...] = ()
    models: int = 0


class Replay:
    """Judges captures one after the other, keeping in memory what a store would keep."""

    def __init__(
        self, policy: Policy, tracks: dict[str, Track] | None = None, standing: Standing | None = None
    ) -> None:
        self.policy = policy
        self.tracks: dict[str, Track] = tracks or {}
        self.standing = standing or Standing()

    def run(self, captures: Iterable[Recorded]) -> Iterator[Step]:
        """Yield a step for each capture; the first that is believed is the baseline, and no news."""
        for capture in captures:
            yield self.judge(capture.at, capture.body)[0]

    def judge(self, at: datetime, body: bytes) -> tuple[Step, Snapshot | None]:
        """Judge one body, captured at a time, and return what it came to and what it showed."""
        snapshot: Snapshot | None = None
        try:
            snapshot = read([body])
        except UnreadableError as error:
            verdict = poll.judge_failure(str(error), now=at, standing=self.standing, policy=self.policy)
        else:
            verdict = poll.judge_list(
                self.tracks,
                snapshot,
                now=at,
                standing=self.standing,
                policy=self.policy,
                baseline=self.standing.last_good is None,
            )
        self.standing = verdict.standing
        self.tracks |= verdict.judgement.tracks
        total = snapshot.total if snapshot is not None else 0
        step = Step(at, verdict.outcome, verdict.events, verdict.reason, verdict.judgement.problems, total)
        return step, snapshot
