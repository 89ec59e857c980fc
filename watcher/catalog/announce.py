"""The judgement: what must be announced now, from what was observed and what was announced before.

Everything is level-triggered. `observe` brings the observed side up to a new snapshot and notes, facet by facet, what
is not as announced; `announce` makes an event of each such difference that is material and has settled, and moves
the announced side forward by just that. Neither knows a clock, a database or a network.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from watcher.catalog import diff, event, price
from watcher.catalog.diff import CANONICAL_SLUG, EXPIRATION, TARGETS, Pending
from watcher.catalog.model import KINDS, Event, Facets, FieldChange, Kind, Model
from watcher.catalog.policy import Policy
from watcher.catalog.reading import Entry, Snapshot, UnfitError, base_path, normalise, price_of


class Track(Struct, frozen=True):
    """All that is remembered of one model: how it was observed last and how far that is from what was announced."""

    model: Model
    """As last seen in the list; for one that only the feed knows, just its name."""
    since: datetime
    """When its presence (there or gone) was first observed."""
    digest: bytes = b""
    """Of the document as it came, to see cheaply that nothing changed."""
    present: bool = True
    """Whether the last good list had it."""
    listed: bool = True
    """Whether any list ever had it; a model that only the feed knows cannot be missing from the list."""
    announced: bool | None = None
    """Whether it is there as subscribers were last told; None if they never were."""
    missing: int = 0
    """Good polls in a row without it."""
    last_seen: datetime | None = None
    """The last good poll that had it, for a model that is gone."""
    pending: dict[str, Pending] = field(default_factory=dict)
    """The facets that are not as announced."""
    reminded: int | None = None
    """The smallest number of `remind_days` that is done with for the announced expiration date."""


Tracks = Mapping[str, Track]


class Judgement(Struct, frozen=True):
    """What follows from one poll: the tracks that are not as before, and the events, most important first."""

    tracks: dict[str, Track]
    events: tuple[Event, ...] = ()
    problems: tuple[str, ...] = ()
    """One line for each document that could not be understood."""


RARE = 2
"""Polls further apart than this many times the settling time are rare: nothing waits for a second look."""


class _Now(Struct, frozen=True):
    """The moment of judging: `now`, and the good poll before (None if there was none)."""

    now: datetime
    last_good: datetime | None
    policy: Policy

    def settled(self, since: datetime, wait: timedelta) -> bool:
        """Whether what holds still since then has settled; where polls are rare, it has at once.

        Rare is a gap of more than twice the wait. After one just longer than the wait the next poll is worth waiting
        for: on the recorded archive, two of the three reprices that did not last were told at the first sight after
        such a gap.
        """
        return self.now - since >= wait or (self.last_good is not None and self.now - self.last_good > RARE * wait)


def judge(
    tracks: Tracks,
    snapshot: Snapshot,
    *,
    now: datetime,
    last_good: datetime | None,
    policy: Policy,
    baseline: bool = False,
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
    """
    observed, problems = observe(tracks, snapshot, now, last_good, policy)
    if baseline:
        adopted = {key: _adopt(track, tracks.get(key), now, policy) for key, track in observed.items()}
        return Judgement(adopted, (), problems)
    announced, events = announce({**tracks, **observed}, now, last_good, policy, snapshot.unnamed)
    return Judgement({**observed, **announced}, events, problems)


# Observing


def observe(
    tracks: Tracks, snapshot: Snapshot, now: datetime, last_good: datetime | None, policy: Policy
) -> tuple[dict[str, Track], tuple[str, ...]]:
    """Return the tracks that the snapshot changes on the observed side, and a line for each unfit document."""
    changed: dict[str, Track] = {}
    problems: list[str] = []
    for model_id, entry in snapshot.entries.items():
        track = tracks.get(model_id)
        if track is not None and track.present and track.digest == entry.digest:
            continue
        try:
            model = normalise(entry.raw)
        except UnfitError as error:
            problems.append(f"{model_id} is not understood and counts as unchanged: {error}")
            if track is not None and track.listed and not track.present:
                changed[model_id] = replace(track, present=True, missing=0, since=now, last_seen=None)
            continue
        changed[model_id] = _seen(track or _as_slug(tracks, model), model, entry, now, policy)
    for model_id, track in tracks.items():
        if track.listed and model_id not in snapshot.entries:
            if track.present:
                changed[model_id] = replace(track, present=False, missing=1, since=now, last_seen=last_good)
            elif track.announced:
                changed[model_id] = replace(track, missing=track.missing + 1)
    return changed, tuple(problems)


