"""The judgement: what must be announced now, from what was observed and what was announced before.

Everything is level-triggered. `observe` brings the observed side up to a new snapshot and notes, facet by facet, what
is not as announced; `announce` makes an event of each such difference that is material and has settled, and moves
the announced side forward by just that. Neither knows a clock, a database or a network.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from msgspec.structs import replace

from watcher.catalog import diff, event, price
from watcher.catalog.diff import EXPIRATION, TARGETS
from watcher.catalog.fold import fold
from watcher.catalog.model import KINDS, Event, Facets, FieldChange, Kind, Model
from watcher.catalog.observe import observe
from watcher.catalog.policy import Policy
from watcher.catalog.reading import Snapshot, base_path, price_of
from watcher.catalog.settle import Moment, due_reminder
from watcher.catalog.track import Judgement, Track, Tracks, is_missing, without


def judge(
    tracks: Tracks,
    snapshot: Snapshot,
    *,
    now: datetime,
    last_good: datetime | None,
    policy: Policy,
    baseline: bool = False,
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
        fresh: whether the snapshot is younger than the poll before; else what it lacks is not missing once more.
    """
    observed, unfit = observe(tracks, snapshot, now, last_good, policy, fresh=fresh)
    problems = tuple(f"{key} is not understood and counts as unchanged: {why}" for key, why in unfit.items())
    if baseline:
        adopted = {key: _adopt(track, tracks.get(key), now, policy) for key, track in observed.items()}
        unread = {key: _unread(key, now) for key in unfit if key not in tracks}
        return Judgement(adopted | unread, (), problems)
    announced, events = announce({**tracks, **observed}, now, last_good, policy, snapshot.unnamed)
    return Judgement({**observed, **announced}, events, problems)


def _unread(model_id: str, now: datetime) -> Track:
    """Return the track of a model that the baseline has but nobody understands: when it can be read, it is not new.

    It is as one that only the feed knows: there is nothing to show yet, and it cannot be missing.
    """
    return Track(Model(model_id, {"name": model_id}), now, present=False, listed=False, announced=True)


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
    tracks: Tracks, now: datetime, last_good: datetime | None, policy: Policy, unnamed: int = 0
) -> tuple[dict[str, Track], tuple[Event, ...]]:
    """Return the events that are due and the tracks whose announced side they moved.

    `unnamed` is the number of entries of the last list whose id could not be read. A missing model may be one of them:
    while there are enough of them for all that are missing, none is believed to be gone, and while there are some,
    it takes `confirm_suspect` polls.
    """
    moment = Moment(now, last_good, policy)
    folded = fold(tracks, moment)
    missing = sum(1 for track in tracks.values() if is_missing(track))
    events = [] if folded is None else [folded.event]
    changed: dict[str, Track] = {}
    for model_id, track in tracks.items():
        after = track
        if folded is not None and (paths := folded.paths.get(model_id)):
            after = without(track, paths)
        if is_missing(after):
            after, made = (after, []) if missing <= unnamed else _gone(after, tracks, moment, unnamed)
        elif not after.present:
            continue
        elif not after.announced:
            after, made = _there(after, moment)
        elif after.pending or EXPIRATION in after.model.facets:
            after, made = _differs(after, moment)
        else:
            made = []
        if after is not track:
            changed[model_id] = after
        events += made
    return changed, tuple(sorted(events, key=lambda made: (KINDS.index(made.kind), made.model or "")))


_Made = tuple[Track, list[Event]]


def _gone(track: Track, tracks: Tracks, moment: Moment, unnamed: int) -> _Made:
    policy = moment.policy
    needed = max(policy.confirm_expired, policy.confirm_suspect) if unnamed else policy.confirm_expired
    rare = moment.last_good is not None and moment.now - moment.last_good > policy.confirm_gap and not unnamed
    if track.missing < needed and not rare:
        return track, []
    others = (other.model for other in tracks.values() if other.present)
    made = event.model_event(
        "expired", track.model, moment.now, track.since, alternatives=event.alternatives(track.model, others)
    )
    return replace(track, announced=False, missing=0), [made]


def _there(track: Track, moment: Moment) -> _Made:
    kind: Kind = "new" if track.announced is None else "returned"
    wait = moment.policy.settle_new if kind == "new" else moment.policy.settle_returned
    if not moment.settled(track.since, wait):
        return track, []
    facets = track.model.facets
    before = diff.told(facets, track.pending)
    fields = [path for path in track.pending if diff.is_watched(path) or path in (*TARGETS, EXPIRATION)]
    prices = event.price_changes(before, facets, filter(diff.is_price, track.pending))
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
    reminded = due_reminder(facets, moment.now, moment.policy)
    return replace(track, announced=True, pending={}, reminded=reminded), [made]


