"""When a difference is due: how long it must hold still, and when a reminder or an unchanged list makes one due."""

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta

from msgspec import Struct

from watcher.catalog import diff, event
from watcher.catalog.diff import EXPIRATION, TARGETS
from watcher.catalog.model import Facets
from watcher.catalog.policy import Policy
from watcher.catalog.track import Track, Tracks, is_missing

RARE = 2
"""Polls further apart than this many times the settling time are rare: nothing waits for a second look."""


class Moment(Struct, frozen=True):
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


def wait_for(path: str, policy: Policy) -> timedelta:
    """Return how long a difference at this path must hold still."""
    if diff.is_price(path):
        return policy.settle
    if path == EXPIRATION:
        return policy.settle_expiring
    return policy.settle_retargeted if path in TARGETS else policy.settle_changed


def due_reminder(facets: Facets, now: datetime, policy: Policy) -> int | None:
    """Return the smallest number of days before expiration whose reminder is due, if any is."""
    left = event.days_left(facets.get(EXPIRATION), now)
    if left is None or left < 0:
        return None
    return min((days for days in policy.remind_days if left <= days), default=None)


def next_due(tracks: Tracks, now: datetime, policy: Policy) -> datetime | None:
    """Return the earliest time at which an unchanged list can make something due, or None if none can.

    Until then, a poll whose body is byte for byte that of the last one need not be judged at all.
    """
    times = [moment for track in tracks.values() for moment in _due_times(track, now, policy)]
    return min(times, default=None)


def _due_times(track: Track, now: datetime, policy: Policy) -> Iterable[datetime]:
    if not track.present:
        return [now] if is_missing(track) else []
    if track.announced is None:
        return [track.since + policy.settle_new]
    if not track.announced:
        return [track.since + policy.settle_returned]
    times = [held.since + wait_for(path, policy) for path, held in track.pending.items()]
    # A drift that has settled but is not material yet stays pending: it is due only when it moves.
    due = [moment for moment in times if moment > now]
    left = event.days_left(track.model.facets.get(EXPIRATION), now)
    if left is not None:
        midnight = datetime.combine(now.date(), time(), UTC)
        due += [midnight + timedelta(left - days) for days in policy.remind_days if left > days]
    return due
