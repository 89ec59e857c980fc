"""What is remembered between two polls: models with their versions, sources, polls, and events."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, ClassVar

from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import Column, Table, bindparam, case, delete, func, insert, select, update

from watcher.catalog.decision import SourceState
from watcher.catalog.diff import Pending
from watcher.catalog.health import Health
from watcher.catalog.model import Event, Model
from watcher.catalog.reading import Entry
from watcher.catalog.state import ModelState, ModelStates
from watcher.store.documents import compress, decompress, pack, split_benchmarks, unpack
from watcher.store.records import Poll
from watcher.store.rows import Rows, newest_version
from watcher.store.schema import Time, events, found_models, models, polls, sources, versions

_AS_THEY_ARE = ("since", "digest", "present", "listed", "announced", "missing", "last_seen", "reminded")
"""The fields of a `ModelState` that are columns."""


class States(Rows):
    """Reads and writes the states of models, or of providers' endpoints, with their versions."""

    _models: ClassVar[Table] = models
    _versions: ClassVar[Table] = versions
    _of: ClassVar[Column[Any]] = versions.c.model
    """The column of versions that says whose they are."""

    def model_states(self, under: str | None = None) -> dict[str, ModelState]:
        """Return every known model, by id; only those whose ids begin with the text `under`."""
        models, versions = self._models, self._versions
        columns = [column for column in models.c if column.name not in ("first_seen", "benchmarks")]
        joined = models.outerjoin(versions, versions.c.id == newest_version(models, self._of))
        query = select(*columns, versions.c.facets).select_from(joined)
        if under is not None:
            query = query.where(models.c.id.startswith(under, autoescape=True))
        return {row.id: _model_state(row) for row in self._connection.execute(query)}

    def save_states(
        self, changed: ModelStates, before: ModelStates, entries: Mapping[str, Entry], now: datetime
    ) -> None:
        """Store changed states, and a new version of each model whose document changed, its benchmarks apart.

        `before` is what `model_states` returned, `entries` are the documents as they came.
        """
        models, versions = self._models, self._versions
        added: list[dict[str, Any]] = []
        judged: list[dict[str, Any]] = []
        updated: list[dict[str, Any]] = []
        closed: list[dict[str, Any]] = []
        opened: list[dict[str, Any]] = []
        documents = select(self._of, versions.c.raw).where(versions.c.valid_to.is_(None))
        known = changed.keys() & entries.keys() & before.keys()
        stored = {model_id: decompress(raw) for model_id, raw in self._in_parts(documents, self._of, known)}
        for model_id, state in changed.items():
            old, entry, row = before.get(model_id), entries.get(model_id), model_row(state)
            was_present = old is not None and old.present
            raw, benchmarks = (None, None) if entry is None else split_benchmarks(entry.raw)
            same = old is not None and old.model.facets == state.model.facets and raw in (None, stored.get(model_id))
            latest = {"benchmarks": benchmarks} if "benchmarks" in models.c else {}
            if was_present and not (same and state.present):
                closed.append({"of": model_id, "at": now})
            if state.present and not (was_present and same):
                assert raw is not None
                opened.append({"of": model_id, "at": now, "facets": pack(state.model.facets), "raw": compress(raw)})
            if old is None:
                added.append({**row, "id": model_id, "first_seen": now, **latest})
            elif entry is not None:
                judged.append({**row, "of": model_id, **latest})
            else:
                updated.append({**row, "of": model_id})
        self._each(insert(models), added)
        for rows in (judged, updated):
            self._each(update(models).where(models.c.id == bindparam("of")), rows)
        close = update(versions).where(self._of == bindparam("of"), versions.c.valid_to.is_(None))
        self._each(close.values(valid_to=_not_before(versions.c.valid_from)), closed)
        ended = select(func.max(versions.c.valid_to)).where(self._of == bindparam("of")).scalar_subquery()
        self._each(insert(versions).values({self._of.name: bindparam("of"), "valid_from": _not_before(ended)}), opened)


class _Weights(Struct):
    hugging_face_id: str | None = None