def _as_slug(tracks: Tracks, model: Model) -> Track | None:
    """Return the track of a model that the feed named by the canonical slug of this one, if it did."""
    track = tracks.get(str(model.facets.get(CANONICAL_SLUG)))
    return None if track is None or track.listed else track


def _seen(track: Track | None, model: Model, entry: Entry, now: datetime, policy: Policy) -> Track:
    if track is None:
        return Track(model, now, entry.digest)
    if not track.listed:  # the feed knew it first
        return replace(track, model=model, since=now, digest=entry.digest, present=True, listed=True)
    facets = diff.carry(track.model.facets, model.facets)
    return replace(
        track,
        model=Model(model.id, facets),
        since=track.since if track.present else now,
        digest=entry.digest,
        present=True,
        missing=0,
        last_seen=None,
        pending={}
        if track.announced is None
        else diff.pend(track.pending, track.model.facets, facets, now, policy.min_change),
    )


def _adopt(track: Track, before: Track | None, now: datetime, policy: Policy) -> Track:
    """Return the track with what this poll showed taken as announced, silently."""
    waiting = {} if before is None else before.pending
    return replace(
        track,
        announced=track.present,
        missing=0,
        pending={path: held for path, held in track.pending.items() if path in waiting},
        reminded=_due_reminder(track.model.facets, now, policy),
    )


# Announcing


def announce(
    tracks: Tracks, now: datetime, last_good: datetime | None, policy: Policy, unnamed: int = 0
) -> tuple[dict[str, Track], tuple[Event, ...]]:
    """Return the events that are due and the tracks whose announced side they moved.

    `unnamed` is the number of entries of the last list whose id could not be read. A missing model may be one of them:
    while there are enough of them for all that are missing, none is believed to be gone, and while there are some,
    it takes `confirm_suspect` polls.
    """
    moment = _Now(now, last_good, policy)
    folded = _fold(tracks, moment)
    missing = sum(1 for track in tracks.values() if _is_missing(track))
    events = [] if folded is None else list(folded.events)
    changed: dict[str, Track] = {}
    for model_id, track in tracks.items():
        after = track
        if folded is not None and (paths := folded.paths.get(model_id)):
            after = _without(track, paths)
            if EXPIRATION in paths:  # another date has reminders of its own
                after = replace(after, reminded=None)
        if _is_missing(after):
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


def _without(track: Track, paths: Iterable[str]) -> Track:
    """Return the track with the facets at `paths` announced."""
    done = set(paths)
    return replace(track, pending={path: held for path, held in track.pending.items() if path not in done})


_Made = tuple[Track, list[Event]]


def _is_missing(track: Track) -> bool:
    """Whether it is announced and not there. A model that only the feed has shown cannot be missing from the list."""
    return bool(track.announced) and track.listed and not track.present


def _gone(track: Track, tracks: Tracks, moment: _Now, unnamed: int) -> _Made:
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


def _there(track: Track, moment: _Now) -> _Made:
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
    reminded = _due_reminder(facets, moment.now, moment.policy)
    return replace(track, announced=True, pending={}, reminded=reminded), [made]


def _differs(track: Track, moment: _Now) -> _Made:
    """Announce what differs in a model that is there and known to be."""
    events: list[Event] = []
    for judge_kind in (_repriced, _expiring, _retargeted, _changed):
        track, made = judge_kind(track, moment)
        events += made
    return track, events


def _settled(track: Track, moment: _Now, wait: timedelta, wanted: Callable[[str], bool]) -> list[str]:
    return [path for path, held in track.pending.items() if wanted(path) and moment.settled(held.since, wait)]


