"""The remembered state of each model."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from msgspec import Struct, field
from msgspec.structs import replace

from watcher.catalog.diff import Pending, announced_facets
from watcher.catalog.model import Facets, Model
from watcher.catalog.pricing import is_tier, price_key, price_of, tier_tokens


class ModelState(Struct, frozen=True):
    """One model as it was observed last, and how far that is from what was announced."""

    model: Model
    """As last seen in the list; for a model known only from the feed, just its name."""
    since: datetime
    """When its presence or absence was first observed."""
    digest: bytes = b""
    """Of the document as it came, to recognise an unchanged one."""
    present: bool = True
    """Whether the last good list had it."""
    listed: bool = True
    """Whether any list ever had it. A model known only from the feed cannot be missing from the list."""
    announced: bool | None = None
    """Whether it was last announced as present; None if it was never announced."""
    missing: int = 0
    """Good polls in a row without it."""
    last_seen: datetime | None = None
    """The last good poll that had it, for a model that is gone."""
    pending: dict[str, Pending] = field(default_factory=dict)
    """The facets that differ from what was announced."""
    recent: dict[str, tuple[datetime, ...]] = field(default_factory=dict)
    """Times of recent announcements, for damping (see `settle.Moment`)."""
    reminded: int | None = None
    """The smallest number of `remind_days` already used for the announced expiration date."""

    @property
    def is_missing(self) -> bool:
        """Whether it was announced as present, and the last good list does not have it."""
        return bool(self.announced) and self.listed and not self.present

    @property
    def announced_facets(self) -> Facets:
        """The facets as they were announced."""
        return announced_facets(self.model.facets, self.pending)

    def announce(self, paths: Iterable[str]) -> "ModelState":
        """Return the state with the facets at `paths` announced, and no other announced price moved.

        A tier without a price of its own costs what the next lower one costs. Announcing that one would silently
        announce the tier's price as well, or end the difference of a pending tier.
        """
        done, facets = set(paths), self.model.facets
        pending = {path: held for path, held in self.pending.items() if path not in done}
        for path in sorted(filter(is_tier, pending), key=lambda path: (price_key(path), tier_tokens(path))):
            announced = price_of(self.announced_facets, path)
            without = announced_facets(facets, {key: held for key, held in pending.items() if key != path})
            if price_of(without, path) == announced:
                del pending[path]
            elif price_of(announced_facets(facets, pending), path) != announced:
                pending[path] = replace(pending[path], announced=announced)
        return replace(self, pending=pending)


ModelStates = Mapping[str, ModelState]
