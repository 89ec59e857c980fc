"""The state between two polls: sources, models with what is pending of them, and their versions."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, case, func, insert, select, update

from watcher.catalog.decision import SourceState
from watcher.catalog.diff import Pending
from watcher.catalog.health import Health
from watcher.catalog.model import Event, Model
from watcher.catalog.reading import Entry
from watcher.catalog.state import ModelState, ModelStates
from watcher.store.documents import compress, pack, split_benchmarks, unpack
from watcher.store.records import Poll
from watcher.store.schema import Time, events, models, polls, sources, versions


class State:
    """Reads and writes the state on an open connection, inside its transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # Sources and polls

    def source(self, name: str) -> SourceState:
        """Return what is remembered of the source `name` (`list` or `feed`)."""
        row = self._connection.execute(select(sources).where(sources.c.name == name)).one_or_none()
        if row is None:
            return SourceState()
        health = unpack(row.health, Health)
        return SourceState(row.query, row.policy, row.digest, row.models, row.next_due, health)

    def save_source(self, name: str, source: SourceState) -> None:
        """Remember the source `name` as it is now."""
        values = {
            "query": source.query,
            "policy": source.policy,
            "digest": source.digest,
            "models": source.models,
            "next_due": source.next_due,
            "health": pack(source.health),
        }
        done = self._connection.execute(update(sources).where(sources.c.name == name).values(values))
        if not done.rowcount:
            self._connection.execute(insert(sources).values(name=name, **values))

    def last_good(self) -> datetime | None:
        """Return the time of the last good poll."""
        query = (
            select(polls.c.at)
            .where(polls.c.outcome == "good", polls.c.imported.is_(False))
            .order_by(polls.c.id.desc())
            .limit(1)
        )
        return self._connection.execute(query).scalar()

    def newest_poll(self) -> int:
        """Return the number of the newest row in the record of polls, imported ones included."""
        return self._connection.execute(select(func.max(polls.c.id))).scalar() or 0

    def last_poll(self) -> Poll | None:
        """Return the last poll that was not overtaken by a later one."""
        row = self._connection.execute(
            select(polls)
            .where(polls.c.imported.is_(False), polls.c.outcome != "overtaken")
            .order_by(polls.c.id.desc())
            .limit(1)
        ).one_or_none()
        if row is None:
            return None
        return Poll(**{name: getattr(row, name) for name in Poll.__struct_fields__})

    def overtaken(self, asked: datetime, until: datetime) -> bool:
        """Whether a poll that asked the source later than `asked` is stored already, so that it saw a newer list.

        A record from after `until`, the present, is that of a clock that was wrong.
        """
        query = select(polls.c.id).where(polls.c.imported.is_(False), polls.c.at > asked, polls.c.at <= until)
        return self._connection.execute(query.limit(1)).first() is not None

    def add_poll(self, poll: Poll) -> None:
        """Record a poll: one small row."""
        self._connection.execute(insert(polls).values({name: getattr(poll, name) for name in Poll.__struct_fields__}))

    # Models

    def model_states(self) -> dict[str, ModelState]:
        """Return every model known, by id."""
        # One look into the index a model: the time does not grow with the history.
        own = versions.alias()
        newest = select(own.c.id).where(own.c.model == models.c.id).correlate(models)
        newest = newest.order_by(own.c.valid_from.desc(), own.c.id.desc()).limit(1)
        names = [column for column in models.c if column.name not in ("first_seen", "benchmarks")]
        known = models.outerjoin(versions, versions.c.id == newest.scalar_subquery())
        query = select(*names, versions.c.facets).select_from(known)
        return {
            row.id: _state(row, unpack(row.facets, dict[str, Any]) if row.facets else {"name": row.name})
            for row in self._connection.execute(query)
        }

    def save_states(
        self, changed: ModelStates, before: ModelStates, entries: Mapping[str, Entry], now: datetime
    ) -> None:
        """Store the states that a judgement changed, and a new version of each model whose normal form changed.

        Args:
            changed: the states as they are now.
            before: all states as they were, from `states`.
            entries: the documents as they came.
            now: the time of the poll.
        """
        added: list[dict[str, Any]] = []
        judged: list[dict[str, Any]] = []
        updated: list[dict[str, Any]] = []
        closed: list[dict[str, Any]] = []
        opened: list[dict[str, Any]] = []
        for model_id, model_state in changed.items():
            old = before.get(model_id)
            row = model_row(model_state)
            was_there = old is not None and old.present
            same = old is not None and old.model.facets == model_state.model.facets
            entry = entries.get(model_id)
            raw, benchmarks = (None, None) if entry is None else split_benchmarks(entry.raw)
            if was_there and not (same and model_state.present):
                closed.append({"of": model_id, "at": now})
            if model_state.present and not (was_there and same):
                assert raw is not None
                opened.append(
                    {"of": model_id, "at": now, "facets": pack(model_state.model.facets), "raw": compress(raw)}
                )
            if old is None:
                added.append({**row, "id": model_id, "first_seen": now, "benchmarks": benchmarks})
            elif entry is not None:
                judged.append({**row, "of": model_id, "benchmarks": benchmarks})
            else:
                updated.append({**row, "of": model_id})
        self._many(insert(models), added)
        for rows in (judged, updated):
            self._many(update(models).where(models.c.id == bindparam("of")), rows)
        close = update(versions).where(versions.c.model == bindparam("of"), versions.c.valid_to.is_(None))
        self._many(close.values(valid_to=_not_before(versions.c.valid_from)), closed)
        ended = select(func.max(versions.c.valid_to)).where(versions.c.model == bindparam("of")).scalar_subquery()
        self._many(insert(versions).values(model=bindparam("of"), valid_from=_not_before(ended)), opened)

    def add_events(self, made: tuple[Event, ...], *, imported: bool = False) -> None:
        """Store events; one that is there already stays as it is."""
        new = {event.id: event for event in made}
        for row in self._connection.execute(select(events.c.id).where(events.c.id.in_(list(new)))):
            del new[row.id]
        rows = [
            {"id": e.id, "at": e.at, "kind": e.kind, "model": e.model, "imported": imported, "body": pack(e)}
            for e in new.values()
        ]
        self._many(insert(events), rows)

    def _many(self, statement: Any, rows: list[dict[str, Any]]) -> None:
        if rows:
            self._connection.execute(statement, rows)


def _not_before(moment: Any) -> Any:
    """Return the bound time `at`, or `moment` if that is later: a clock that steps back makes no versions overlap."""
    at = bindparam("at", type_=Time)
    return case((moment > at, moment), else_=at)


def _state(row: Any, facets: dict[str, Any]) -> ModelState:
    return ModelState(
        model=Model(row.id, facets),
        since=row.since,
        digest=row.digest,
        present=row.present,
        listed=row.listed,
        announced=row.announced,
        missing=row.missing,
        last_seen=row.last_seen,
        pending=unpack(row.pending, dict[str, Pending]) if row.pending else {},
        recent=unpack(row.recent, dict[str, tuple[datetime, ...]]) if row.recent else {},
        reminded=row.reminded,
    )


def model_row(model_state: ModelState) -> dict[str, Any]:
    """Return the columns of `models` that a model_state fills."""
    return {
        "name": model_state.model.name,
        "since": model_state.since,
        "digest": model_state.digest,
        "present": model_state.present,
        "listed": model_state.listed,
        "announced": model_state.announced,
        "missing": model_state.missing,
        "last_seen": model_state.last_seen,
        "pending": pack(model_state.pending) if model_state.pending else None,
        "recent": pack(model_state.recent) if model_state.recent else None,
        "reminded": model_state.reminded,
    }
