"""One poll of the list, judged: is it believed, what does it announce, and what does it say of the source's health."""

from datetime import datetime
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from watcher.catalog import gaps, guard, health
from watcher.catalog.announce import judge
from watcher.catalog.guard import Refusal
from watcher.catalog.health import Health
from watcher.catalog.model import Event
from watcher.catalog.policy import Policy
from watcher.catalog.reading import Snapshot
from watcher.catalog.state import Judgement, ModelStates

Outcome = Literal["good", "refused", "failed", "overtaken"]


class Standing(Struct, frozen=True):
    """What is remembered of the source between two polls."""

    last_good: datetime | None = None
    """The time of the last poll that was believed (UTC)."""
    health: Health = Health()


class Verdict(Struct, frozen=True):
    """What one poll came to. Only a good one has states; `events` holds those about the source, too."""

    outcome: Outcome
    standing: Standing
    judgement: Judgement
    reason: str | None = None
    """Why it is not good."""
    problems: tuple[str, ...] = ()
    """A sentence about each thing in the list that cannot be read, and could be before."""

    @property
    def events(self) -> tuple[Event, ...]:
        """The events, most important first."""
        return self.judgement.events


def needs_witness(
    snapshot: Snapshot, states: ModelStates, standing: Standing, policy: Policy, *, fresh: bool = True
) -> bool:
    """Whether the API's own count of models decides if this snapshot is believed."""
    refusal = guard.check(snapshot, _present(states), policy)
    return refusal is not None and bool(refusal.gone) and not _repeated(refusal, standing, policy, fresh)


def judge_list(
    states: ModelStates,
    snapshot: Snapshot,
    *,
    now: datetime,
    standing: Standing,
    policy: Policy,
    baseline: bool = False,
    witness: int | None = None,
    fresh: bool = True,
) -> Verdict:
    """Judge what the list showed.

    Args:
        states: every model known so far, by id.
        snapshot: what the list showed.
        now: the time of the poll (UTC).
        standing: what is remembered of the source.
        policy: what counts as news.
        baseline: what it shows is how things are, not news (see `announce.judge`).
        witness: the API's own count of models, where it was asked.
        fresh: the answer is younger than the last poll; one that a cache had by then is no second look at the source.
    """
    refusal = guard.check(snapshot, frozenset() if baseline else _present(states), policy)
    confirmed = witness is not None and guard.confirms(witness, snapshot, policy)
    if refusal is not None and not (refusal.gone and (confirmed or _repeated(refusal, standing, policy, fresh))):
        after, events = health.suspected(standing.health, now, refusal, policy, fresh=fresh)
        return Verdict("refused", Standing(standing.last_good, after), Judgement({}, events), refusal.reason)
    before = standing.health.gaps
    judgement = judge(
        states,
        snapshot,
        now=now,
        last_good=standing.last_good,
        policy=policy,
        baseline=baseline,
        unnamed=before.unnamed,
        fresh=fresh,
    )
    found = gaps.after(before, snapshot, judgement.readings)
    suspect = gaps.suspect_fields(found, {**states, **judgement.states}, policy) if found.fields else ()
    after, recovered = health.recovered(standing.health, now)
    after, doubts = health.read(after, found, suspect, now)
    known = gaps.lines(before)
    problems = tuple(line for gap, line in gaps.lines(found).items() if gap not in known)
    together = replace(judgement, events=judgement.events + doubts + recovered)
    return Verdict("good", Standing(now, after), together, problems=problems)


def judge_failure(reason: str, *, now: datetime, standing: Standing, policy: Policy) -> Verdict:
    """Judge a poll in which the list could not be read, for the given reason."""
    after, events = health.failed(standing.health, now, reason, policy)
    return Verdict("failed", Standing(standing.last_good, after), Judgement({}, events), reason)


def _present(states: ModelStates) -> frozenset[str]:
    return frozenset(model_id for model_id, state in states.items() if state.present)


def _repeated(refusal: Refusal, standing: Standing, policy: Policy, fresh: bool) -> bool:
    """Whether enough polls in a row, this one included, agree about what is gone."""
    return health.agreeing(standing.health, refusal, policy, fresh=fresh) >= policy.confirm_suspect
