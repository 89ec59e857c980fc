"""The nouns of the project: models in normal form, and the events announced about them."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal, get_args

from msgspec import UNSET, Struct, UnsetType, field
from msgspec.structs import astuple

Kind = Literal[
    "expired",
    "expiring",
    "repriced",
    "retargeted",
    "new",
    "returned",
    "changed",
    "provider_gone",
    "provider_repriced",
    "provider_added",
    "undelivered",
    "catalog_suspect",
    "source_failing",
    "source_recovered",
    "alive",
]
"""What happened. The first ten concern models (or, folded, the catalogue), three others the source.

The three of providers concern one provider's endpoint of a model. `undelivered`: alerts for another channel were given
up; every channel gets it unasked. `alive`: a heartbeat, which a channel gets at the times that it asked for.
"""

KINDS: tuple[Kind, ...] = get_args(Kind)
"""All kinds, most important first: their order in a message."""

UNASKED_KINDS: tuple[Kind, ...] = ("undelivered", "alive")
"""The kinds that a channel gets whatever its `events` are."""

CHOSEN_KINDS: tuple[Kind, ...] = tuple(kind for kind in KINDS if kind not in UNASKED_KINDS)
"""The kinds that a channel can ask for."""

CHANGE_KINDS: tuple[Kind, ...] = KINDS[:10]
"""The kinds about models, not about the source or the channels."""

HEALTH_KINDS: tuple[Kind, ...] = KINDS[11:14]
"""The kinds about the source."""

DEFAULT_KINDS: tuple[Kind, ...] = ("new", "expired", "returned", "expiring", "repriced", "retargeted")
"""The kinds that a channel gets when it names no `events`."""

Direction = Literal["up", "down", "mixed"]
Mark = Literal["became_free", "became_paid", "became_variable", "unlisted", "imported"]
Reason = Literal["variant", "same_model", "same_weights", "same_name"]

QUANTIZATIONS = ("int4", "int8", "fp4", "mxfp4", "nvfp4", "fp6", "fp8", "mxfp8", "fp16", "bf16", "fp32", "unknown")
"""What the API says of how a provider stores a model's weights; other words may come."""

ROUTING = frozenset({"nitro", "floor", "exacto", "online"})
"""Variants that every model takes: they choose a provider, and the model is the one without them.

Source: https://openrouter.ai/docs/guides/routing/model-variants/overview
"""

Facets = Mapping[str, Any]
"""A model flattened: dotted path in the API's document → JSON value, see `reading.normalise`."""


class Model(Struct, frozen=True):
    """One model in normal form: two documents that mean the same are equal here.

    `facets` maps the dotted path of a value (`pricing.prompt`, `top_provider.context_length`) to that value. Prices
    are canonical strings (see `price`), lists that are sets are sorted, and absent values are left out.
    """

    id: str
    facets: Facets

    @property
    def name(self) -> str:
        """The name people know it by: untrusted text, to be escaped for where it goes."""
        return str(self.facets.get("name", self.id))

    @property
    def base_id(self) -> str:
        """The id without its variant: `a/b` of `a/b:free`."""
        return self.id.partition(":")[0]


def without_routing(model: str) -> str:
    """Return an id, or a pattern, without its routing variant: `a/b` of `a/b:nitro`, but `a/b:free` as it is."""
    base, _, variant = model.partition(":")
    return base if variant in ROUTING else model


class PriceChange(Struct, frozen=True):
    """One price before and after, as decimal strings in USD per token (or per request, image, … by its key).

    `"varies"` is a price that depends on the routing; None is an unknown one. `change` is a percentage such as
    `-16.67%`, or None where there is none (from or to free, or varies).
    """

    old: str | None = None
    new: str | None = None
    change: str | None = None


class FieldChange(Struct, frozen=True):
    """One other value before and after; None: absent."""

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
    description: str | UnsetType = UNSET
    """For `new`: the first sentence of the model's description, without markup."""


class Alternative(Struct, frozen=True):
    """A model that can be called instead, and why it is one."""

    id: str
    name: str
    reason: Reason


class Provider(Struct, frozen=True):
    """Who offers an endpoint of a model, and how: `tag` is what a request names to get it (`novita/fp8`)."""

    name: str
    tag: str
    quantization: str | None = None

    def __str__(self) -> str:
        return f"{self.name} ({self.tag})"


class Tokens(Struct, frozen=True):
    """What somebody uses of a model, usually in a month."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    """Those of the prompt tokens that come from a cache."""
    requests: int = 0
    """0: unknown."""

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(*(one + two for one, two in zip(astuple(self), astuple(other), strict=True)))

    def share(self, fraction: Fraction | Decimal) -> "Tokens":
        """Return a part, or a multiple, of them."""
        return Tokens(*(round(number * fraction) for number in astuple(self)))


class Bill(Struct, frozen=True):
    """What a month costs before and after a change of price, in USD at the user's own tokens, as decimal strings."""

    old: str
    new: str


class Event(Struct, frozen=True):
    """One announcement, in the one shape that it has everywhere (`--json`, web hooks, the database).

    `at` is when it was announced, `since` when the new state was first observed, both UTC. `model` is None for an
    event about the whole catalogue or the source; `name` then says which.
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
    provider: Provider | UnsetType = UNSET
    """For `provider_…`: whose endpoint it is about. The offer is that endpoint's."""
    bill: Bill | UnsetType = UNSET
    """Only in what a channel gets, where the user's tokens are known: it is nobody else's business."""
