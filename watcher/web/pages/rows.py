"""The models that are listed now, as rows of a table."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from threading import Lock

from msgspec import Struct

from watcher.catalog.event import offer
from watcher.catalog.model import Model, Offer
from watcher.catalog.pricing import is_free
from watcher.messages.prices import count, list_price, price_text
from watcher.store.listing import Edition, Listing
from watcher.store.session import Session

CACHE = "input_cache_read"
_WHOLE = re.compile(r"\$\d+(?![\d.])")
"""Whole dollars, which have cents in a table, so that the points are in line."""


class Row(Struct, frozen=True):
    """A model that is listed."""

    id: str
    name: str
    prices: Mapping[str, str]
    """Price key → decimal USD per token, as in an event's offer."""
    context_length: int | None
    max_completion_tokens: int | None
    input_modalities: Sequence[str]
    output_modalities: Sequence[str]
    supported_parameters: Sequence[str]
    created: datetime | None
    expiration_date: str | None
    knowledge_cutoff: str | None
    canonical_slug: str | None
    target: str | None
    """Of an alias: the model that it points to."""
    cells: Sequence[str]
    """How a table shows its prices in, out and from a cache, its context and its modalities."""

    @property
    def free(self) -> bool:
        return is_free(self.prices)


class Rows:
    """The rows, of which only the new ones are read again. Any thread may read them."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: dict[int, Row] = {}
        self._edition: Edition | None = None
        self.by_id: Mapping[str, Row] = {}
        self.changed: Mapping[str, datetime] = {}
        """When the last change of each model was announced."""

    def read(self, session: Session, edition: Edition) -> "Rows":
        """Bring the rows up to date with an edition."""
        with self._lock:
            if edition != self._edition:
                listing = Listing(session.connection)
                numbers = listing.current()
                fresh = {number: _row(model) for number, model in listing.models(numbers.keys() - self._known.keys())}
                self._known = {number: fresh.get(number) or self._known[number] for number in numbers}
                self.by_id = {row.id: row for row in sorted(self._known.values(), key=lambda row: row.id)}
                self.changed = listing.last_changes()
                self._edition = edition
            return self


def _row(model: Model) -> Row:
    offered, facets = offer(model.facets), model.facets
    return Row(
        model.id,
        model.name,
        offered.prices,
        offered.context_length,
        offered.max_completion_tokens,
        offered.input_modalities,
        offered.output_modalities,
        offered.supported_parameters,
        _moment(facets.get("created")),
        offered.expiration_date,
        facets.get("knowledge_cutoff"),
        facets.get("canonical_slug"),
        facets.get("alias_target.slug"),
        tuple(_cells(offered)),
    )


def _cells(offered: Offer) -> Iterator[str]:
    prices = offered.prices
    cache = price_text(CACHE, prices[CACHE]) if CACHE in prices else ""
    for text in (list_price(prices, "prompt"), list_price(prices, "completion"), cache):
        yield _WHOLE.sub(r"\g<0>.00", text)
    yield count(offered.context_length) if offered.context_length else ""
    inputs, outputs = ", ".join(offered.input_modalities), ", ".join(offered.output_modalities)
    yield inputs if inputs == outputs else f"{inputs} → {outputs}"


def _moment(created: object) -> datetime | None:
    """Return the time in Unix seconds; None if it is not one of this age."""
    if isinstance(created, int | float) and 0 < created < 1e11:
        return datetime.fromtimestamp(created, UTC)
    return None
