"""What pages show of many models: the ones that are listed, and the ones that are gone."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, TypedDict

from msgspec import Struct
from sqlalchemy import func, select

from watcher.catalog.model import Model
from watcher.catalog.timeline import Period
from watcher.store.documents import decompress, unpack
from watcher.store.history import KnownModel
from watcher.store.rows import Rows
from watcher.store.schema import events, models, polls, versions


class Edition(Struct, frozen=True):
    """What the pages follow from: equal editions have equal pages."""

    polled: datetime | None
    """The time of the last good poll."""
    state: tuple[Any, ...]


class Listing(Rows):
    """Reads for pages. How long it takes depends on what is shown, not on how long the history is."""

    def edition(self) -> Edition:
        """Return what differs after anything new was recorded, or imported."""
        polled = self._scalar(select(func.max(polls.c.at)).where(polls.c.outcome == "good"))
        moments = [select(func.max(column)) for column in (versions.c.id, versions.c.valid_from, versions.c.valid_to)]
        counts = [select(func.count()).select_from(table) for table in (models, events)]
        return Edition(polled, tuple(self._scalar(query) for query in (*moments, *counts)))

    def current(self) -> dict[int, str]:
        """Return the number of the current version of each listed model, and its id."""
        query = select(versions.c.id, versions.c.model).where(versions.c.valid_to.is_(None))
        return dict(self._connection.execute(query).tuples().all())

    def models(self, numbers: Collection[int]) -> Iterator[tuple[int, Model]]:
        """Yield the models of these versions."""
        query = select(versions.c.id, versions.c.model, versions.c.facets)
        for number, model, facets in self._in_parts(query, versions.c.id, numbers):
            yield number, Model(model, unpack(facets, dict[str, Any]))

    def last_changes(self) -> dict[str, datetime]:
        """Return when the last change of each model was announced."""
        query = select(events.c.model, func.max(events.c.at)).where(events.c.model.is_not(None))
        return dict(self._connection.execute(query.group_by(events.c.model)).tuples().all())

    def gone(self) -> list[KnownModel]:
        """Return the models that were listed and are announced as gone, the latest first."""
        columns = (models.c[name] for name in KnownModel.__struct_fields__)
        query = select(*columns).where(models.c.listed, ~models.c.present, models.c.announced.is_not(True))
        return [KnownModel(*row) for row in self._connection.execute(query.order_by(models.c.last_seen.desc()))]

    def periods(self, model_id: str, only: str | None = None) -> Sequence[Period]:
        """Return the facets that a model had, oldest first: all of them, or `only` that at a path, which is faster."""
        kind: Any = dict[str, Any] if only is None else _facet(only)
        query = select(versions.c.valid_from, versions.c.valid_to, versions.c.facets)
        query = query.where(versions.c.model == model_id).order_by(versions.c.valid_from, versions.c.id)
        return [Period(start, end, unpack(facets, kind)) for start, end, facets in self._connection.execute(query)]

    def document(self, model_id: str) -> bytes | None:
        """Return a model's last document as it came; None if it was never listed."""
        query = select(versions.c.raw).where(versions.c.model == model_id)
        raw = self._scalar(query.order_by(versions.c.valid_from.desc(), versions.c.id.desc()).limit(1))
        return None if raw is None else decompress(raw)


@lru_cache
def _facet(path: str) -> Any:
    """Return a type of dictionary that has the facet at `path` alone."""
    return TypedDict("_Facet", {path: Any}, total=False)  # type: ignore[operator]
