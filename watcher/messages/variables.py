"""What a user's template can name: the events, in which every text of a stranger is already cleaned.

`docs/templates.md` describes them; a name that is added here is added there.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from watcher.catalog.model import Event, FieldChange, PriceChange
from watcher.messages import prices
from watcher.messages.headline import headline, short_name
from watcher.messages.text import clean, own_link, page
from watcher.messages.wording import deadline, field_label, value_text


class Link(str):
    """An address on openrouter.ai, percent-encoded: no format needs anything of it escaped but `&`."""

    __slots__ = ()


class Facts(dict[str, Any]):
    """Values by key. One that is missing is None, not a mistake of the template."""

    __slots__ = ()

    def __missing__(self, key: str) -> None:
        return None


class View(Struct, frozen=True):
    """What a template sees of something: its fields and nothing else."""


class PriceView(View, frozen=True):
    """One price before and after."""

    old: str | None
    """USD per token (or per request, image, … by its key) as a decimal string, `varies`, or a day schedule."""
    new: str | None
    change: str | None
    """`-16.67%`; None from and to free or `varies`."""
    old_text: str
    """For people: `$3`, `free`, `varies`, `unknown`."""
    new_text: str
    unit: str
    """What the texts are for: `per 1M tokens`, `per request`, …"""
    label: str
    """The key in words: `prompt`, `cache read`."""


class FieldView(View, frozen=True):
    """One other value before and after."""

    old: Any
    new: Any
    old_text: str
    new_text: str
    label: str


class OfferView(View, frozen=True):
    """What the model offers (`expired`: what it last offered)."""

    context_length: int | None
    max_completion_tokens: int | None
    input_modalities: tuple[str, ...]
    output_modalities: tuple[str, ...]
    supported_parameters: tuple[str, ...]
    prices: Facts
    """Price key → text for people, `$3`; its unit is `per 1M tokens` but for request, image and web_search."""
    expiration_date: str | None


class AlternativeView(View, frozen=True):
    """A model that can be called instead."""

    id: str
    name: str
    reason: str
    url: Link | None


class EventView(View, frozen=True):
    """One event."""

    id: str
    kind: str
    headline: str
    """The event in one line: `GPT-4o −17 %`."""
    model: str | None
    name: str
    short_name: str
    """Without the vendor."""
    url: Link | None
    at: datetime
    since: datetime
    direction: str | None
    marks: tuple[str, ...]
    days_left: int | None
    deadline: str | None
    """For `expiring`: `expires in 3 days`."""
    detail: str | None
    prices: Facts
    fields: Facts
    offer: OfferView | None
    alternatives: tuple[AlternativeView, ...]


NAMES = ("events", "title", "text", "channel", "count", "reference")
"""The variables themselves."""


def view(event: Event) -> EventView:
    """Return the event as a template sees it."""
    return EventView(
        id=clean(event.id),
        kind=event.kind,
        headline=headline((event,)),
        model=None if event.model is None else clean(event.model),
        name=clean(event.name),
        short_name=short_name(event),
        url=_link(event.url),
        at=event.at,
        since=event.since,
        direction=event.direction,
        marks=event.marks,
        days_left=event.days_left,
        deadline=deadline(event) if event.kind == "expiring" else None,
        detail=None if event.detail is None else clean(event.detail, 500),
        prices=Facts({clean(key, 80): _price(key, event.prices[key]) for key in prices.in_order(event.prices)}),
        fields=Facts({clean(path, 80): _field(path, change) for path, change in event.fields.items()}),
        offer=_offer(event),
        alternatives=tuple(
            AlternativeView(clean(other.id), clean(other.name), other.reason, _link(page(other.id)))
            for other in event.alternatives
        ),
    )


def _link(url: str | None) -> Link | None:
    own = own_link(url)
    return None if own is None else Link(own)


def _price(key: str, change: PriceChange) -> PriceView:
    return PriceView(
        old=None if change.old is None else clean(change.old),
        new=None if change.new is None else clean(change.new),
        change=None if change.change is None else clean(change.change),
        old_text=prices.price_text(key, change.old),
        new_text=prices.price_text(key, change.new),
        unit=prices.unit(key),
        label=clean(prices.label(key)),
    )


def _field(path: str, change: FieldChange) -> FieldView:
    return FieldView(
        old=_value(change.old),
        new=_value(change.new),
        old_text=value_text(path, change.old),
        new_text=value_text(path, change.new),
        label=field_label(path),
    )


def _value(value: Any) -> Any:
    match value:
        case None | bool() | float():
            return value
        case int():
            return value if value.bit_length() <= 64 else str(value)[:80]
        case list() | tuple():
            return tuple(clean(item) for item in value[:1000])
        case Mapping():
            return clean(msgspec.json.encode(value).decode(errors="replace"))
        case _:
            return clean(value)


def _offer(event: Event) -> OfferView | None:
    offer = event.offer
    if offer is None:
        return None
    return OfferView(
        context_length=offer.context_length,
        max_completion_tokens=offer.max_completion_tokens,
        input_modalities=tuple(map(clean, offer.input_modalities)),
        output_modalities=tuple(map(clean, offer.output_modalities)),
        supported_parameters=tuple(map(clean, offer.supported_parameters)),
        prices=Facts(
            {clean(key, 80): prices.price_text(key, offer.prices[key]) for key in prices.in_order(offer.prices)}
        ),
        expiration_date=None if offer.expiration_date is None else clean(offer.expiration_date, 40),
    )
