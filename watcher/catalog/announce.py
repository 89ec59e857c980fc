"""What must be announced now: the differences between observed and announced that are material and have settled.

`observe` notes, facet by facet, what differs from what was announced. `announce` makes events of those differences and
moves the announced side forward by just that. Neither has a clock, a database or a network.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec.structs import replace

from watcher.catalog import diff, event, price
from watcher.catalog.diff import EXPIRATION, TARGETS
from watcher.catalog.fold import fold
from watcher.catalog.model import KINDS, Event, FieldChange, Kind
from watcher.catalog.policy import Policy
from watcher.catalog.pricing import is_price, price_of
from watcher.catalog.settle import Moment
from watcher.catalog.state import ModelState, ModelStates


def announce(
    before: ModelStates, observed: ModelStates, moment: Moment, *, baseline: bool
) -> tuple[dict[str, ModelState], tuple[Event, ...]]:
    """Return the states that a poll changed, and the events that are due, most important first.

    `observed` are those whose observed side it changed. A `baseline` is not news: it is taken as announced silently.
    """
    if baseline:
        return {key: moment.adopt(state, before.get(key)) for key, state in observed.items()}, ()
    states, changed = {**before, **observed}, dict(observed)
    events, folded = fold(states, moment)
    for model_id, state in states.items():
        after, made = state, list[Event]()
        if model_id in folded:
            after = after.announce(folded[model_id])
        if after.is_missing:
            after, made = _disappeared(after, states, moment)
        elif after.present and not after.announced:
            after, made = _appeared(after, moment)
        elif after.present and (after.pending or EXPIRATION in after.model.facets):
            after = _without_unwatched(after, moment.policy)
            for announce_kind in (_retargeted, _repriced, _expiring, _changed):
                after, more = announce_kind(after, moment)
                made += more
        if after is not state:
            changed[model_id] = after
        events += made
    return changed, tuple(sorted(events, key=lambda made: (KINDS.index(made.kind), made.model or "")))


_Made = tuple[ModelState, list[Event]]


def _disappeared(state: ModelState, states: ModelStates, moment: Moment) -> _Made:
    policy = moment.policy
    rare = moment.last_good is not None and moment.now - moment.last_good > policy.confirm_gap and state.missing > 0
    confirmed = rare or state.missing >= policy.confirm_expired
    if not confirmed or not moment.has_settled(state, "expired", state.since):
        return state, []
    instead = event.alternatives(state.model, (other.model for other in states.values() if other.present))
    made = event.model_event("expired", state.model, moment.now, state.since, alternatives=instead)
    return replace(moment.count(state, "expired"), announced=False, missing=0), [made]


def _appeared(state: ModelState, moment: Moment) -> _Made:
    kind: Kind = "new" if state.announced is None else "returned"
    if not moment.has_settled(state, kind, state.since):
        return state, []
    facets = state.model.facets
    fields = [path for path in state.pending if diff.is_watched(path) or path in (*TARGETS, EXPIRATION)]
    made = event.model_event(
        kind,
        state.model,
        moment.now,
        state.since,
        fields=event.field_changes(state.announced_facets, facets, fields),
        days_left=event.days_left(facets, moment.now),
        **event.price_details(state.announced_facets, facets, filter(is_price, state.pending)),
    )
    if kind == "returned":
        state = moment.count(state, kind)
    return replace(state, announced=True, pending={}, reminded=moment.due_reminder(facets)), [made]


def _settled(state: ModelState, moment: Moment, wanted: Callable[[str], bool]) -> list[str]:
    pending = state.pending.items()
    return [path for path, held in pending if wanted(path) and moment.has_settled(state, path, held.since)]


def _since(state: ModelState, paths: list[str]) -> datetime:
    """Return when the last of these facets came to its present value."""
    return max(state.pending[path].since for path in paths)


def _retargeted(state: ModelState, moment: Moment) -> _Made:
    """Announce that an id now leads to another model, with the difference in price; no `repriced` follows for it."""
    paths = _settled(state, moment, lambda path: path in TARGETS)
    if not paths:
        return state, []
    facets = state.model.facets
    moved = [path for path in paths if None not in (state.pending[path].announced, facets.get(path))]
    if not moved:  # a target that was absent before is not another target
        return state.announce(paths), []
    # The price, the name and the limits are those of another model now: all of it is one piece of news.
    together = [path for path in state.pending if path != EXPIRATION]
    made = event.model_event(
        "retargeted",
        state.model,
        moment.now,
        _since(state, moved),
        fields=event.field_changes(state.announced_facets, facets, [*moved, *filter(diff.is_watched, together)]),
        **event.price_details(state.announced_facets, facets, filter(is_price, together)),
    )
    return moment.count(state.announce(together), "target"), [made]


def _repriced(state: ModelState, moment: Moment) -> _Made:
    policy, facets, before = moment.policy, state.model.facets, state.announced_facets
    # A price that changed with the target is announced together with it.
    moves = [state.pending[path].since for path in TARGETS if path in state.pending]
    paths = [
        path
        for path in _settled(state, moment, is_price)
        if all(state.pending[path].since < since for since in moves)
        and price.is_material(price_of(before, path), price_of(facets, path), policy.min_change)
    ]
    if not paths:
        return state, []
    after = _without_unwatched(moment.count(state.announce(paths), "pricing"), policy)
    details = event.price_details(before, facets, paths)
    details["marks"] = event.price_marks(before, after.announced_facets)
    details["detail"] = _repetition(state, moment)
    return after, [event.model_event("repriced", state.model, moment.now, _since(state, paths), **details)]


def _repetition(state: ModelState, moment: Moment) -> str | None:
    """Return a sentence that tells a repeated reprice from a first one."""
    half_life = moment.policy.damping_half_life
    times = 1 + sum(at > moment.now - half_life for at in state.recent.get("pricing", ()))
    if times == 1:
        return None
    ending = "th" if times % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(times % 10, "th")
    return f"{times}{ending} change in {half_life / timedelta(days=1):g} days."


def _without_unwatched(state: ModelState, policy: Policy) -> ModelState:
    """Return the state with unwatched prices announced silently: watching them later starts from today's price."""
    before, facets = state.announced_facets, state.model.facets
    prices = filter(is_price, state.pending)
    unwatched = [path for path in prices if not diff.is_price_watched(path, policy.prices, before, facets)]
    return state.announce(unwatched) if unwatched else state


