"""One poll of the list, judged: is it believed, what does it announce, and what does it say of the source's health."""

from datetime import datetime

from msgspec.structs import replace

from watcher.catalog import gaps, guard, health
from watcher.catalog.announce import judge
from watcher.catalog.decision import Decision, Fetched, Known
from watcher.catalog.guard import Refusal
from watcher.catalog.policy import Policy
from watcher.catalog.reading import Snapshot
from watcher.catalog.settle import next_due
from watcher.catalog.state import ModelStates
from watcher.catalog.summary import describe_new


def needs_count(known: Known, fetched: Fetched, policy: Policy) -> bool:
    """Whether the API's own count of models decides if the list is believed."""
    refusal = None if fetched.snapshot is None else guard.check(fetched.snapshot, _present(known.states), policy)
    return refusal is not None and bool(refusal.gone) and not _repeated(refusal, known, fetched, policy)


def decide_list(known: Known, fetched: Fetched, policy: Policy, now: datetime, *, baseline: bool) -> Decision:
    """Decide what the list announces.

    Args:
        known: what is remembered.
        fetched: what the source said.
        policy: what counts as news.
        now: the time of the poll (UTC).
        baseline: what the list shows is how things are, not news (see `announce.judge`).
    """
    if fetched.snapshot is None:
        reason = fetched.error or "it said nothing"
        after, events = health.failed(known.list.health, now, reason, policy)
        return Decision("failed", replace(known.list, health=after), known.feed, reason, events=events)
    refusal = guard.check(fetched.snapshot, frozenset() if baseline else _present(known.states), policy)
    if refusal is not None and not _is_believed(refusal, known, fetched, fetched.snapshot, policy):
        after, events = health.suspected(known.list.health, now, refusal, policy, fresh=fetched.fresh)
        return Decision("refused", replace(known.list, health=after), known.feed, refusal.reason, events=events)
    return _decide_good(known, fetched, fetched.snapshot, policy, now, baseline)


def _decide_good(
    known: Known, fetched: Fetched, snapshot: Snapshot, policy: Policy, now: datetime, baseline: bool
) -> Decision:
    before = known.list.health.gaps
    changed, events, readings = judge(
        known.states,
        snapshot,
        now=now,
        last_good=known.last_good,
        policy=policy,
        baseline=baseline,
        unnamed=before.unnamed,
        fresh=fetched.fresh,
    )
    states = {**known.states, **changed}
    found = gaps.after(before, snapshot, readings)
    suspect = gaps.suspect_fields(found, states, policy) if found.fields or found.conditions else ()
    after, recovered = health.recovered(known.list.health, now)
    after, doubts = health.read(after, found, suspect, now, policy.confirm_suspect)
    told = gaps.lines(before)
    due = next_due(states, now, policy)
    return Decision(
        "good",
        replace(known.list, digest=fetched.digest, models=snapshot.total, next_due=due, health=after),
        known.feed,
        states=changed,
        events=describe_new(events, snapshot) + doubts + recovered,
        problems=tuple(line for gap, line in gaps.lines(found).items() if gap not in told),
        baseline=baseline,
    )


def _present(states: ModelStates) -> frozenset[str]:
    return frozenset(model_id for model_id, state in states.items() if state.present)


def _is_believed(refusal: Refusal, known: Known, fetched: Fetched, snapshot: Snapshot, policy: Policy) -> bool:
    """Whether a list that only lacks many models is believed all the same."""
    if not refusal.gone:
        return False
    confirmed = fetched.count is not None and guard.confirms(fetched.count, snapshot, policy)
    return confirmed or _repeated(refusal, known, fetched, policy)


def _repeated(refusal: Refusal, known: Known, fetched: Fetched, policy: Policy) -> bool:
    """Whether enough polls in a row, this one included, agree about what is gone."""
    agreeing = health.agreeing(known.list.health, refusal, policy, fresh=fetched.fresh)
    return agreeing >= policy.confirm_suspect
