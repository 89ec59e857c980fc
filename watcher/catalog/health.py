"""The health of the source: polls that failed or were refused, and the events about them, each announced once."""

from datetime import datetime, timedelta

from msgspec import Struct, field
from msgspec.structs import replace

from watcher.catalog.event import source_event
from watcher.catalog.gaps import Gaps
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

    def failed(self, now: datetime, reason: str, policy: Policy) -> "_After":
        """Return the health after a failed poll, and `source_failing` after `failing_polls` of them."""
        since = self.failing_since or now
        failures = self.failures + 1
        after = replace(self, failures=failures, failing_since=since, suspects=0, reason=reason)
        if self.announced_failing or failures < policy.failing_polls:
            return after, ()
        detail = f"It could not be read for {failures} polls in a row: {reason}"
        return replace(after, announced_failing=True), (source_event("source_failing", now, since, detail),)

    def suspected(self, now: datetime, refusal: Refusal, policy: Policy, *, fresh: bool) -> "_After":
        """Return the health after a refused poll, and `catalog_suspect` for the first since a poll was believed."""
        after = replace(
            self,
            # A list that contradicts itself agrees with none.
            suspects=self.agreeing(refusal, policy, fresh=fresh) if refusal.gone else 0,
            suspect_since=self.suspect_since or now,
            suspect_gone=tuple(sorted(refusal.gone)),
            reason=refusal.reason,
        )
        if not self.announced_failing:  # the source could be read, so failures are not in a row across this poll
            after = replace(after, failures=0, failing_since=None)
        detail = f"A poll was refused: {refusal.reason}. Nothing was taken from it."
        return after, () if self.suspect_since else (source_event("catalog_suspect", now, now, detail),)

    def agreeing(self, refusal: Refusal, policy: Policy, *, fresh: bool) -> int:
        """Return how many polls in a row, this one included, lack the same models, give or take `max_gone_models`.

        A poll that is not `fresh` adds nothing to those before.
        """
        others = refusal.gone.symmetric_difference(self.suspect_gone)
        before = self.suspects if len(others) <= policy.max_gone_models else 0
        return before + 1 if fresh or not before else before

    def recovered(self, now: datetime) -> "_After":
        """Return the health after a good poll, and `source_recovered` if the source was announced as failing."""
        well = Health(gaps=self.gaps)
        if not self.announced_failing or self.failing_since is None:
            return well, ()
        detail = f"It can be read again, after {_duration(now - self.failing_since)}."
        return well, (source_event("source_recovered", now, now, detail),)

    def with_gaps(self, gaps: Gaps, suspect: tuple[str, ...], now: datetime, policy: Policy) -> "_After":
        """Return the health after a good poll with these gaps, and `catalog_suspect` for newly suspect fields.

        A field that was not suspect for `confirm_suspect` polls in a row is announced again.
        """
        ended = {field: polls + 1 for field, polls in gaps.announced.items() if field not in suspect}
        recent = {field: polls for field, polls in ended.items() if polls < policy.confirm_suspect}
        after = replace(self, gaps=replace(gaps, announced=dict.fromkeys(suspect, 0) | recent))
        fields = tuple(field for field in suspect if field not in gaps.announced)
        if not fields:
            return after, ()
        detail = f"{gaps.describe(fields)}. What was known before is kept, so a change there is not seen."
        return after, (source_event("catalog_suspect", now, now, detail),)


_After = tuple[Health, tuple[Event, ...]]
"""The health after a poll, and the events about it."""


def _duration(span: timedelta) -> str:
    minutes = max(0, round(span.total_seconds() / 60))
    parts = ((minutes // 1440, "d"), (minutes // 60 % 24, "h"), (minutes % 60, "min"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "less than a minute"
