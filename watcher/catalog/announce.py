"""The judgement: what must be announced now, from what was observed and what was announced before.

Everything is level-triggered. `observe` brings the observed side up to a new snapshot and notes, facet by facet, what
is not as announced; `announce` makes an event of each such difference that is material and has settled, and moves
the announced side forward by just that. Neither knows a clock, a database or a network.
"""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime

from msgspec.structs import replace

from watcher.catalog import diff, event, price
from watcher.catalog.diff import EXPIRATION, TARGETS
from watcher.catalog.fold import fold
from watcher.catalog.model import KINDS, Event, FieldChange, Kind
from watcher.catalog.observe import observe
from watcher.catalog.policy import Policy
from watcher.catalog.pricing import is_price, price_of
from watcher.catalog.reading import Reading, Snapshot
from watcher.catalog.settle import Moment, due_reminder, presence_stillness
from watcher.catalog.state import ModelState, ModelStates, is_missing, without


def judge(
    states: ModelStates,
    snapshot: Snapshot,
    *,
    now: datetime,
    last_good: datetime | None,
    policy: Policy,
    baseline: bool = False,
    unnamed: Collection[str] = (),
    fresh: bool = True,
) -> tuple[dict[str, ModelState], tuple[Event, ...], dict[str, Reading]]:
    """Judge one believable snapshot of the list.

    Returns the states that are not as before, the events, most important first, and what could be read of the documents
    that are not as before.

    Args:
        states: every model known so far, by id.
        snapshot: what the list showed, after `guard.check`.
        now: the time of the poll (UTC).
        last_good: the time of the last good poll before, if any.
        policy: what counts as news.
        baseline: this is the first poll of a source (or of a changed query): what it shows is how things are, not
            news. Differences that were already waiting to settle go on waiting.
        unnamed: what the list had without a readable id at the last good poll.
        fresh: whether the snapshot is younger than the poll before; else what it lacks is not missing once more.
    """
    observed, readings = observe(states, snapshot, now, last_good, policy, unnamed=unnamed, fresh=fresh)
    if baseline:
        adopted = {key: _adopt(state, states.get(key), now, policy) for key, state in observed.items()}
        return adopted, (), readings
    announced, events = announce({**states, **observed}, now, last_good, policy)
    return {**observed, **announced}, events, readings


def _adopt(state: ModelState, before: ModelState | None, now: datetime, policy: Policy) -> ModelState:
    """Return the state with what this poll showed taken as announced, silently."""
    waiting = {} if before is None else before.pending
    return replace(
        state,
        announced=state.present,
        missing=0,
        pending={path: held for path, held in state.pending.items() if path in waiting},
        reminded=due_reminder(state.model.facets, now, policy),
    )


def announce(
    states: ModelStates, now: datetime, last_good: datetime | None, policy: Policy
) -> tuple[dict[str, ModelState], tuple[Event, ...]]:
    """Return the events that are due and the states whose announced side they moved."""
    moment = Moment(now, last_good, policy)
    folded = fold(states, moment)
    events = [] if folded is None else [folded.event]
    changed: dict[str, ModelState] = {}
    for model_id, state in states.items():
        after = state
        if folded is not None and (paths := folded.paths.get(model_id)):
            after = without(state, paths)
        if is_missing(after):
            after, made = _disappeared(after, states, moment)
        elif not after.present:
            continue
        elif not after.announced:
            after, made = _appeared(after, moment)
        elif after.pending or EXPIRATION in after.model.facets:
            after, made = _differs(after, moment)
        else:
            made = []
        if after is not state:
            changed[model_id] = after
        events += made
    return changed, tuple(sorted(events, key=lambda made: (KINDS.index(made.kind), made.model or "")))


_Made = tuple[ModelState, list[Event]]


def _disappeared(state: ModelState, states: ModelStates, moment: Moment) -> _Made:
    policy = moment.policy
    rare = moment.last_good is not None and moment.now - moment.last_good > policy.confirm_gap and state.missing > 0
    wait = presence_stillness(state, "expired", policy, moment.now)
    if (state.missing < policy.confirm_expired and not rare) or not moment.settled(state.since, wait):
        return state, []
    others = (other.model for other in states.values() if other.present)
    made = event.model_event(
        "expired", state.model, moment.now, state.since, alternatives=event.alternatives(state.model, others)
    )
    return replace(moment.announced(state, "expired"), announced=False, missing=0), [made]


def _appeared(state: ModelState, moment: Moment) -> _Made:
    kind: Kind = "new" if state.announced is None else "returned"
    if not moment.settled(state.since, presence_stillness(state, kind, moment.policy, moment.now)):
        return state, []
    facets = state.model.facets
    before = diff.announced_facets(facets, state.pending)
    fields = [path for path in state.pending if diff.is_watched(path) or path in (*TARGETS, EXPIRATION)]
    prices = event.price_changes(before, facets, filter(is_price, state.pending))
    made = event.model_event(
        kind,
        state.model,
        moment.now,
        state.since,
        prices=prices,
        direction=price.direction_of(prices.values()),
        marks=event.price_marks(before, facets),
        fields=event.field_changes(state.pending, facets, fields),
        days_left=event.days_left(facets.get(EXPIRATION), moment.now),
    )
    if kind == "returned":
        state = moment.announced(state, kind)
    reminded = due_reminder(facets, moment.now, moment.policy)
    return replace(state, announced=True, pending={}, reminded=reminded), [made]


