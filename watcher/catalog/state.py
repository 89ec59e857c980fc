"""What is remembered of each model, and what one poll changes in it."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from msgspec import Struct, field
from msgspec.structs import replace

from watcher.catalog.diff import Pending, announce_facets
from watcher.catalog.model import Model


class ModelState(Struct, frozen=True):
    """All that is remembered of one model: how it was observed last and how far that is from what was announced."""

    model: Model
    """As last seen in the list; for one that only the feed knows, just its name."""
    since: datetime
    """When its presence (there or gone) was first observed."""
    digest: bytes = b""
    """Of the document as it came, to see cheaply that nothing changed."""
    present: bool = True
    """Whether the last good list had it."""
    listed: bool = True
    """Whether any list ever had it; a model that only the feed knows cannot be missing from the list."""
    announced: bool | None = None
    """Whether it is there as subscribers were last told; None if they never were."""
    missing: int = 0
    """Good polls in a row without it."""
    last_seen: datetime | None = None
    """The last good poll that had it, for a model that is gone."""
    pending: dict[str, Pending] = field(default_factory=dict)
    """The facets that are not as announced."""
    recent: dict[str, tuple[datetime, ...]] = field(default_factory=dict)
    """When changes were announced lately, by `settle.damped_by`: what is restless has to hold still for longer."""
    reminded: int | None = None
    """The smallest number of `remind_days` that is done with for the announced expiration date."""


ModelStates = Mapping[str, ModelState]


def is_missing(state: ModelState) -> bool:
    """Whether it is announced and not there. A model that only the feed has shown cannot be missing from the list."""
    return bool(state.announced) and state.listed and not state.present


def without(state: ModelState, paths: Iterable[str]) -> ModelState:
    """Return the state with the facets at `paths` announced."""
    return replace(state, pending=announce_facets(state.pending, state.model.facets, paths))