def _since(track: Track, paths: Iterable[str]) -> datetime:
    """Return when the state at these paths was complete."""
    return max(track.pending[path].since for path in paths)


def _repriced(track: Track, moment: _Now) -> _Made:
    policy, facets = moment.policy, track.model.facets
    unasked = [path for path in track.pending if diff.is_price(path) and not diff.is_price_watched(path, policy.prices)]
    if unasked:  # recorded, but nobody is told: so a later wish to be told starts from here
        track = _without(track, unasked)
    before = diff.told(facets, track.pending)
    paths = [
        path
        for path in _settled(track, moment, policy.settle, diff.is_price)
        if price.is_material(price_of(before, path), price_of(facets, path), policy.min_change)
    ]
    if not paths:
        return track, []
    prices = event.price_changes(before, facets, paths)
    after = _pinned(_without(track, paths), before, paths)
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


def _expiring(track: Track, moment: _Now) -> _Made:
    facets = track.model.facets
    due = _due_reminder(facets, moment.now, moment.policy)
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
    return replace(_without(track, [EXPIRATION]), reminded=due), [made]


def _due_reminder(facets: Facets, now: datetime, policy: Policy) -> int | None:
    """Return the smallest number of days before expiration whose reminder is due, if any is."""
    left = event.days_left(facets.get(EXPIRATION), now)
    if left is None or left < 0:
        return None
    return min((days for days in policy.remind_days if left <= days), default=None)


def _retargeted(track: Track, moment: _Now) -> _Made:
    paths = _settled(track, moment, moment.policy.settle_retargeted, lambda path: path in TARGETS)
    if not paths:
        return track, []
    facets = track.model.facets
    moved = [path for path in paths if None not in (track.pending[path].told, facets.get(path))]
    after = _without(track, paths)
    if not moved:  # a target that was not given before is no other target
        return after, []
    fields = event.field_changes(track.pending, facets, moved)
    return after, [event.model_event("retargeted", track.model, moment.now, _since(track, moved), fields=fields)]


def _changed(track: Track, moment: _Now) -> _Made:
    paths = _settled(track, moment, moment.policy.settle_changed, _is_other)
    if not paths:
        return track, []
    after = _without(track, paths)
    watched = [path for path in paths if diff.is_watched(path)]
    if not watched:  # a description, or a field that we do not know: recorded, and no news of one model
        return after, []
    fields = event.field_changes(track.pending, track.model.facets, watched)
    return after, [event.model_event("changed", track.model, moment.now, _since(track, watched), fields=fields)]


def _is_other(path: str) -> bool:
    return not diff.is_price(path) and path != EXPIRATION and path not in TARGETS


# Folding


class _Folded(Struct, frozen=True):
    events: list[Event]
    paths: dict[str, set[str]]
    """By model, the facets that they announce."""


def _fold(tracks: Tracks, moment: _Now) -> _Folded | None:
    """Return the events about rewrites of the whole catalogue that have settled, at most one of a kind."""
    policy = moment.policy
    groups: dict[tuple[str, str, datetime], list[str]] = defaultdict(list)
    for model_id, track in tracks.items():
        if track.present and track.announced:
            for path, held in track.pending.items():
                if not diff.is_price(path) and moment.settled(held.since, _wait(path, policy)):
                    groups[path, _way(held.told, track.model.facets.get(path)), held.since].append(model_id)
    present = sum(track.present for track in tracks.values())
    large = {
        key: sorted(ids)
        for key, ids in sorted(groups.items())
        if len(ids) >= policy.fold_models and len(ids) >= policy.fold_share * present
    }
    if not large:
        return None
    paths: dict[str, set[str]] = defaultdict(set)
    by_kind: dict[Kind, list[tuple[str, str, datetime]]] = defaultdict(list)
    for key, ids in large.items():
        by_kind[_kind(key[0])].append(key)
        for model_id in ids:
            paths[model_id].add(key[0])
    events = [_folded_event(kind, {key: large[key] for key in keys}, tracks, moment) for kind, keys in by_kind.items()]
    return _Folded(events, paths)


