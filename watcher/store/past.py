"""The catalogue at a moment as documents, for those who serve or export it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import func, select

from watcher.catalog.model import Facets
from watcher.store.documents import decompress, unpack
from watcher.store.history import Version, version_of
from watcher.store.rows import Rows, valid_at
from watcher.store.schema import models, polls, versions


class Document(Struct, frozen=True):
    """One model's document as it came, without its benchmarks."""

    model: str
    raw: bytes
    facets: Facets | None
    """Its normal form, where prices depend on the time; else None."""
    benchmarks: bytes | None
    """Its benchmarks as they were known last, as JSON."""


class Catalogue(Struct, frozen=True):
    """What the list showed at one poll."""

    polled: datetime
    """The time of the last good poll up to the moment that was asked for."""
    changed: datetime
    """Since when the list is like this; benchmarks apart."""
    documents: list[Document]


class Past(Rows):
    """Reads documents."""

    def version(self) -> tuple[Any, ...]:
        """Return what differs after each poll and each import."""
        poll = select(func.max(polls.c.id), func.count(polls.c.id), func.max(polls.c.at))
        span = select(func.max(versions.c.id), func.count(versions.c.id), func.max(versions.c.valid_to))
        return (*self._connection.execute(poll).one(), *self._connection.execute(span).one())

    def first(self) -> datetime | None:
        """Return the time of the first good poll, or of the first version where old polls were pruned."""
        poll = select(func.min(polls.c.at)).where(polls.c.outcome == "good")
        found = [self._scalar(query) for query in (poll, select(func.min(versions.c.valid_from)))]
        return min((at for at in found if at is not None), default=None)

    def polled(self, at: datetime | None = None) -> datetime | None:
        """Return the time of the last good poll up to a moment (None: now); None before the first."""
        query = select(func.max(polls.c.at)).where(polls.c.outcome == "good")
        began = select(func.max(versions.c.valid_from))
        if at is not None:
            query, began = query.where(polls.c.at <= at), began.where(versions.c.valid_from <= at)
        # Polls are pruned after a year, versions never.
        return self._scalar(query) or self._scalar(began)

    def catalogue(self, polled: datetime) -> Catalogue:
        """Return what the list showed at a good poll, by id."""
        query = (
            select(versions.c.model, versions.c.raw, versions.c.facets, models.c.benchmarks)
            .join(models, models.c.id == versions.c.model)
            .where(valid_at(versions, polled))
            .order_by(versions.c.model)
        )
        documents = []
        for model, packed, facets, benchmarks in self._connection.execute(query):
            raw = decompress(packed)
            timed = unpack(facets, dict[str, Any]) if b'"utc_' in raw else None
            documents.append(Document(model, raw, timed, benchmarks and decompress(benchmarks)))
        moments = (versions.c.valid_from, versions.c.valid_to)
        last = [self._scalar(select(func.max(at)).where(at <= polled)) for at in moments]
        return Catalogue(polled, max((at for at in last if at is not None), default=polled), documents)

    def versions(self) -> Iterator[Version]:
        """Yield all that every model was: by model, oldest first."""
        query = select(versions).order_by(versions.c.model, versions.c.valid_from, versions.c.id)
        return map(version_of, self._connection.execute(query))
