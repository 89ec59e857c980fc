"""Imported history: stored captures to go through again, and the rebuilt history to put in their place."""

from collections.abc import Iterator
from datetime import datetime

from msgspec.structs import replace
from sqlalchemy import bindparam, delete, func, insert, or_, select, update

from watcher.catalog.state import ModelState
from watcher.rebuild import CaptureSeen, RebuiltHistory, snapshots
from watcher.store.documents import compress, pack, split_benchmarks
from watcher.store.history import Version, version_of
from watcher.store.rows import Rows
from watcher.store.schema import events, models, polls, versions
from watcher.store.state import State, model_row


class Imported(Rows):
    """Reads and replaces imported history."""

    def first_live(self) -> datetime | None:
        """Return the time of the first good poll of the watcher itself; None if it has not polled yet."""
        query = select(func.min(polls.c.at)).where(polls.c.imported.is_(False), polls.c.outcome == "good")
        return self._scalar(query)

    def times(self) -> list[tuple[datetime, int]]:
        """Return the time and the number of models of each imported capture, in order."""
        query = select(polls.c.at, polls.c.models).where(polls.c.imported.is_(True)).order_by(polls.c.at)
        return [(row.at, row.models) for row in self._connection.execute(query)]

    def captures(self) -> Iterator[CaptureSeen]:
        """Yield the imported captures, oldest first."""
        query = select(versions).order_by(versions.c.valid_from)
        first_live = self.first_live()
        if first_live is not None:
            query = query.where(versions.c.valid_from < first_live)
        return snapshots([version_of(row) for row in self._connection.execute(query)], self.times())

    def replace(self, past: RebuiltHistory) -> None:
        """Replace the imported history by this one. What the watcher itself saw stays."""
        first_live, benchmarks = self.first_live(), self._latest_benchmarks(past)
        for table in (events, polls):
            self._connection.execute(delete(table).where(table.c.imported.is_(True)))
        State(self._connection).add_events(tuple(past.events), imported=True)
        rows = [
            {"at": at, "outcome": "good", "models": total, "milliseconds": 0, "imported": True}
            for at, total in past.polls
        ]
        self._each(insert(polls), rows)
        if first_live is None:
            states, added = past.states, past.versions
            self._connection.execute(delete(versions))
            self._connection.execute(delete(models).where(models.c.listed.is_(True)))  # the others come from the feed
            self._each(delete(models).where(models.c.id == bindparam("of")), [{"of": model_id} for model_id in states])
        else:
            states, added = self._join(past, first_live)
        rows = [
            {
                **model_row(state),
                "id": model_id,
                "first_seen": past.first_seen[model_id],
                "announced": state.present,
                "pending": None,
                "benchmarks": benchmarks.get(model_id),
                "missing": 0,
            }
            for model_id, state in states.items()
        ]
        self._each(insert(models), rows)
        rows = [
            {
                "model": version.model.id,
                "valid_from": version.valid_from,
                "valid_to": version.valid_to,
                "facets": pack(version.model.facets),
                "raw": compress(version.raw),
            }
            for version in added
        ]
        self._each(insert(versions), rows)

    def _latest_benchmarks(self, past: RebuiltHistory) -> dict[str, bytes | None]:
        """Return the latest benchmarks of each model, those stored included: versions do not hold them."""
        stored = select(models.c.id, models.c.benchmarks).where(models.c.benchmarks.is_not(None))
        found = {row.id: row.benchmarks for row in self._connection.execute(stored)}
        until = max((at for at, _ in self.times()), default=None)
        for model_id, (at, raw) in past.benchmarked.items():
            if model_id not in found or until is None or at >= until:
                found[model_id] = split_benchmarks(raw)[1]
        return found

    def _join(self, past: RebuiltHistory, first_live: datetime) -> tuple[dict[str, ModelState], list[Version]]:
        """Make room for the past before what the watcher saw, and return the models and the versions to add.

        A model that is the same on both sides keeps one version.
        """
        lasting = or_(versions.c.valid_to.is_(None), versions.c.valid_to > first_live)
        early = versions.c.valid_from < first_live
        self._connection.execute(update(versions).where(early, lasting).values(valid_from=first_live))
        self._connection.execute(delete(versions).where(early))
        query = select(versions).where(versions.c.valid_from == first_live)
        live = {row.model: (row.id, version_of(row)) for row in self._connection.execute(query)}
        ended: list[Version] = []
        for version in past.versions:
            number, after = live.get(version.model.id, (None, None))
            if version.valid_to is None and after and (after.model, after.raw) == (version.model, version.raw):
                start = update(versions).where(versions.c.id == number).values(valid_from=version.valid_from)
                self._connection.execute(start)
            else:
                ended.append(replace(version, valid_to=version.valid_to or first_live))
        # Models that only an import knew are stored anew.
        has_versions = select(versions.c.id).where(versions.c.model == models.c.id).exists()
        self._connection.execute(delete(models).where(models.c.listed.is_(True), ~has_versions))
        known = set(self._connection.execute(select(models.c.id)).scalars())
        seen = [{"of": model_id, "at": past.first_seen[model_id]} for model_id in known & past.first_seen.keys()]
        at = bindparam("at", type_=models.c.first_seen.type)
        earlier = update(models).where(models.c.id == bindparam("of"), models.c.first_seen > at)
        self._each(earlier.values(first_seen=at), seen)
        unknown = {model_id: state for model_id, state in past.states.items() if model_id not in known}
        return {model_id: _disappeared(state, past, first_live) for model_id, state in unknown.items()}, ended


def _disappeared(state: ModelState, past: RebuiltHistory, first_live: datetime) -> ModelState:
    """Return the state of a model that the watcher itself never saw: it disappeared before the first poll."""
    if not state.present:
        return state
    return replace(state, present=False, since=first_live, last_seen=past.polls[-1][0])
