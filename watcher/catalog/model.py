"""The nouns of the project: models in normal form, snapshots of the catalogue, and the events announced from them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct, field

Kind = Literal[
    "new",
    "expired",
    "returned",
    "expiring",
    "repriced",
    "retargeted",
    "changed",
    "source_failing",
    "source_recovered",
    "catalog_suspect",
    "undelivered",
    "alive",
]
"""What happened. The first seven concern models (or, folded, the catalogue), the next three the source.

`undelivered` tells that alerts for another channel were given up; every channel that works gets it unasked. `alive`
tells that nothing is wrong; a channel gets its own, at the times that it asked for.
"""

KINDS: tuple[Kind, ...] = (
    "expired",
    "expiring",
    "repriced",
    "retargeted",
    "new",
    "returned",
    "changed",
    "undelivered",
    "catalog_suspect",
    "source_failing",
    "source_recovered",
    "alive",
)
"""All kinds, most important first: the order in which a message tells them."""

UNASKED_KINDS: tuple[Kind, ...] = ("undelivered", "alive")
"""What a channel gets whatever its `events` are."""

CHOSEN_KINDS: tuple[Kind, ...] = tuple(kind for kind in KINDS if kind not in UNASKED_KINDS)
"""What a channel can ask for."""

CHANGE_KINDS: tuple[Kind, ...] = KINDS[:7]
"""What happens to models, as opposed to the source and the channels."""

DEFAULT_KINDS: tuple[Kind, ...] = ("new", "expired", "returned", "expiring", "repriced", "retargeted")
"""What a channel gets when it names no `events`."""

Direction = Literal["up", "down", "mixed"]
Mark = Literal["became_free", "became_paid", "became_variable", "unlisted", "imported"]

Facets = Mapping[str, Any]
"""A model flattened: dotted path in the API's document → JSON value, see `reading.normalise`."""


class Model(Struct, frozen=True):
    """One model in normal form: two documents that mean the same are equal here.

    `facets` maps the dotted path of a value (`pricing.prompt`, `top_provider.context_length`) to that value;
    prices are canonical strings (see `price`), lists that are sets are sorted, and nothing is there that
    means "not given".
    """

    id: str
    facets: Facets

    @property
    def name(self) -> str:
        """The name people know it by: a stranger's text, to be escaped for where it goes."""
        return str(self.facets.get("name", self.id))


class PriceChange(Struct, frozen=True):
    """One price, before and after, as decimal strings in USD per token (or per request, image, … by its key).

    `"varies"` is a price that depends on the routing; None is one that is not known. `change` is a percentage such
    as `-16.67%`, or None where none can be given (from or to free, or varies).
    """

    old: str | None = None
    new: str | None = None
    change: str | None = None


class FieldChange(Struct, frozen=True):
    """One other value before and after; None means that it is not given."""

    old: Any = None
    new: Any = None


class Offer(Struct, frozen=True):
    """What the model offers at the time of the event (for `expired`: what it last offered)."""

    context_length: int | None = None
    max_completion_tokens: int | None = None
    input_modalities: tuple[str, ...] = ()
    output_modalities: tuple[str, ...] = ()
    supported_parameters: tuple[str, ...] = ()
    prices: dict[str, str] = field(default_factory=dict)
    """Price key → decimal USD per token, or `varies`; time windows and tiers have keys of their own."""
    expiration_date: str | None = None
    description: str | None = None
    """For `new`: the first sentence of the model's description, without markup."""


class Alternative(Struct, frozen=True):
    """A model that can be called instead, and why it is one."""

    id: str
    name: str
    reason: Literal["variant", "same_model", "same_weights", "same_name"]


class Event(Struct, frozen=True):
    """One announcement, in the one shape that it has everywhere (`--json`, web hooks, the database).

    `at` is when it was announced, `since` when the new state was first observed, both UTC. `model` is None for an
    event about the whole catalogue or the source, whose `name` then says what it is about.
    """

    id: str
    kind: Kind
    model: str | None
    name: str
    at: datetime
    since: datetime
    direction: Direction | None = None
    url: str | None = None
    prices: dict[str, PriceChange] = field(default_factory=dict)
    fields: dict[str, FieldChange] = field(default_factory=dict)
    marks: tuple[Mark, ...] = ()
    offer: Offer | None = None
    alternatives: tuple[Alternative, ...] = ()
    days_left: int | None = None
    """For `expiring`: whole days until `expiration_date` (UTC), negative when it has passed."""
    detail: str | None = None
    """One sentence of ours for what the other fields do not say."""
