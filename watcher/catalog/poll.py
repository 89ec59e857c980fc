"""Deciding about one poll of the list: whether to believe it, what it announces, and how healthy the source is."""

from datetime import datetime

from msgspec.structs import replace

from watcher.catalog import guard
from watcher.catalog.announce import announce
from watcher.catalog.decision import Decision, Fetched, Known
from watcher.catalog.guard import Refusal
from watcher.catalog.observe import observe
from watcher.catalog.policy import Policy
from watcher.catalog.settle import Moment, next_due
from watcher.catalog.state import ModelStates
from watcher.catalog.summary import describe_new


def needs_count(known: Known, fetched: Fetched, policy: Policy) -> bool:
    """Whether the API's own count of models decides if the list is believed."""
    refusal = None if fetched.snapshot is None else guard.check(fetched.snapshot, _present(known.states), policy)
    return refusal is not None and bool(refusal.gone) and not _is_repeated(refusal, known, fetched, policy)


def decide_list(known: Known, fetched: Fetched, policy: Policy, now: datetime, *, baseline: bool) -> Decision:
    """Decide what the list announces.

    A `baseline` is the first list for its query, so it is not news. Differences that were already waiting to settle go
    on waiting.
    """
    snapshot, health = fetched.snapshot, known.list.health
    if snapshot is None:
        reason = fetched.error or "it said nothing"
        after, events = health.failed(now, reason, policy)
        return Decision("failed", replace(known.list, health=after), known.feed, reason, events=events)
    refusal = guard.check(snapshot, frozenset() if baseline else _present(known.states), policy)
    if refusal is not None:
        # The API's own count may be some minutes older or younger than the list.
        confirmed = fetched.count is not None and abs(fetched.count - snapshot.total) <= policy.max_gone_models
        if not refusal.gone or not (confirmed or _is_repeated(refusal, known, fetched, policy)):
            after, events = health.suspected(now, refusal, policy, fresh=fetched.fresh)
            return Decision("refused", replace(known.list, health=after), known.feed, refusal.reason, events=events)
    moment = Moment(now, known.last_good, policy)
    observed, readings = observe(known.states, snapshot, moment, unnamed=health.gaps.unnamed, fresh=fetched.fresh)
    changed, events = announce(known.states, observed, moment, baseline=baseline)
    states = {**known.states, **changed}
    gaps = health.gaps.updated(snapshot, readings)
    after, recovered = health.recovered(now)
    after, suspected = after.with_gaps(gaps, gaps.suspect_fields(states, policy), now, policy)
    reported = health.gaps.lines()
    due = next_due(states, now, policy)
    return Decision(
        "good",
        replace(known.list, digest=fetched.digest, models=snapshot.total, next_due=due, health=after),
        known.feed,
        states=changed,
        events=describe_new(events, snapshot) + suspected + recovered,
        problems=tuple(line for gap, line in gaps.lines().items() if gap not in reported),
        baseline=baseline,
    )


def _present(states: ModelStates) -> frozenset[str]:
    return frozenset(model_id for model_id, state in states.items() if state.present)


def _is_repeated(refusal: Refusal, known: Known, fetched: Fetched, policy: Policy) -> bool:
    """Whether enough polls in a row, this one included, agree about the missing models."""
    return known.list.health.agreeing(refusal, policy, fresh=fetched.fresh) >= policy.confirm_suspect
