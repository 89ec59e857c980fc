"""Bringing the states up to what a poll showed, facet by facet, before anything is announced."""

from collections import Counter
from collections.abc import Collection

from msgspec.structs import replace

from watcher.catalog import diff
from watcher.catalog.feed import announced_unlisted, names_of
from watcher.catalog.model import Model
from watcher.catalog.reading import Reading, Snapshot, normalise, not_understood
from watcher.catalog.settle import Moment
from watcher.catalog.state import ModelState, ModelStates

WITHOUT_ID = b"without an id"
"""The digest of a model that is present in an entry without a readable id."""


def observe(
    states: ModelStates, snapshot: Snapshot, moment: Moment, *, unnamed: Collection[str] = (), fresh: bool = True
) -> tuple[dict[str, ModelState], dict[str, Reading]]:
    """Return the states that the snapshot changes on the observed side, and the readings of new documents.

    A model is present while an entry without a readable id has its name. If such an entry came when a model went, it
    may be that model, so this poll does not count as one without it.

    `unnamed` is `Snapshot.unnamed` of the last good poll. A snapshot that is not `fresh` is older than the poll before,
    and confirms no absence.
    """
    changed: dict[str, ModelState] = {}
    readings: dict[str, Reading] = {}
    unlisted = announced_unlisted(states, snapshot.entries.keys())
    for model_id, entry in snapshot.entries.items():
        state = states.get(model_id)
        if state is not None and state.present and state.digest == entry.digest:
            continue
        reading = not_understood(model_id) if model_id in snapshot.conflicting else normalise(entry.raw, moment.now)
        readings[model_id] = reading
        feed_id = next((unlisted[name] for name in names_of(reading.model) if name in unlisted), None)
        if state is None and feed_id is not None:
            state = states[feed_id]
            # The feed's announcement was about this model. Its id there may belong to another one, which is then news.
            changed[feed_id] = replace(state, announced=None)
            unlisted = {name: key for name, key in unlisted.items() if key != feed_id}
        changed[model_id] = _seen(state, reading.model, entry.digest, moment)
    came = Counter(snapshot.unnamed) - Counter(unnamed)
    for model_id, state in states.items():
        if not state.listed or model_id in snapshot.entries:
            continue
        candidates = snapshot.unnamed if state.digest == WITHOUT_ID else came
        if state.present and state.model.name in candidates:
            changed[model_id] = replace(state, digest=WITHOUT_ID)
        elif state.present:
            missing = 0 if came else 1
            changed[model_id] = replace(
                state, present=False, missing=missing, since=moment.now, last_seen=moment.last_good
            )
        elif state.announced and fresh:
            changed[model_id] = replace(state, missing=state.missing + 1)
    return changed, readings


def _seen(state: ModelState | None, model: Model, digest: bytes, moment: Moment) -> ModelState:
    if state is None:
        return ModelState(model, moment.now, digest)
    if not state.listed:  # known from the feed first: it is new unless it was announced from there
        return ModelState(model, moment.now, digest, announced=state.announced or None)
    old, facets = state.model.facets, diff.fill_unknown(state.model.facets, model.facets)
    pending: dict[str, diff.Pending] = {}
    if state.announced is not None:
        pending = diff.update_pending(state.pending, old, facets, moment.now, moment.policy.min_change)
    return replace(
        state,
        model=Model(model.id, facets),
        since=state.since if state.present else moment.now,
        digest=digest,
        present=True,
        missing=0,
        last_seen=None,
        pending=pending,
    )
