"""The health of the source: polls that failed or were refused, and the events about them, each announced once."""

from datetime import datetime, timedelta

from msgspec import Struct, field
from msgspec.structs import replace

from watcher.catalog.event import source_event
from watcher.catalog.gaps import Gaps, describe
from watcher.catalog.guard import Refusal
from watcher.catalog.model import Event
from watcher.catalog.policy import Policy


class Health(Struct, frozen=True):
    """What is remembered of polls that were not good. `failing_since` and `suspect_since` are None when all is well."""

    failures: int = 0
    failing_since: datetime | None = None
    announced_failing: bool = field(default=False, name="told_failing")
    suspects: int = 0
    """Refused polls in a row that agree with each other."""
    suspect_since: datetime | None = None
    suspect_gone: tuple[str, ...] = ()
    """The models that the last refused list lacked."""
    reason: str | None = None
    """Why the last poll was not good."""
    gaps: Gaps = Gaps()
    """What could not be read at the last good poll."""

    @property
    def quiet(self) -> bool:
        """Whether the last poll was good, and no recovery is to be announced."""
        return self.failing_since is None and self.suspect_since is None


_Change = tuple[Health, tuple[Event, ...]]


def failed(health: Health, now: datetime, reason: str, policy: Policy) -> _Change:
    """Return the health after a failed poll, and `source_failing` after `failing_polls` of them."""
    since = health.failing_since or now
    failures = health.failures + 1
    after = replace(health, failures=failures, failing_since=since, suspects=0, reason=reason)
    if health.announced_failing or failures < policy.failing_polls:
        return after, ()
    detail = f"It could not be read for {failures} polls in a row: {reason}"
    return replace(after, announced_failing=True), (source_event("source_failing", now, since, detail),)


def suspected(health: Health, now: datetime, refusal: Refusal, policy: Policy, *, fresh: bool = True) -> _Change:
    """Return the health after a refused poll, and `catalog_suspect` for the first since a poll was believed."""
    reason = refusal.reason
    after = replace(
        health,
        # A list that contradicts itself agrees with none.
        suspects=agreeing(health, refusal, policy, fresh=fresh) if refusal.gone else 0,
        suspect_since=health.suspect_since or now,
        suspect_gone=tuple(sorted(refusal.gone)),
        reason=reason,
    )
    if not health.announced_failing:  # the source could be read, so failures are not in a row across this poll
        after = replace(after, failures=0, failing_since=None)
    event = source_event("catalog_suspect", now, now, f"A poll was refused: {reason}. Nothing was taken from it.")
    return after, () if health.suspect_since else (event,)


def agreeing(health: Health, refusal: Refusal, policy: Policy, *, fresh: bool = True) -> int:
    """Return how many polls in a row, this one included, lack the same models, give or take `max_gone_models`.

    A poll that is not `fresh` adds nothing to those before.
    """
    others = refusal.gone.symmetric_difference(health.suspect_gone)
    before = health.suspects if len(others) <= policy.max_gone_models else 0
    return before + 1 if fresh or not before else before


def recovered(health: Health, now: datetime) -> _Change:
    """Return the health after a good poll, and `source_recovered` if the source was announced as failing."""
    well = Health(gaps=health.gaps)
    if not health.announced_failing or health.failing_since is None:
        return well, ()
    outage = _duration(now - health.failing_since)
    return well, (source_event("source_recovered", now, now, f"It can be read again, after {outage}."),)


def with_gaps(health: Health, gaps: Gaps, suspect: tuple[str, ...], now: datetime, policy: Policy) -> _Change:
    """Return the health after a good poll with these gaps, and `catalog_suspect` for newly suspect fields.

    A field that was not suspect for `confirm_suspect` polls in a row is announced again.
    """
    ended = {field: polls + 1 for field, polls in gaps.announced.items() if field not in suspect}
    recent = {field: polls for field, polls in ended.items() if polls < policy.confirm_suspect}
    after = replace(health, gaps=replace(gaps, suspect=suspect, announced=dict.fromkeys(suspect, 0) | recent))
    fields = tuple(field for field in suspect if field not in gaps.announced)
    if not fields:
        return after, ()
    detail = f"{describe(gaps, fields)}. What was known before is kept, so a change there is not seen."
    return after, (source_event("catalog_suspect", now, now, detail),)


def _duration(span: timedelta) -> str:
    minutes = max(0, round(span.total_seconds() / 60))
    parts = ((minutes // 1440, "d"), (minutes // 60 % 24, "h"), (minutes % 60, "min"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "less than a minute"
