"""Whether a readable list can be believed: a short or broken answer must never expire a model."""

from collections.abc import Set as AbstractSet

from msgspec import Struct

from watcher.catalog.policy import Policy
from watcher.catalog.reading import Snapshot


class Refusal(Struct, frozen=True):
    """Why a poll is not believed."""

    reason: str
    gone: frozenset[str] = frozenset()
    """The missing models, if they are the only reason: the API's own count, or more such polls, can confirm them."""


def check(snapshot: Snapshot, present: AbstractSet[str], policy: Policy) -> Refusal | None:
    """Return why the snapshot is implausible after a poll that showed the models `present`, or None."""
    if snapshot.total == 0:
        return Refusal("the list is empty")
    if snapshot.promised is not None and snapshot.total < snapshot.promised:
        return Refusal(f"the list has {snapshot.total} models, but promises {snapshot.promised}")
    if too_many(len(snapshot.conflicting), snapshot.total, policy):
        return Refusal(f"the list has {len(snapshot.conflicting)} models twice, with different contents")
    if not snapshot.entries or too_many(len(snapshot.unnamed), snapshot.total, policy):
        return Refusal(f"{len(snapshot.unnamed)} of {snapshot.total} entries have no readable id")
    gone = frozenset(present - snapshot.entries.keys())
    if too_many(len(gone), len(present), policy):
        return Refusal(f"{len(gone)} of {len(present)} models are gone at once", gone)
    return None


def too_many(models: int, of: int, policy: Policy) -> bool:
    """Whether so many models are more than `max_gone` and `max_gone_models` allow."""
    return models > policy.max_gone_models and models > policy.max_gone * of
