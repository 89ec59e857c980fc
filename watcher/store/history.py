"""Questions about the past: what was offered at a moment, how a model changed, what was announced."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import Row, Select, func, select, union_all

from watcher.catalog.model import CHANGE_KINDS, KINDS, Event, Facets, Model
from watcher.store.documents import decompress, unpack
from watcher.store.rows import Rows, newest_version, valid_at
from watcher.store.schema import events, models, polls, versions


class Version(Struct, frozen=True):
    """A model as it was from `valid_from` until `valid_to` (None: it still is)."""

    model: Model
    valid_from: datetime
    valid_to: datetime | None
    raw: bytes
    """The document as it came, without its benchmarks."""


class KnownModel(Struct, frozen=True):
    """When a model was seen."""

    id: str
    name: str
    first_seen: datetime
    last_seen: datetime | None
    """None: the last good poll showed it."""
    present: bool
    listed: bool

    @property
    def gone(self) -> bool:
        """Whether the list showed it, and no longer does; a model that only the feed names is not gone."""
        return self.listed and not self.present


class History(Rows):
    """Reads the past."""

    def known(self, model_id: str | None = None) -> list[KnownModel]:
        """Return every model ever seen, or the one with that id, by id."""
        query = select(*(models.c[name] for name in KnownModel.__struct_fields__)).order_by(models.c.id)
        if model_id is not None:
            query = query.where(models.c.id == model_id)
        return [KnownModel(*row) for row in self._connection.execute(query)]

    def variants(self, model_id: str) -> list[str]:
        """Return the ids ever seen that differ from this one in their variant alone."""
        base, id = model_id.partition(":")[0], models.c.id
        query = select(id).where((id == base) | ((id >= f"{base}:") & (id < f"{base};")), id != model_id)
        return list(self._connection.execute(query.order_by(id)).scalars())

    def present(self) -> int:
        """Return how many models the last good poll showed."""
        return self._scalar(select(func.count()).select_from(models).where(models.c.present)) or 0

    def names(self) -> dict[str, str]:
        """Return the id and the name of every model ever seen."""
        return dict(self._connection.execute(select(models.c.id, models.c.name)).tuples().all())

    def catalogue(self, at: datetime | None = None) -> list[Version]:
        """Return every model that the list showed at a moment (None: now), by id."""
        return self._versions(select(versions).where(valid_at(versions, at)).order_by(versions.c.model))

    def facets(self, at: datetime) -> dict[str, Facets]:
        """Return the normal form of every model that the list showed at a moment."""
        return {version.model.id: version.model.facets for version in self.catalogue(at)}

    def versions(self, model_id: str) -> list[Version]:
        """Return all versions of a model, oldest first."""
        query = select(versions).where(versions.c.model == model_id)
        return self._versions(query.order_by(versions.c.valid_from, versions.c.id))

    def latest(self, model_ids: Collection[str]) -> list[Version]:
        """Return the newest version of each of these models, those that are gone included, by id."""
        newest = newest_version(models, versions.c.model)
        query = select(versions).select_from(models.join(versions, versions.c.id == newest))
        return self._versions(query.where(models.c.id.in_(model_ids)).order_by(models.c.id))

    def _versions(self, query: Select[Any]) -> list[Version]:
        return [version_of(row) for row in self._connection.execute(query)]

    def watched_until(self) -> datetime | None:
        """Return the time of the last good poll, imported ones included; None if there was none."""
        return self._scalar(select(func.max(polls.c.at)).where(polls.c.outcome == "good"))

    def changes(self, since: datetime, until: datetime) -> int:
        """Return how many changes of models were announced after `since`, up to `until`."""
        query = select(func.count()).select_from(events).where(events.c.at > since, events.c.at <= until)
        return self._scalar(query.where(events.c.kind.in_(CHANGE_KINDS), events.c.imported.is_(False))) or 0

    def event_counts(self) -> dict[str, int]:
        """Return how many events were ever announced, by kind; imported ones apart."""
        query = select(events.c.kind, func.count()).where(events.c.imported.is_(False)).group_by(events.c.kind)
        return dict(self._connection.execute(query).tuples().all())

    def after(self, moment: datetime) -> tuple[int, datetime | None]:
        """Return how many polls and events were recorded after a moment, and the time of the last one."""
        counts = [
            self._connection.execute(select(func.count(), func.max(table.c.at)).where(table.c.at > moment)).one()
            for table in (polls, events)
        ]
        return sum(count for count, _ in counts), max((last for _, last in counts if last is not None), default=None)

    def events(
        self,
        *,
        since: datetime | None = None,
        kinds: Iterable[str] = (),
        about: Collection[str] | None = None,
        before: str | None = None,
        limit: int | None = None,
    ) -> list[Event]:
        """Return announced events, oldest first.

        Args:
            since: only those announced at this time or later.
            kinds: only those of these kinds (empty: all).
            about: only those about the models with these ids (None: all, and those about no model).
            before: only those announced before the event with this id; none if there is no such event.
            limit: only this many, the newest.
        """
        newest = (events.c.at.desc(), events.c.id.desc())
        query = select(events.c.at, events.c.id, events.c.body).order_by(*newest).limit(limit)
        if since is not None:
            query = query.where(events.c.at >= since)
        if before is not None:
            at = select(events.c.at).where(events.c.id == before).scalar_subquery()
            query = query.where((events.c.at < at) | ((events.c.at == at) & (events.c.id < before)))
        kinds = list(kinds)
        if about is not None:  # few events are about some models, so that no index of kinds helps
            query = query.where(events.c.model.in_(about))
            query = query.where((events.c.kind + "").in_(kinds)) if kinds else query
        elif len(kinds) > 1 and limit is not None:  # one after the other, each is read in the order of its index
            each = (select(query.where(events.c.kind == kind).subquery()) for kind in kinds)
            together = union_all(*each).subquery()
            query = select(together).order_by(together.c.at.desc(), together.c.id.desc()).limit(limit)
        elif kinds:
            query = query.where(events.c.kind.in_(kinds))
        found = [unpack(row.body, Event) for row in self._connection.execute(query)]
        return sorted(found, key=lambda event: (event.at, KINDS.index(event.kind), event.model or ""))


def version_of(row: Row[Any]) -> Version:
    """Return the version in a row of the table."""
    model = Model(row.model, unpack(row.facets, dict[str, Any]))
    return Version(model, row.valid_from, row.valid_to, decompress(row.raw))
