"""The whole judgement over recorded snapshots, with their own clock: what would have been announced, and when."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from watcher.catalog import poll
from watcher.catalog.model import Event
from watcher.catalog.policy import Policy
from watcher.catalog.poll import Outcome, Standing, Verdict
from watcher.catalog.reading import Snapshot, UnreadableError, read
from watcher.catalog.state import ModelState


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
    changed: Mapping[str, ModelState]
    """The models that are not as before."""
    reason: str | None = None
    """Why the capture was not believed."""
    problems: tuple[str, ...] = ()


class Replay:
    """Judges captures one after the other, keeping in memory what a store would keep."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.states: dict[str, ModelState] = {}
        self.standing = Standing()

    def run(self, captures: Iterable[Recorded]) -> Iterator[Step]:
        """Yield a step for each capture; the first that is believed is the baseline, and no news."""
        for capture in captures:
            try:
                snapshot = read([capture.body])
            except UnreadableError as error:
                yield self._take(capture.at, self._failure(capture.at, str(error)))
            else:
                yield self.judge(capture.at, snapshot)

    def judge(self, at: datetime, snapshot: Snapshot, *, trusted: bool = False) -> Step:
        """Judge what was shown at a time. `trusted`: it was believed before, so it is believed now."""
        verdict = poll.judge_list(
            self.states,
            snapshot,
            now=at,
            standing=self.standing,
            policy=self.policy,
            baseline=self.standing.last_good is None,
            witness=snapshot.total if trusted else None,
        )
        return self._take(at, verdict)

    def _failure(self, at: datetime, reason: str) -> Verdict:
        return poll.judge_failure(reason, now=at, standing=self.standing, policy=self.policy)

    def _take(self, at: datetime, verdict: Verdict) -> Step:
        self.standing = verdict.standing
        self.states |= verdict.judgement.states
        judged = verdict.judgement
        return Step(at, verdict.outcome, judged.events, judged.states, verdict.reason, verdict.problems)
