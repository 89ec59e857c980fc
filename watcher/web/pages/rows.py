"""The models that are listed now, as rows of a table."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from msgspec import Struct

from watcher.catalog.event import offer
from watcher.catalog.model import Model
from watcher.catalog.pricing import is_free
from watcher.store.listing import Edition, Listing
from watcher.store.session import Session

CACHE = "input_cache_read"


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

    @property
    def free(self) -> bool:
        return is_free(self.prices)

    @property
    def cache(self) -> str | None:
        """The price of a token that is read from a cache."""
        return self.prices.get(CACHE)

    @property
    def modalities(self) -> str:
        """What it takes and gives: `image, text → text`; one of them where they are the same."""
        takes, gives = ", ".join(self.input_modalities), ", ".join(self.output_modalities)
        return takes if takes == gives else f"{takes} → {gives}"


class Rows:
    """The rows, of which only the new ones are read again."""

    def __init__(self) -> None:
        self._known: dict[int, Row] = {}
        self._edition: Edition | None = None
        self.by_id: Mapping[str, Row] = {}
        self.changed: Mapping[str, datetime] = {}
        """When the last change of each model was announced."""
        self.polled: datetime | None = None

    def read(self, session: Session, edition: Edition) -> "Rows":
        """Bring the rows up to date."""
        if edition != self._edition:
            listing = Listing(session.connection)
            numbers = listing.current()
            fresh = {number: _row(model) for number, model in listing.models(numbers.keys() - self._known.keys())}
            self._known = {number: fresh.get(number) or self._known[number] for number in numbers}
            self.by_id = {row.id: row for row in sorted(self._known.values(), key=lambda row: row.id)}
            self.changed = listing.last_changes()
            self._edition, self.polled = edition, edition.polled
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
    )


def _moment(created: object) -> datetime | None:
    """Return the time in Unix seconds; None if it is not one of this age."""
    if isinstance(created, int | float) and 0 < created < 1e11:
        return datetime.fromtimestamp(created, UTC)
    return None
