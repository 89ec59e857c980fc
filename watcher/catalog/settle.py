"""When a difference is due: how long it must hold still, and when a reminder or an unchanged list makes one due."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, time, timedelta
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from watcher.catalog import event
from watcher.catalog.diff import EXPIRATION, TARGETS
from watcher.catalog.model import Facets, Kind
from watcher.catalog.policy import FORGOTTEN, Policy
from watcher.catalog.pricing import is_price
from watcher.catalog.state import ModelState, ModelStates, is_missing

RARE = 2
"""Polls further apart than this many times the needed stillness are rare, but none are that come …"""
OFTEN = timedelta(hours=12)
"""… at least this often: at six-hour polls, a quarter of the prices told at first sight did not last 12 hours."""

_ROUNDS = 8
"""Each one brings the moment nearer by a factor of ten."""


class Moment(Struct, frozen=True):
    """The moment of judging: `now`, and the good poll before (None if there was none)."""

    now: datetime
    last_good: datetime | None
    policy: Policy

    def settled(self, since: datetime, wait: timedelta) -> bool:
        """Whether what holds still since then has settled; where polls are rare, it has at once.

        So it has if that lies further ahead than the wait: the clock was wrong then, and may have been for years.
        """
        return abs(self.now - since) >= wait or self.is_rare(wait)

    def is_rare(self, wait: timedelta) -> bool:
        """Whether polls are so rare that nothing waits for a second look."""
        return self.last_good is not None and self.now - self.last_good > max(RARE * wait, OFTEN)

    def stillness(self, state: ModelState, path: str) -> timedelta:
        """Return how long a difference at this path of a model must hold still."""
        return stillness(state, path, self.policy, self.now)

    def announced(self, state: ModelState, *keys: str) -> ModelState:
        """Return the state with an announcement counted for each key, as `damped_by` returns them."""
        if self.policy.damping == 1:
            return state
        oldest = self.now - FORGOTTEN * self.policy.damping_half_life
        kept = {key: tuple(at for at in times if at > oldest) for key, times in state.recent.items()}
        kept |= {key: (*kept.get(key, ()), self.now) for key in keys}
        return replace(state, recent={key: times for key, times in kept.items() if times})

    def repetition(self, state: ModelState, key: str) -> int:
        """Return the how manieth announcement of its kind within a half-life one made now is."""
        oldest = self.now - self.policy.damping_half_life
        return 1 + sum(at > oldest for at in state.recent.get(key, ()))


def damped_by(path: str) -> str:
    """Return what the announcements at a path count for: all prices of a model together, both targets, or the field."""
    return "pricing" if is_price(path) else "target" if path in TARGETS else path


def stillness(state: ModelState, path: str, policy: Policy, now: datetime) -> timedelta:
    """Return how long a difference at this path of a model must hold still to be announced."""
    return policy.stillness(_wait(path, policy), state.recent.get(damped_by(path), ()), now)


def presence_stillness(state: ModelState, kind: Kind, policy: Policy, now: datetime) -> timedelta:
    """Return how long a model must have been there, or gone, to be announced as `kind`."""
    waits = {"new": policy.settle_new, "returned": policy.settle_returned}
    return policy.stillness(waits.get(kind, timedelta(0)), state.recent.get(kind, ()), now)


def _wait(path: str, policy: Policy) -> timedelta:
    if is_price(path):
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


def next_due(states: ModelStates, now: datetime, policy: Policy) -> datetime | None:
    """Return the earliest time at which an unchanged list can make something due, or None if none can.

    Until then, a poll whose body is byte for byte that of the last one need not be judged at all.
    """
    times = [moment for state in states.values() for moment in _due_times(state, now, policy)]
    return min(times, default=None)


def _due_times(state: ModelState, now: datetime, policy: Policy) -> Iterable[datetime]:
    if not state.present:
        return [now] if is_missing(state) else []
    if not state.announced:
        kind: Kind = "new" if state.announced is None else "returned"
        return [_settles(state.since, partial(presence_stillness, state, kind, policy))]
    return _due_differences(state, now, policy)


def _due_differences(state: ModelState, now: datetime, policy: Policy) -> Iterator[datetime]:
    for path, held in state.pending.items():
        at = _settles(held.since, partial(stillness, state, path, policy))
        if at > now:  # a drift that has settled but is not material yet stays pending: it is due only when it moves
            yield at
    left = event.days_left(state.model.facets.get(EXPIRATION), now)
    if left is not None:
        midnight = datetime.combine(now.date(), time(), UTC)
        yield from (midnight + timedelta(left - days) for days in policy.remind_days if left > days)


def _settles(since: datetime, wait_at: Callable[[datetime], timedelta]) -> datetime:
    """Return when what holds still since then has settled; what damping asks for shrinks while it is waited for."""
    at = since
    for _ in range(_ROUNDS):
        at = since + wait_at(at)
    return at