class State(States):
    """Reads and writes sources, polls and events as well."""

    def source(self, name: str) -> SourceState:
        """Return what is remembered of the source `name` (`list` or `feed`)."""
        query = select(*(sources.c[field] for field in SourceState.__struct_fields__)).where(sources.c.name == name)
        row = self._connection.execute(query).one_or_none()
        if row is None:
            return SourceState()
        return SourceState(**{**row._mapping, "health": unpack(row.health, Health)})

    def save_source(self, name: str, source: SourceState) -> None:
        """Remember the source `name` as it is now."""
        self._save(sources, {"name": name}, {**asdict(source), "health": pack(source.health)})

    def last_good(self) -> datetime | None:
        """Return the time of the last good poll of the watcher itself."""
        query = select(polls.c.at).where(polls.c.outcome == "good", polls.c.imported.is_(False))
        return self._scalar(query.order_by(polls.c.id.desc()).limit(1))

    def last_poll(self) -> Poll | None:
        """Return the last poll that was not overtaken by a later one."""
        query = select(*(polls.c[field] for field in Poll.__struct_fields__))
        query = query.where(polls.c.imported.is_(False), polls.c.outcome != "overtaken")
        row = self._connection.execute(query.order_by(polls.c.id.desc()).limit(1)).one_or_none()
        return None if row is None else Poll(**row._mapping)

    def overtaken(self, asked: datetime, until: datetime) -> bool:
        """Whether a stored poll asked the source later than `asked`, so that it saw a newer list.

        A record from after `until`, the present, was written by a wrong clock and does not count.
        """
        query = select(polls.c.id).where(polls.c.imported.is_(False), polls.c.at > asked, polls.c.at <= until)
        return self._scalar(query.limit(1)) is not None

    def poll_counts(self, after: int) -> dict[str, int]:
        """Return how many polls were stored after the one with this id, by outcome."""
        query = select(polls.c.outcome, func.count()).where(polls.c.id > after, polls.c.imported.is_(False))
        return dict(self._connection.execute(query.group_by(polls.c.outcome)).tuples().all())

    def add_poll(self, poll: Poll) -> None:
        """Record a poll."""
        self._connection.execute(insert(polls).values(asdict(poll)))

    def hugging_face_ids(self) -> dict[str, str | None]:
        """Return every known model, by id, with its id at Hugging Face if it has one."""
        joined = models.outerjoin(versions, versions.c.id == newest_version(models, versions.c.model))
        rows = self._connection.execute(select(models.c.id, versions.c.facets).select_from(joined))
        return {row.id: unpack(row.facets, _Weights).hugging_face_id if row.facets else None for row in rows}

    def found_models(self) -> frozenset[str]:
        """Return the ids that the last whole scan of `[mine] paths` found."""
        return frozenset(self._connection.execute(select(found_models.c.model)).scalars())

    def save_found_models(self, found: Collection[str]) -> None:
        """Replace what `found_models` returns."""
        if self.found_models() != set(found):
            self._connection.execute(delete(found_models))
            self._each(insert(found_models), [{"model": model} for model in sorted(found)])

    def add_events(self, made: tuple[Event, ...], *, imported: bool = False) -> None:
        """Store events. An event that is stored already stays as it is."""
        if not made:
            return
        query = select(events.c.id).where(events.c.at >= min(event.at for event in made))
        stored = set(self._connection.execute(query).scalars())
        rows = {
            event.id: {
                **{name: getattr(event, name) for name in ("id", "at", "kind", "model")},
                "imported": imported,
                "body": pack(event),
            }
            for event in made
            if event.id not in stored
        }
        self._each(insert(events), list(rows.values()))


def _not_before(moment: Any) -> Any:
    """Return the bound time `at`, or `moment` if that is later: a clock that steps back makes no versions overlap."""
    at = bindparam("at", type_=Time)
    return case((moment > at, moment), else_=at)


def _model_state(row: Any) -> ModelState:
    return ModelState(
        model=Model(row.id, unpack(row.facets, dict[str, Any]) if row.facets else {"name": row.name}),
        pending=unpack(row.pending, dict[str, Pending]) if row.pending else {},
        recent=unpack(row.recent, dict[str, tuple[datetime, ...]]) if row.recent else {},
        **{name: row._mapping[name] for name in _AS_THEY_ARE},
    )


def model_row(state: ModelState) -> dict[str, Any]:
    """Return the columns that a state fills."""
    return {
        "name": state.model.name,
        "pending": pack(state.pending) if state.pending else None,
        "recent": pack(state.recent) if state.recent else None,
        **{name: getattr(state, name) for name in _AS_THEY_ARE},
    }
