"""When a difference is due: how long it must hold still, and when an unchanged list makes something due."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta

from msgspec import Struct
from msgspec.structs import replace

from watcher.catalog import event
from watcher.catalog.diff import EXPIRATION, TARGETS
from watcher.catalog.model import Facets
from watcher.catalog.policy import Policy
from watcher.catalog.pricing import is_price
from watcher.catalog.state import ModelState, ModelStates

RARE = 2
"""Polls are rare if they are further apart than this many times the needed stillness …"""
OFTEN = timedelta(hours=12)
"""… and than this: at six-hour polls, a quarter of the prices announced at first sight did not last 12 hours."""

FORGOTTEN = 6
"""After so many half-lives, an announcement no longer counts for damping."""


class Moment(Struct, frozen=True):
    """The time of a poll (UTC), the good poll before (None if there was none), and what counts as news."""

    now: datetime
    last_good: datetime | None
    policy: Policy
    endpoints: bool = False
    """Whether it is about endpoints of providers, of which everything settles as a price does."""

    def settled(self, since: datetime, wait: timedelta) -> bool:
        """Whether a difference that holds still since then has settled; where polls are rare, it has at once.

        A `since` far in the future was written under a wrong clock, perhaps for years ahead, and has settled too.
        """
        rare = self.last_good is not None and self.now - self.last_good > max(RARE * wait, OFTEN)
        return rare or abs(self.now - since) >= wait

    def has_settled(self, state: ModelState, key: str, since: datetime) -> bool:
        """Whether a difference at a facet's path, or a presence by its kind of event, has settled for this model."""
        return self.settled(since, self.stillness(state, key))

    def stillness(self, state: ModelState, key: str) -> timedelta:
        """Return how long a difference must hold still to be announced.

        That is its settling time × `damping` ^ restlessness. Each recent announcement of its kind adds 1 to the
        restlessness, which halves every `damping_half_life` (the idea of route flap damping, RFC 2439). A settling
        time of zero grows by as much as that of a price.
        """
        policy = self.policy
        wait = policy.settle if self.endpoints else _settling_time(key, policy)
        ages = [(self.now - at) / policy.damping_half_life for at in state.recent.get(_damped_by(key), ())]
        restlessness = sum(math.pow(0.5, age) for age in ages if 0 <= age < FORGOTTEN)
        more = (wait or policy.settle) * (math.pow(policy.damping, restlessness) - 1)
        return max(wait, min(wait + more, policy.damping_most))

    def count(self, state: ModelState, *keys: str) -> ModelState:
        """Return the state with an announcement counted for damping, under each key."""
        if self.policy.damping == 1:
            return state
        oldest = self.now - FORGOTTEN * self.policy.damping_half_life
        recent = {key: tuple(at for at in times if at > oldest) for key, times in state.recent.items()}
        recent |= {key: (*recent.get(key, ()), self.now) for key in keys}
        return replace(state, recent={key: times for key, times in recent.items() if times})

    def adopt(self, state: ModelState, before: ModelState | None) -> ModelState:
        """Return the state with what a poll showed taken as announced, silently; what was pending `before` stays so."""
        waiting = {} if before is None else before.pending
        return replace(
            state,
            announced=state.present,
            missing=0,
            pending={path: held for path, held in state.pending.items() if path in waiting},
            reminded=self.due_reminder(state.model.facets),
        )

    def due_reminder(self, facets: Facets) -> int | None:
        """Return the smallest number of days before expiration whose reminder is due, if any is."""
        left = event.days_left(facets, self.now)
        if left is None or left < 0:
            return None
        return min((days for days in self.policy.remind_days if left <= days), default=None)


def _damped_by(key: str) -> str:
    """Return the key of `ModelState.recent`: all prices of a model count together, and so do both targets."""
    return "pricing" if is_price(key) else "target" if key in TARGETS else key


def _settling_time(key: str, policy: Policy) -> timedelta:
    if is_price(key):
        return policy.settle
    special = {
        "new": policy.settle_new,
        "returned": policy.settle_returned,
        "expired": timedelta(0),
        EXPIRATION: policy.settle_expiring,
        **dict.fromkeys(TARGETS, policy.settle_retargeted),
    }
    return special.get(key, policy.settle_changed)


def next_due(states: ModelStates, now: datetime, policy: Policy) -> datetime | None:
    """Return the earliest time at which an unchanged list can make something due, or None if none can.

    Until then, a poll whose body is byte for byte that of the last one need not be judged at all.
    """
    moment = Moment(now, None, policy)
    return min((at for state in states.values() for at in _due_times(state, moment)), default=None)


def _due_times(state: ModelState, moment: Moment) -> Iterator[datetime]:
    now = moment.now
    if state.is_missing:
        yield now
    elif state.present and not state.announced:
        yield _settles(state, "new" if state.announced is None else "returned", state.since, moment)
    elif state.present:
        for path, held in state.pending.items():
            at = _settles(state, path, held.since, moment)
            if at > now:  # a drift that has settled but is not material stays pending, and is due only when it moves
                yield at
        left = event.days_left(state.model.facets, now)
        if left is not None:
            midnight = datetime.combine(now.date(), time(), UTC)
            yield from (midnight + timedelta(left - days) for days in moment.policy.remind_days if left > days)


def _settles(state: ModelState, key: str, since: datetime, moment: Moment) -> datetime:
    """Return when a difference settles, or a little earlier: the stillness that damping asks for shrinks till then."""
    latest = since + moment.stillness(state, key)
    return since + replace(moment, now=latest).stillness(state, key)
