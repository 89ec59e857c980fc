"""What is remembered between two polls of each model, or of each provider's endpoint, with its versions."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Column, Table, bindparam, case, func, insert, select, update

from watcher.catalog.diff import Pending
from watcher.catalog.model import Model
from watcher.catalog.reading import Entry
from watcher.catalog.state import ModelState, ModelStates
from watcher.store.documents import compress, decompress, pack, split_benchmarks, unpack
from watcher.store.rows import Rows, newest_version
from watcher.store.schema import Time, models, versions

_AS_THEY_ARE = ("since", "digest", "present", "listed", "announced", "missing", "last_seen", "reminded")
"""The fields of a `ModelState` that are columns."""


class States(Rows):
    """Reads and writes states."""

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
        stored = self._documents([model_id for model_id in changed if model_id in entries and model_id in before])
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

    def _documents(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Return the document in the current version of each of these models that is present."""
        found: dict[str, bytes] = {}
        for start in range(0, len(ids), 1000):  # a database bounds the values in a query
            query = select(self._of.label("id"), self._versions.c.raw).where(
                self._of.in_(ids[start : start + 1000]), self._versions.c.valid_to.is_(None)
            )
            found |= {row.id: decompress(row.raw) for row in self._connection.execute(query)}
        return found


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
