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
from watcher.catalog.reading import Snapshot
from watcher.catalog.settle import Moment, due_reminder, presence_stillness
from watcher.catalog.track import Judgement, Track, Tracks, is_missing, without


def judge(
    tracks: Tracks,
    snapshot: Snapshot,
    *,
    now: datetime,
    last_good: datetime | None,
    policy: Policy,
    baseline: bool = False,
    unnamed: Collection[str] = (),
    fresh: bool = True,
) -> Judgement:
    """Judge one believable snapshot of the list.

    Args:
        tracks: every model known so far, by id.
        snapshot: what the list showed, after `guard.check`.
        now: the time of the poll (UTC).
        last_good: the time of the last good poll before, if any.
        policy: what counts as news.
        baseline: this is the first poll of a source (or of a changed query): what it shows is how things are, not
            news. Differences that were already waiting to settle go on waiting.
        unnamed: what the list had without a readable id at the last good poll.
        fresh: whether the snapshot is younger than the poll before; else what it lacks is not missing once more.
    """
    observed, readings = observe(tracks, snapshot, now, last_good, policy, unnamed=unnamed, fresh=fresh)
    if baseline:
        adopted = {key: _adopt(track, tracks.get(key), now, policy) for key, track in observed.items()}
        return Judgement(adopted, (), readings)
    announced, events = announce({**tracks, **observed}, now, last_good, policy)
    return Judgement({**observed, **announced}, events, readings)


def _adopt(track: Track, before: Track | None, now: datetime, policy: Policy) -> Track:
    """Return the track with what this poll showed taken as announced, silently."""
    waiting = {} if before is None else before.pending
    return replace(
        track,
        announced=track.present,
        missing=0,
        pending={path: held for path, held in track.pending.items() if path in waiting},
        reminded=due_reminder(track.model.facets, now, policy),
    )


def announce(
    tracks: Tracks, now: datetime, last_good: datetime | None, policy: Policy
) -> tuple[dict[str, Track], tuple[Event, ...]]:
    """Return the events that are due and the tracks whose announced side they moved."""
    moment = Moment(now, last_good, policy)
    folded = fold(tracks, moment)
    events = [] if folded is None else [folded.event]
    changed: dict[str, Track] = {}
    for model_id, track in tracks.items():
        after = track
        if folded is not None and (paths := folded.paths.get(model_id)):
            after = without(track, paths)
        if is_missing(after):
            after, made = _disappeared(after, tracks, moment)
        elif not after.present:
            continue
        elif not after.announced:
            after, made = _appeared(after, moment)
        elif after.pending or EXPIRATION in after.model.facets:
            after, made = _differs(after, moment)
        else:
            made = []
        if after is not track:
            changed[model_id] = after
        events += made
    return changed, tuple(sorted(events, key=lambda made: (KINDS.index(made.kind), made.model or "")))


_Made = tuple[Track, list[Event]]


def _disappeared(track: Track, tracks: Tracks, moment: Moment) -> _Made:
    policy = moment.policy
    rare = moment.last_good is not None and moment.now - moment.last_good > policy.confirm_gap and track.missing > 0
    wait = presence_stillness(track, "expired", policy, moment.now)
    if (track.missing < policy.confirm_expired and not rare) or not moment.settled(track.since, wait):
        return track, []
    others = (other.model for other in tracks.values() if other.present)
    made = event.model_event(
        "expired", track.model, moment.now, track.since, alternatives=event.alternatives(track.model, others)
    )
    return replace(moment.announced(track, "expired"), announced=False, missing=0), [made]


def _appeared(track: Track, moment: Moment) -> _Made:
    kind: Kind = "new" if track.announced is None else "returned"
    if not moment.settled(track.since, presence_stillness(track, kind, moment.policy, moment.now)):
        return track, []
    facets = track.model.facets
    before = diff.announced_facets(facets, track.pending)
    fields = [path for path in track.pending if diff.is_watched(path) or path in (*TARGETS, EXPIRATION)]
    prices = event.price_changes(before, facets, filter(is_price, track.pending))
    made = event.model_event(
        kind,
        track.model,
        moment.now,
        track.since,
        prices=prices,
        direction=price.direction_of(prices.values()),
        marks=event.price_marks(before, facets),
        fields=event.field_changes(track.pending, facets, fields),
        days_left=event.days_left(facets.get(EXPIRATION), moment.now),
    )
    if kind == "returned":
        track = moment.announced(track, kind)
    reminded = due_reminder(facets, moment.now, moment.policy)
    return replace(track, announced=True, pending={}, reminded=reminded), [made]


