"""Bringing what is remembered up to what a poll showed, facet by facet, before anything is announced."""

from collections import Counter
from collections.abc import Collection
from datetime import datetime

from msgspec.structs import replace

from watcher.catalog import diff
from watcher.catalog.feed import told_as, told_unlisted
from watcher.catalog.model import Model
from watcher.catalog.policy import Policy
from watcher.catalog.reading import Reading, Snapshot, normalise, not_understood
from watcher.catalog.state import ModelState, ModelStates

WITHOUT_ID = b"without an id"
"""The digest of a model that is there in an entry without a readable id."""


def observe(
    states: ModelStates,
    snapshot: Snapshot,
    now: datetime,
    last_good: datetime | None,
    policy: Policy,
    *,
    unnamed: Collection[str] = (),
    fresh: bool = True,
) -> tuple[dict[str, ModelState], dict[str, Reading]]:
    """Return the states that the snapshot changes on the observed side, and the readings of documents that are new.

    A model counts as there while an entry without a readable id has its name. Where such an entry came when a model
    went, it may be that one, so this poll does not count as one without it.

    Args:
        unnamed: entries without a readable id at the last good poll, as in `Snapshot.unnamed`.
    """
    changed: dict[str, ModelState] = {}
    readings: dict[str, Reading] = {}
    unlisted = told_unlisted(states, snapshot.entries.keys())
    for model_id, entry in snapshot.entries.items():
        state = states.get(model_id)
        if state is not None and state.present and state.digest == entry.digest:
            continue
        reading = not_understood(model_id) if model_id in snapshot.conflicting else normalise(entry.raw, now)
        readings[model_id] = reading
        if state is None and (heard := told_as(reading.model, unlisted)) is not None:
            state = states[heard]
            # What was told is this one: the id that it was told by can be another model's, and is news then.
            changed[heard] = replace(state, announced=None)
            unlisted = {name: key for name, key in unlisted.items() if key != heard}
        changed[model_id] = _seen(state, reading.model, entry.digest, now, policy)
    came = Counter(snapshot.unnamed) - Counter(unnamed)
    for model_id, state in states.items():
        if state.listed and model_id not in snapshot.entries:
            without_id = state.model.name in (came if state.digest != WITHOUT_ID else snapshot.unnamed)
            if state.present and without_id:
                changed[model_id] = replace(state, digest=WITHOUT_ID)
            elif state.present:
                missing = 0 if came else 1
                changed[model_id] = replace(state, present=False, missing=missing, since=now, last_seen=last_good)
            elif state.announced and fresh:
                changed[model_id] = replace(state, missing=state.missing + 1)
    return changed, readings


def _seen(state: ModelState | None, model: Model, digest: bytes, now: datetime, policy: Policy) -> ModelState:
    if state is None:
        return ModelState(model, now, digest)
    if not state.listed:  # the feed knew it first: it is new unless somebody was told
        return ModelState(model, now, digest, announced=state.announced or None)
    facets = diff.fill_unknown(state.model.facets, model.facets)
    return replace(
        state,
        model=Model(model.id, facets),
        since=state.since if state.present else now,
        digest=digest,
        present=True,
        missing=0,
        last_seen=None,
        pending={}
        if state.announced is None
        else diff.update_pending(state.pending, state.model.facets, facets, now, policy.min_change),
    )
