"""Deciding about one poll of the list: whether to believe it, what it announces, and how healthy the source is."""

from datetime import datetime

from msgspec.structs import replace

from watcher.catalog import gaps, guard, health
from watcher.catalog.announce import announce
from watcher.catalog.decision import Decision, Fetched, Known
from watcher.catalog.guard import Refusal
from watcher.catalog.observe import observe
from watcher.catalog.policy import Policy
from watcher.catalog.reading import Snapshot
from watcher.catalog.settle import Moment, next_due
from watcher.catalog.state import ModelState, ModelStates


def needs_count(known: Known, fetched: Fetched, policy: Policy) -> bool:
    """Whether the API's own count of models decides if the list is believed."""
    refusal = None if fetched.snapshot is None else guard.check(fetched.snapshot, _present(known.states), policy)
    return refusal is not None and bool(refusal.gone) and not _is_repeated(refusal, known, fetched, policy)


def decide_list(known: Known, fetched: Fetched, policy: Policy, now: datetime, *, baseline: bool) -> Decision:
    """Decide what the list announces.

    Args:
        known: what was remembered before the poll.
        fetched: the answer of the source.
        policy: what counts as news.
        now: the time of the poll (UTC).
        baseline: this is the first list for its query, so it is not news. Differences that were already waiting to
            settle go on waiting.
    """
    snapshot = fetched.snapshot
    if snapshot is None:
        reason = fetched.error or "it said nothing"
        after, events = health.failed(known.list.health, now, reason, policy)
        return Decision("failed", replace(known.list, health=after), known.feed, reason, events=events)
    refusal = guard.check(snapshot, frozenset() if baseline else _present(known.states), policy)
    if refusal is not None and not _is_believed(refusal, known, fetched, snapshot, policy):
        after, events = health.suspected(known.list.health, now, refusal, policy, fresh=fetched.fresh)
        return Decision("refused", replace(known.list, health=after), known.feed, refusal.reason, events=events)
    before = known.list.health.gaps
    moment = Moment(now, known.last_good, policy)
    changed, readings = observe(known.states, snapshot, moment, unnamed=before.unnamed, fresh=fetched.fresh)
    events = ()
    if baseline:
        changed = {key: _adopt(state, known.states.get(key), moment) for key, state in changed.items()}
    else:
        announced, events = announce({**known.states, **changed}, moment)
        changed |= announced
    states = {**known.states, **changed}
    found = gaps.after(before, snapshot, readings)
    suspect = gaps.suspect_fields(found, states, policy)
    after, recovered = health.recovered(known.list.health, now)
    after, suspected = health.with_gaps(after, found, suspect, now, policy)
    known_problems = gaps.lines(before)
    due = next_due(states, now, policy)
    return Decision(
        "good",
        replace(known.list, digest=fetched.digest, models=snapshot.total, next_due=due, health=after),
        known.feed,
        states=changed,
        events=events + suspected + recovered,
        problems=tuple(line for gap, line in gaps.lines(found).items() if gap not in known_problems),
        baseline=baseline,
    )


def _adopt(state: ModelState, before: ModelState | None, moment: Moment) -> ModelState:
    """Return the state with this poll taken as announced, silently."""
    waiting = {} if before is None else before.pending
    return replace(
        state,
        announced=state.present,
        missing=0,
        pending={path: held for path, held in state.pending.items() if path in waiting},
        reminded=moment.due_reminder(state.model.facets),
    )


def _present(states: ModelStates) -> frozenset[str]:
    return frozenset(model_id for model_id, state in states.items() if state.present)


def _is_believed(refusal: Refusal, known: Known, fetched: Fetched, snapshot: Snapshot, policy: Policy) -> bool:
    """Whether a list that only lacks many models is believed all the same."""
    confirmed = fetched.count is not None and guard.confirms(fetched.count, snapshot, policy)
    return bool(refusal.gone) and (confirmed or _is_repeated(refusal, known, fetched, policy))


def _is_repeated(refusal: Refusal, known: Known, fetched: Fetched, policy: Policy) -> bool:
    """Whether enough polls in a row, this one included, agree about the missing models."""
    return health.agreeing(known.list.health, refusal, policy, fresh=fetched.fresh) >= policy.confirm_suspect