def _folded_event(
    kind: Kind, groups: Mapping[tuple[str, str, datetime], list[str]], tracks: Tracks, moment: _Now
) -> Event:
    present = sum(track.present for track in tracks.values())
    fields: dict[str, FieldChange] = {}
    lines: list[str] = []
    for (path, way, _), ids in groups.items():
        fields[path] = FieldChange(
            _common(tracks[model_id].pending[path].told for model_id in ids),
            _common(tracks[model_id].model.facets.get(path) for model_id in ids),
        )
        # A field of the API's that nobody asked about needs no names; where calls go and when they end does.
        names = f": {', '.join(ids[:NAMED])}{', …' if len(ids) > NAMED else ''}" if kind != "changed" else ""
        lines.append(f"{path} {way} on {len(ids)} of {present} models{names}")
    return event.catalogue_event(kind, moment.now, max(since for _, _, since in groups), fields, lines)


def _kind(path: str) -> Kind:
    if path == EXPIRATION:
        return "expiring"
    return "retargeted" if path in TARGETS else "changed"


NAMED = 20
"""Models named in an event that stands for many."""


def _way(told: Any, value: Any) -> str:
    if told is None:
        return "appeared"
    return "disappeared" if value is None else "changed"


def _common(values: Iterable[Any]) -> Any:
    """Return the value that all share, or None."""
    first, *others = values
    return first if all(value == first for value in others) else None


# What comes by itself


def _wait(path: str, policy: Policy) -> timedelta:
    """Return how long a difference at this path must hold still."""
    if diff.is_price(path):
        return policy.settle
    if path == EXPIRATION:
        return policy.settle_expiring
    return policy.settle_retargeted if path in TARGETS else policy.settle_changed


def next_due(tracks: Tracks, now: datetime, policy: Policy) -> datetime | None:
    """Return the earliest time at which an unchanged list can make something due, or None if none can.

    Until then, a poll whose body is byte for byte that of the last one need not be judged at all.
    """
    times = [moment for track in tracks.values() for moment in _due_times(track, now, policy)]
    return min(times, default=None)


def _due_times(track: Track, now: datetime, policy: Policy) -> Iterable[datetime]:
    if not track.present:
        return [now] if _is_missing(track) else []
    if track.announced is None:
        return [track.since + policy.settle_new]
    if not track.announced:
        return [track.since + policy.settle_returned]
    times = [held.since + _wait(path, policy) for path, held in track.pending.items()]
    # A drift that has settled but is not material yet stays pending: it is due only when it moves.
    due = [moment for moment in times if moment > now]
    left = event.days_left(track.model.facets.get(EXPIRATION), now)
    if left is not None:
        midnight = datetime.combine(now.date(), time(), UTC)
        due += [midnight + timedelta(left - days) for days in policy.remind_days if left > days]
    return due


# The feed


class FeedModel(Struct, frozen=True):
    """A model as the RSS feed names it."""

    id: str
    name: str
    may_be_slug: bool = False
    """Whether the id may be the canonical slug of another id."""


def unknown_to(tracks: Tracks, feed: Iterable[FeedModel]) -> list[FeedModel]:
    """Return the models of the feed that are not known."""
    slugs = {track.model.facets.get(CANONICAL_SLUG) for track in tracks.values()}
    return [entry for entry in feed if entry.id not in tracks and not (entry.may_be_slug and entry.id in slugs)]


def judge_feed(unknown: Iterable[FeedModel], *, now: datetime, baseline: bool = False) -> Judgement:
    """Announce models that only the feed knows, marked as not yet listed; the feed never says that one is gone.

    Args:
        unknown: the entries that `unknown_to` returned.
        now: the time of the poll (UTC).
        baseline: this is the first feed that was read: what it shows is how things are, not news.
    """
    models = [Model(entry.id, {"name": entry.name}) for entry in unknown]
    tracks = {model.id: Track(model, now, present=False, listed=False, announced=True) for model in models}
    events = (
        () if baseline else tuple(event.model_event("new", model, now, now, marks=("unlisted",)) for model in models)
    )
    return Judgement(tracks, events)