def _expiring(state: ModelState, moment: Moment) -> _Made:
    """Announce that an expiration date was set, moved or withdrawn, or remind of it."""
    facets = state.model.facets
    due = moment.due_reminder(facets)
    held = state.pending.get(EXPIRATION)
    if held is not None:
        if not moment.has_settled(state, EXPIRATION, held.since):
            return state, []
        fields, since = event.field_changes(state.announced_facets, facets, [EXPIRATION]), held.since
        after = moment.count(state.announce([EXPIRATION]), EXPIRATION)
    elif due is not None and (state.reminded is None or due < state.reminded):
        fields, since = {EXPIRATION: FieldChange(facets[EXPIRATION], facets[EXPIRATION])}, moment.now
        after = state
    else:
        return state, []
    left = event.days_left(facets, moment.now)
    made = event.model_event("expiring", state.model, moment.now, since, fields=fields, days_left=left)
    return replace(after, reminded=due), [made]


def _changed(state: ModelState, moment: Moment) -> _Made:
    paths = _settled(state, moment, diff.is_other)
    if not paths:
        return state, []
    after = state.announce(paths)
    watched = [path for path in paths if diff.is_watched(path)]
    if not watched:  # a description or an unknown field is recorded, but is not news about one model
        return after, []
    fields = event.field_changes(state.announced_facets, state.model.facets, watched)
    made = event.model_event("changed", state.model, moment.now, _since(state, watched), fields=fields)
    return moment.count(after, *watched), [made]