def _differs(track: Track, moment: Moment) -> _Made:
    """Announce what differs in a model that is there and known to be."""
    events: list[Event] = []
    for judge_kind in (_repriced, _expiring, _retargeted, _changed):
        track, made = judge_kind(track, moment)
        events += made
    return track, events


def _settled(track: Track, moment: Moment, wait: timedelta, wanted: Callable[[str], bool]) -> list[str]:
    return [path for path, held in track.pending.items() if wanted(path) and moment.settled(held.since, wait)]


def _since(track: Track, paths: Iterable[str]) -> datetime:
    """Return when the state at these paths was complete."""
    return max(track.pending[path].since for path in paths)


def _repriced(track: Track, moment: Moment) -> _Made:
    policy, facets = moment.policy, track.model.facets
    unasked = [path for path in track.pending if diff.is_price(path) and not diff.is_price_watched(path, policy.prices)]
    if unasked:  # recorded, but nobody is told: so a later wish to be told starts from here
        track = without(track, unasked)
    before = diff.told(facets, track.pending)
    paths = [
        path
        for path in _settled(track, moment, policy.settle, diff.is_price)
        if price.is_material(price_of(before, path), price_of(facets, path), policy.min_change)
    ]
    if not paths:
        return track, []
    prices = event.price_changes(before, facets, paths)
    after = _pinned(without(track, paths), before, paths)
    made = event.model_event(
        "repriced",
        track.model,
        moment.now,
        _since(track, paths),
        prices=prices,
        direction=price.direction_of(prices.values()),
        marks=event.price_marks(before, diff.told(facets, after.pending)),
    )
    return after, [made]


def _pinned(track: Track, before: Facets, paths: Iterable[str]) -> Track:
    """Return the track with the tiers that were announced without a price of their own announced at the one they had.

    Else the price of the key that was announced just now, at `paths`, would silently be announced for them, too.
    """
    moved, pending = set(paths), {}
    for path, held in track.pending.items():
        if held.told is None and diff.is_price(path) and base_path(path) in moved:
            pinned = replace(held, told=price_of(before, path))
            if pinned.told != track.model.facets.get(path):
                pending[path] = pinned
        else:
            pending[path] = held
    return replace(track, pending=pending)


def _expiring(track: Track, moment: Moment) -> _Made:
    facets = track.model.facets
    due = due_reminder(facets, moment.now, moment.policy)
    left = event.days_left(facets.get(EXPIRATION), moment.now)
    held = track.pending.get(EXPIRATION)
    if held is not None:
        if not moment.settled(held.since, moment.policy.settle_expiring):
            return track, []
        fields = event.field_changes(track.pending, facets, [EXPIRATION])
        since = held.since
    elif due is not None and (track.reminded is None or due < track.reminded):
        fields = {EXPIRATION: FieldChange(facets[EXPIRATION], facets[EXPIRATION])}
        since = moment.now
    else:
        return track, []
    made = event.model_event("expiring", track.model, moment.now, since, fields=fields, days_left=left)
    return replace(without(track, [EXPIRATION]), reminded=due), [made]


def _retargeted(track: Track, moment: Moment) -> _Made:
    paths = _settled(track, moment, moment.policy.settle_retargeted, lambda path: path in TARGETS)
    if not paths:
        return track, []
    facets = track.model.facets
    moved = [path for path in paths if None not in (track.pending[path].told, facets.get(path))]
    after = without(track, paths)
    if not moved:  # a target that was not given before is no other target
        return after, []
    fields = event.field_changes(track.pending, facets, moved)
    return after, [event.model_event("retargeted", track.model, moment.now, _since(track, moved), fields=fields)]


def _changed(track: Track, moment: Moment) -> _Made:
    paths = _settled(track, moment, moment.policy.settle_changed, diff.is_other)
    if not paths:
        return track, []
    after = without(track, paths)
    watched = [path for path in paths if diff.is_watched(path)]
    if not watched:  # a description, or a field that we do not know: recorded, and no news of one model
        return after, []
    fields = event.field_changes(track.pending, track.model.facets, watched)
    return after, [event.model_event("changed", track.model, moment.now, _since(track, watched), fields=fields)]