def _differs(track: Track, moment: Moment) -> _Made:
    """Announce what differs in a model that is there and known to be."""
    events: list[Event] = []
    for announce_kind in (_retargeted, _repriced, _expiring, _changed):
        track, made = announce_kind(track, moment)
        events += made
    return track, events


def _settled(track: Track, moment: Moment, wanted: Callable[[str], bool]) -> list[str]:
    return [
        path
        for path, held in track.pending.items()
        if wanted(path) and moment.settled(held.since, moment.stillness(track, path))
    ]


def _since(track: Track, paths: Iterable[str]) -> datetime:
    """Return when the state at these paths was complete."""
    return max(track.pending[path].since for path in paths)


def _repriced(track: Track, moment: Moment) -> _Made:
    policy, facets = moment.policy, track.model.facets
    track = _without_unasked(track, policy)
    before = diff.announced_facets(facets, track.pending)
    if not track.pending.keys().isdisjoint(TARGETS):  # the price of another model is told together with the move to it
        return track, []
    paths = [
        path
        for path in _settled(track, moment, is_price)
        if price.is_material(price_of(before, path), price_of(facets, path), policy.min_change)
    ]
    if not paths:
        return track, []
    changes = event.price_changes(before, facets, paths)
    after = _without_unasked(moment.announced(without(track, paths), "pricing"), policy)
    repetition = moment.repetition(track, "pricing")
    made = event.model_event(
        "repriced",
        track.model,
        moment.now,
        _since(track, paths),
        prices=changes,
        direction=price.direction_of(changes.values()),
        marks=event.price_marks(before, diff.announced_facets(facets, after.pending)),
        detail=event.repeated(repetition, policy.damping_half_life) if repetition > 1 else None,
    )
    return after, [made]


def _without_unasked(track: Track, policy: Policy) -> Track:
    """Return the track without pending prices that nobody is told of, so that a later wish to be told starts here."""
    facets = track.model.facets
    before = diff.announced_facets(facets, track.pending)
    unasked = [
        path
        for path in track.pending
        if is_price(path) and not diff.is_price_watched(path, policy.prices, before, facets)
    ]
    return without(track, unasked) if unasked else track


def _expiring(track: Track, moment: Moment) -> _Made:
    facets = track.model.facets
    due = due_reminder(facets, moment.now, moment.policy)
    left = event.days_left(facets.get(EXPIRATION), moment.now)
    held = track.pending.get(EXPIRATION)
    after = track
    if held is not None:
        if not moment.settled(held.since, moment.stillness(track, EXPIRATION)):
            return track, []
        fields = event.field_changes(track.pending, facets, [EXPIRATION])
        since = held.since
        after = moment.announced(without(track, [EXPIRATION]), EXPIRATION)
    elif due is not None and (track.reminded is None or due < track.reminded):
        fields = {EXPIRATION: FieldChange(facets[EXPIRATION], facets[EXPIRATION])}
        since = moment.now
    else:
        return track, []
    made = event.model_event("expiring", track.model, moment.now, since, fields=fields, days_left=left)
    return replace(after, reminded=due), [made]


def _retargeted(track: Track, moment: Moment) -> _Made:
    """Announce that calls of an id reach another model, with what that costs; no `repriced` follows for it."""
    paths = _settled(track, moment, lambda path: path in TARGETS)
    if not paths:
        return track, []
    facets = track.model.facets
    moved = [path for path in paths if None not in (track.pending[path].announced, facets.get(path))]
    if not moved:  # a target that was not given before is no other target
        return without(track, paths), []
    # The price, the name and the limits are those of another model now: all of it is one piece of news.
    together = [path for path in track.pending if path != EXPIRATION]
    before = diff.announced_facets(facets, track.pending)
    asked = [
        path
        for path in together
        if is_price(path) and diff.is_price_watched(path, moment.policy.prices, before, facets)
    ]
    prices = event.price_changes(before, facets, asked)
    made = event.model_event(
        "retargeted",
        track.model,
        moment.now,
        _since(track, moved),
        prices=prices,
        direction=price.direction_of(prices.values()),
        marks=event.price_marks(before, facets),
        fields=event.field_changes(track.pending, facets, [*moved, *filter(diff.is_watched, together)]),
    )
    return moment.announced(without(track, together), "target"), [made]


def _changed(track: Track, moment: Moment) -> _Made:
    paths = _settled(track, moment, diff.is_other)
    if not paths:
        return track, []
    after = without(track, paths)
    watched = [path for path in paths if diff.is_watched(path)]
    if not watched:  # a description, or a field that we do not know: recorded, and no news of one model
        return after, []
    fields = event.field_changes(track.pending, track.model.facets, watched)
    made = event.model_event("changed", track.model, moment.now, _since(track, watched), fields=fields)
    return moment.announced(after, *watched), [made]
