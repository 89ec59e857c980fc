"""The health of the source: polls that failed or were refused, and the events about them, each told once."""

from datetime import datetime, timedelta

from msgspec import Struct
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
    told_failing: bool = False
    suspects: int = 0
    """Refused polls in a row that agree with each other."""
    suspect_since: datetime | None = None
    suspect_gone: tuple[str, ...] = ()
    """The models that were missing from the list that was refused last."""
    reason: str | None = None
    """Why the last poll was not good."""
    gaps: Gaps = Gaps()
    """What could not be read at the last good one."""

    @property
    def quiet(self) -> bool:
        """Whether the last poll was good and nothing is to be told of those before."""
        return self.failing_since is None and self.suspect_since is None


Outcome = tuple[Health, tuple[Event, ...]]


def failed(health: Health, now: datetime, reason: str, policy: Policy) -> Outcome:
    """Return the health after the source could not be read: `source_failing` once it failed often enough."""
    since = health.failing_since or now
    failures = health.failures + 1
    tell = failures >= policy.failing_polls and not health.told_failing
    after = replace(
        health,
        failures=failures,
        failing_since=since,
        told_failing=health.told_failing or tell,
        suspects=0,
        reason=reason,
    )
    detail = f"It could not be read for {failures} polls in a row: {reason}"
    return after, (source_event("source_failing", now, since, detail),) if tell else ()


def suspected(health: Health, now: datetime, refusal: Refusal, policy: Policy, *, fresh: bool = True) -> Outcome:
    """Return the health after a poll was refused: `catalog_suspect`, once until a poll is believed again."""
    since = health.suspect_since or now
    reason = refusal.reason
    # A list that contradicts itself agrees with none.
    agree = agreeing(health, refusal, policy, fresh=fresh) if refusal.gone else 0
    gone = tuple(sorted(refusal.gone))
    after = replace(health, suspects=agree, suspect_since=since, suspect_gone=gone, reason=reason)
    if not health.told_failing:  # it could be read, so failures before it are not in a row with those to come
        after = replace(after, failures=0, failing_since=None)
    event = source_event("catalog_suspect", now, since, f"A poll was refused: {reason}. Nothing was taken from it.")
    return after, () if health.suspect_since else (event,)


def agreeing(health: Health, refusal: Refusal, policy: Policy, *, fresh: bool = True) -> int:
    """Return how many polls in a row, this one included, missed the same models, give or take `max_gone_models`.

    One that is not `fresh` adds nothing to those before.
    """
    others = refusal.gone.symmetric_difference(health.suspect_gone)
    before = health.suspects if len(others) <= policy.max_gone_models else 0
    return before + 1 if fresh or not before else before


def recovered(health: Health, now: datetime) -> Outcome:
    """Return the health after a good poll: `source_recovered` if it was announced as failing."""
    well = Health(gaps=health.gaps)
    if not health.told_failing or health.failing_since is None:
        return well, ()
    out = _duration(now - health.failing_since)
    return well, (source_event("source_recovered", now, now, f"It can be read again, after {out}."),)


def read(health: Health, gaps: Gaps, suspect: tuple[str, ...], now: datetime, most: int) -> Outcome:
    """Return the health after a good poll with these gaps: `catalog_suspect` for fields that are suspect since now.

    Args:
        suspect: the fields that cannot be read on many models.
        most: polls in a row without it, after which a field that is suspect again is announced again.
    """
    fields = tuple(field for field in suspect if field not in gaps.announced)
    ended = {field: polls + 1 for field, polls in gaps.announced.items() if field not in suspect}
    announced = dict.fromkeys(suspect, 0) | {field: polls for field, polls in ended.items() if polls < most}
    after = replace(health, gaps=replace(gaps, suspect=suspect, announced=announced))
    if not fields:
        return after, ()
    detail = f"{describe(gaps, fields)}. What was known before is kept, so a change there is not seen."
    return after, (source_event("catalog_suspect", now, now, detail),)


def _duration(span: timedelta) -> str:
    minutes = max(0, round(span.total_seconds() / 60))
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [f"{days} d" if days else "", f"{hours} h" if hours else "", f"{minutes} min" if minutes else ""]
    return " ".join(part for part in parts if part) or "less than a minute"
