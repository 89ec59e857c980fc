"""Imported history: stored captures to go through again, and what came of it put in their place."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Connection, Row, bindparam, delete, func, insert, or_, select, update

from watcher.catalog.state import ModelState
from watcher.rebuild import CaptureSeen, RebuiltHistory, Span, snapshots
from watcher.store.documents import compress, decompress, pack, split_benchmarks, unpack
from watcher.store.schema import events, models, polls, versions
from watcher.store.state import State, model_row

_AT_ONCE = 10_000
"""Events looked up in one query; SQLite takes 32,766 values in one."""


class Imported:
    """Reads and replaces imported history on an open connection, inside its transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def first_live(self) -> datetime | None:
        """Return the time of the first good poll of the watcher itself, None if it has not polled yet."""
        query = select(func.min(polls.c.at)).where(polls.c.imported.is_(False), polls.c.outcome == "good")
        return self._connection.execute(query).scalar()

    def times(self) -> list[tuple[datetime, int]]:
        """Return the time and the number of models of each imported capture, in order."""
        query = select(polls.c.at, polls.c.models).where(polls.c.imported.is_(True)).order_by(polls.c.at)
        return [(row.at, row.models) for row in self._connection.execute(query)]

    def captures(self) -> Iterator[CaptureSeen]:
        """Yield the imported captures in the order of their times, as they were."""
        query = select(versions).order_by(versions.c.valid_from)
        first_live = self.first_live()
        if first_live is not None:
            query = query.where(versions.c.valid_from < first_live)
        spans = [
            Span(row.model, row.valid_from, row.valid_to, unpack(row.facets, dict[str, Any]), decompress(row.raw))
            for row in self._connection.execute(query)
        ]
        return snapshots(spans, self.times())

    def replace(self, past: RebuiltHistory) -> None:
        """Put this past in the place of what was imported before; what the watcher itself saw stays."""
        first_live = self.first_live()
        self._connection.execute(delete(events).where(events.c.imported.is_(True)))
        self._connection.execute(delete(polls).where(polls.c.imported.is_(True)))
        for start in range(0, len(past.events), _AT_ONCE):
            State(self._connection).add_events(tuple(past.events[start : start + _AT_ONCE]), imported=True)
        self._many(
            insert(polls),
            [
                {"at": at, "outcome": "good", "models": total, "milliseconds": 0, "imported": True}
                for at, total in past.polls
            ],
        )
        if first_live is None:
            self._connection.execute(delete(versions))
            self._connection.execute(delete(models).where(models.c.listed.is_(True)))  # others are the feed's
            known = [{"of": model_id} for model_id in past.states]
            self._many(delete(models).where(models.c.id == bindparam("of")), known)
            self._add_models(past.states, past)
            self._add_versions(past.spans)
        else:
            self._join(past, first_live)

    def _join(self, past: RebuiltHistory, first_live: datetime) -> None:
        """Store the past before what the watcher saw: a model that is still as it was then has one version."""
        lasting = or_(versions.c.valid_to.is_(None), versions.c.valid_to > first_live)
        early = versions.c.valid_from < first_live
        self._connection.execute(update(versions).where(early, lasting).values(valid_from=first_live))
        self._connection.execute(delete(versions).where(early))
        live = {
            row.model: row
            for row in self._connection.execute(select(versions).where(versions.c.valid_from == first_live))
        }
        ended: list[Span] = []
        for span in past.spans:
            row = live.get(span.model)
            if span.end is None and row is not None and unpack(row.facets, dict[str, Any]) == span.facets:
                start = update(versions).where(versions.c.id == row.id).values(valid_from=span.start)
                self._connection.execute(start)
            else:
                ended.append(Span(span.model, span.start, span.end or first_live, span.facets, span.raw))
        self._forget_unseen()
        known = {row.id: row for row in self._connection.execute(select(models))}
        gone = {
            model_id: _gone(model_state, past, first_live)
            for model_id, model_state in past.states.items()
            if model_id not in known
        }
        self._add_models(gone, past)
        for model_id in known.keys() & past.first_seen.keys():
            self._seen_earlier(known[model_id], past.first_seen[model_id])
        self._add_versions(ended)

    def _forget_unseen(self) -> None:
        """Delete the models that only an import knew: they are stored anew."""
        has_versions = select(versions.c.id).where(versions.c.model == models.c.id).exists()
        self._connection.execute(delete(models).where(models.c.listed.is_(True), ~has_versions))

    def _seen_earlier(self, row: Row[Any], first_seen: datetime) -> None:
        if first_seen < row.first_seen:
            self._connection.execute(update(models).where(models.c.id == row.id).values(first_seen=first_seen))

    def _add_models(self, states: dict[str, ModelState], past: RebuiltHistory) -> None:
        rows = [
            {
                **model_row(model_state),
                "id": model_id,
                "first_seen": past.first_seen[model_id],
                "announced": model_state.present,
                "pending": None,
                "missing": 0,
            }
            for model_id, model_state in states.items()
        ]
        self._many(insert(models), rows)

    def _add_versions(self, spans: list[Span]) -> None:
        rows = [
            {
                "model": span.model,
                "valid_from": span.start,
                "valid_to": span.end,
                "facets": pack(span.facets),
                "raw": compress(split_benchmarks(span.raw)[0]),
            }
            for span in spans
        ]
        self._many(insert(versions), rows)

    def _many(self, statement: Any, rows: list[dict[str, Any]]) -> None:
        if rows:
            self._connection.execute(statement, rows)


def _gone(model_state: ModelState, past: RebuiltHistory, first_live: datetime) -> ModelState:
    """Return the model_state of a model that the watcher itself never saw: it went at the latest when that began."""
    if not model_state.present:
        return model_state
    return replace(model_state, present=False, since=first_live, last_seen=past.polls[-1][0])
