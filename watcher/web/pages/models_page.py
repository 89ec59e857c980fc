"""The pages that list models: those that are there, and those that are gone."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from watcher.api.query import BadQueryError, Query, to_decimal
from watcher.catalog.model import Alternative, Event, Kind
from watcher.store.history import KnownModel
from watcher.store.listing import Listing
from watcher.web.changes import is_checked, is_like, query_string
from watcher.web.pages.page import Asking, Page
from watcher.web.pages.rows import CACHE, Row

_MOST_ROWS = 1000
"""Models on one page."""
_GONE_ROWS = 100
DEPARTURE: tuple[Kind, ...] = ("new", "returned", "expiring", "expired")
"""The kinds of events that tell how a model came and went."""


class Column(Struct, frozen=True):
    """A column of the table."""

    heading: str
    explanation: str
    order: Callable[[Row, Mapping[str, datetime]], Any]
    """What it sorts by, given when each model changed last. Models without it come last either way."""


def _price(key: str) -> Callable[[Row, Any], object]:
    return lambda row, _: to_decimal(row.prices.get(key))


def _modalities(row: Row, _: object) -> object:
    return len({*row.input_modalities, *row.output_modalities}), *row.input_modalities


_COLUMNS = {
    "id": Column("Model", "", lambda row, _: row.id.lower()),
    "prompt": Column("In", "USD per million prompt tokens", _price("prompt")),
    "completion": Column("Out", "USD per million completion tokens", _price("completion")),
    "cache": Column("Cache read", "USD per million tokens read from a cache", _price(CACHE)),
    "context": Column("Context", "Tokens that fit into a conversation", lambda row, _: row.context_length),
    "modalities": Column("Modalities", "What it takes and gives", _modalities),
    "created": Column("Age", "Since it was published", lambda row, _: row.created),
    "changed": Column("Last change", "Since its last announced change", lambda row, changed: changed.get(row.id)),
}
_NAMES = ("q", "free", "modality", "parameter", "max_price", "min_context", "sort", "page")


class Wish(Struct, frozen=True):
    """Which models the reader wants to see, and in which order."""

    q: str = ""
    free: bool = False
    modality: str = ""
    parameter: str = ""
    max_price: Decimal | None = None
    """USD for a million prompt tokens."""
    min_context: int | None = None
    sort: str = "id"
    """A column; with `-` before it the other way round."""

    @classmethod
    def parse(cls, query: Query) -> "Wish":
        """Return the wish in a query. Raises BadQueryError."""
        values = query.values
        sort = values.get("sort", "id")
        if sort.removeprefix("-") not in _COLUMNS:
            raise BadQueryError(f'"sort" must be one of: {", ".join(_COLUMNS)}; with - before it the other way round')
        free = is_checked(query, "free")
        modality, parameter = (values.get(name, "").strip() for name in ("modality", "parameter"))
        most, least = query.decimal("max_price"), query.integer("min_context")
        return cls(values.get("q", "").strip(), free, modality, parameter, most, least, sort)

    def query(self, **changed: Any) -> str:
        """Return the wish as a query string, with some parts changed."""
        parts = asdict(self) | changed
        return "?" + query_string({name: value for name, value in parts.items() if (name, value) != ("sort", "id")})

    def of(self, rows: Iterable[Row], changed: Mapping[str, datetime]) -> list[Row]:
        """Return the models that are wanted, in order."""
        order = _COLUMNS[self.sort.removeprefix("-")].order
        keyed = [(order(row, changed), row) for row in rows if self._wants(row)]
        known = sorted((pair for pair in keyed if pair[0] is not None), key=lambda pair: (pair[0], pair[1].id))
        if self.sort.startswith("-"):
            known.reverse()
        return [row for _, row in known] + [row for key, row in keyed if key is None]

    def _wants(self, row: Row) -> bool:
        price = to_decimal(row.prices.get("prompt"))
        return (
            (not self.q or is_like(self.q, row.id, row.name))
            and (not self.free or row.free)
            and self.modality in ("", *row.input_modalities, *row.output_modalities)
            and self.parameter in ("", *row.supported_parameters)
            and (self.max_price is None or (price is not None and price * 1_000_000 <= self.max_price))
            and (self.min_context is None or (row.context_length or 0) >= self.min_context)
        )


def models_page(asking: Asking) -> Page:
    """Return the table of the models that are listed. Raises BadQueryError."""
    query = Query.parse(asking.query, _NAMES)
    wish, page = Wish.parse(query), query.integer("page", 1, 10_000) or 1
    known = asking.rows()
    rows, changed = known.by_id.values(), known.changed
    found = wish.of(rows, changed)
    shown = found[(page - 1) * _MOST_ROWS : page * _MOST_ROWS]
    modalities = sorted({wish.modality}.union(*((*row.input_modalities, *row.output_modalities) for row in rows)))
    more = {
        "wish": wish,
        "rows": shown,
        "changed": changed,
        "total": len(rows),
        "modalities": modalities,
        "columns": _COLUMNS,
        "earlier": wish.query(page=page - 1) if page > 1 else None,
    }
    data = {
        "count": len(found),
        "models": [{**_without_cells(row), "last_change": changed.get(row.id)} for row in shown],
        "next": wish.query(page=page + 1) if len(found) > page * _MOST_ROWS else None,
    }
    return Page("models", "Models", data, more, feed="")


def _without_cells(row: Row) -> dict[str, Any]:
    return {name: value for name, value in asdict(row).items() if name != "cells"}


class Departure(Struct, frozen=True):
    """How a model went."""

    model: KnownModel
    announced: datetime | None
    """When its expiration date was announced first; None: it left without a word."""
    date: str | None
    """Its expiration date, as announced last."""
    successors: Sequence[Alternative]
    days: int | None
    """How long it was seen."""


def gone_page(asking: Asking) -> Page:
    """Return the list of the models that are gone, the latest first. Raises BadQueryError."""
    query = Query.parse(asking.query, ("q", "page"))
    text, page = query.values.get("q", "").strip(), query.integer("page", 1, 10_000) or 1
    found = [model for model in Listing(asking.session.connection).gone() if is_like(text, model.id, model.name)]
    shown = found[(page - 1) * _GONE_ROWS : page * _GONE_ROWS]
    ids = [model.id for model in shown]
    news: dict[str | None, list[Event]] = {id: [] for id in ids}
    for event in asking.session.history.events(kinds=DEPARTURE, about=ids) if ids else ():
        news[event.model].append(event)
    data = {
        "count": len(found),
        "models": [departure(model, news[model.id]) for model in shown],
        "next": "?" + query_string({"q": text, "page": page + 1}) if len(found) > page * _GONE_ROWS else None,
    }
    more = {"text": text, "earlier": "?" + query_string({"q": text, "page": page - 1}) if page > 1 else None}
    return Page("gone", "Gone", data, more, feed="kind=expired,returned")


def departure(model: KnownModel, news: Sequence[Event]) -> Departure:
    """Return how a model went, given what was announced about it, oldest first."""
    dated = [event for event in news if event.offer is not None and event.offer.expiration_date]
    before = [event.at for event in dated if event.kind != "expired"]
    date = dated[-1].offer.expiration_date if dated and dated[-1].offer is not None else None
    successors = next((event.alternatives for event in reversed(news) if event.alternatives), ())
    days = None if model.last_seen is None else (model.last_seen - model.first_seen).days
    return Departure(model, before[0] if before else None, date, successors, days)
