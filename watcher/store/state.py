"""What is remembered between two polls: the sources, and the events."""

from collections.abc import Collection
from datetime import datetime

from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import delete, insert, select

from watcher.catalog.decision import SourceState
from watcher.catalog.health import Health
from watcher.catalog.model import Event
from watcher.store.documents import pack, unpack
from watcher.store.records import Poll
from watcher.store.rows import newest_version
from watcher.store.schema import events, found_models, models, polls, sources, versions
from watcher.store.states import States


class _Weights(Struct):
    hugging_face_id: str | None = None


class State(States):
    """Reads and writes the state."""

    # Sources and polls

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

    def add_poll(self, poll: Poll) -> None:
        """Record a poll."""
        self._connection.execute(insert(polls).values(asdict(poll)))

    # Models

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
                "id": event.id,
                "at": event.at,
                "kind": event.kind,
                "model": event.model,
                "imported": imported,
                "body": pack(event),
            }
            for event in made
            if event.id not in stored
        }
        self._each(insert(events), list(rows.values()))