def _differs(state: ModelState, moment: Moment) -> _Made:
    """Announce what differs in a model that is there and known to be."""
    events: list[Event] = []
    for announce_kind in (_retargeted, _repriced, _expiring, _changed):
        state, made = announce_kind(state, moment)
        events += made
    return state, events


def _settled(state: ModelState, moment: Moment, wanted: Callable[[str], bool]) -> list[str]:
    return [
        path
        for path, held in state.pending.items()
        if wanted(path) and moment.settled(held.since, moment.stillness(state, path))
    ]


def _since(state: ModelState, paths: Iterable[str]) -> datetime:
    """Return when the state at these paths was complete."""
    return max(state.pending[path].since for path in paths)


def _repriced(state: ModelState, moment: Moment) -> _Made:
    policy, facets = moment.policy, state.model.facets
    state = _without_unasked(state, policy)
    before = diff.announced_facets(facets, state.pending)
    # The price of another model is told together with the move to it.
    moves = [state.pending[path].since for path in TARGETS if path in state.pending]
    paths = [
        path
        for path in _settled(state, moment, is_price)
        if all(state.pending[path].since < since for since in moves)
        and price.is_material(price_of(before, path), price_of(facets, path), policy.min_change)
    ]
    if not paths:
        return state, []
    changes = event.price_changes(before, facets, paths)
    after = _without_unasked(moment.announced(without(state, paths), "pricing"), policy)
    repetition = moment.repetition(state, "pricing")
    made = event.model_event(
        "repriced",
        state.model,
        moment.now,
        _since(state, paths),
        prices=changes,
        direction=price.direction_of(changes.values()),
        marks=event.price_marks(before, diff.announced_facets(facets, after.pending)),
        detail=event.repeated(repetition, policy.damping_half_life) if repetition > 1 else None,
    )
    return after, [made]


def _without_unasked(state: ModelState, policy: Policy) -> ModelState:
    """Return the state without pending prices that nobody is told of, so that a later wish to be told starts here."""
    facets = state.model.facets
    before = diff.announced_facets(facets, state.pending)
    unasked = [
        path
        for path in state.pending
        if is_price(path) and not diff.is_price_watched(path, policy.prices, before, facets)
    ]
    return without(state, unasked) if unasked else state


def _expiring(state: ModelState, moment: Moment) -> _Made:
    facets = state.model.facets
    due = due_reminder(facets, moment.now, moment.policy)
    left = event.days_left(facets.get(EXPIRATION), moment.now)
    held = state.pending.get(EXPIRATION)
    after = state
    if held is not None:
        if not moment.settled(held.since, moment.stillness(state, EXPIRATION)):
            return state, []
        fields = event.field_changes(state.pending, facets, [EXPIRATION])
        since = held.since
        after = moment.announced(without(state, [EXPIRATION]), EXPIRATION)
    elif due is not None and (state.reminded is None or due < state.reminded):
        fields = {EXPIRATION: FieldChange(facets[EXPIRATION], facets[EXPIRATION])}
        since = moment.now
    else:
        return state, []
    made = event.model_event("expiring", state.model, moment.now, since, fields=fields, days_left=left)
    return replace(after, reminded=due), [made]


def _retargeted(state: ModelState, moment: Moment) -> _Made:
    """Announce that calls of an id reach another model, with what that costs; no `repriced` follows for it."""
    paths = _settled(state, moment, lambda path: path in TARGETS)
    if not paths:
        return state, []
    facets = state.model.facets
    moved = [path for path in paths if None not in (state.pending[path].announced, facets.get(path))]
    if not moved:  # a target that was not given before is no other target
        return without(state, paths), []
    # The price, the name and the limits are those of another model now: all of it is one piece of news.
    together = [path for path in state.pending if path != EXPIRATION]
    before = diff.announced_facets(facets, state.pending)
    asked = [
        path
        for path in together
        if is_price(path) and diff.is_price_watched(path, moment.policy.prices, before, facets)
    ]
    prices = event.price_changes(before, facets, asked)
    made = event.model_event(
        "retargeted",
        state.model,
        moment.now,
        _since(state, moved),
        prices=prices,
        direction=price.direction_of(prices.values()),
        marks=event.price_marks(before, facets),
        fields=event.field_changes(state.pending, facets, [*moved, *filter(diff.is_watched, together)]),
    )
    return moment.announced(without(state, together), "target"), [made]


def _changed(state: ModelState, moment: Moment) -> _Made:
    paths = _settled(state, moment, diff.is_other)
    if not paths:
        return state, []
    after = without(state, paths)
    watched = [path for path in paths if diff.is_watched(path)]
    if not watched:  # a description, or a field that we do not know: recorded, and no news of one model
        return after, []
    fields = event.field_changes(state.pending, state.model.facets, watched)
    made = event.model_event("changed", state.model, moment.now, _since(state, watched), fields=fields)
    return moment.announced(after, *watched), [made]
