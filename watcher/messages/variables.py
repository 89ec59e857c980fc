"""What a user's template can name: the events, in which every text of a stranger is already cleaned.

`docs/templates.md` describes every name; a test compares the two.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from watcher.catalog.model import Event, FieldChange, Offer, PriceChange
from watcher.messages import prices
from watcher.messages.headline import headline, short_name
from watcher.messages.text import clean, own_link, page
from watcher.messages.wording import deadline, field_label, value_text

NAMES = ("events", "title", "text", "channel", "count", "reference")
"""The variables themselves."""


class Link(str):
    """An address on openrouter.ai, percent-encoded: no format needs anything of it escaped but `&`."""

    __slots__ = ()


class View(dict[str, Any]):
    """The named fields of a thing. A name that is not there is a mistake of the template."""

    def __init__(self, noun: str, **fields: Any) -> None:
        super().__init__(fields)
        self._noun = noun

    def __str__(self) -> str:
        return self._noun


class Facts(dict[str, Any]):
    """Values by key, such as prices. One that is missing is None."""

    __slots__ = ()

    def __missing__(self, key: str) -> None:
        return None


def view(event: Event) -> View:
    """Return the event as a template sees it."""
    return _view(
        "an event",
        event,
        headline=headline((event,)),
        short_name=short_name(event),
        url=_link(event.url),
        deadline=deadline(event) if event.kind == "expiring" else None,
        detail=None if event.detail is None else clean(event.detail, 500),
        provider=_view("a provider", event.provider) if event.provider else None,
        prices=Facts({clean(key, 80): _price(key, event.prices[key]) for key in prices.in_order(event.prices)}),
        bill=_view("a bill", event.bill, text=prices.bill_text(event.bill)) if event.bill else None,
        fields=Facts({clean(path, 80): _field(path, change) for path, change in event.fields.items()}),
        offer=_offer(event.offer) if event.offer else None,
        alternatives=tuple(_view("an alternative", other, url=_link(page(other.id))) for other in event.alternatives),
    )


def _view(noun: str, thing: Struct, **more: Any) -> View:
    """Return the fields of a thing, `more` in their place or beside them, so that no text is a stranger's any more."""
    own = {name: _value(getattr(thing, name)) for name in thing.__struct_fields__ if name not in more}
    return View(noun, **own, **more)


def _price(key: str, change: PriceChange) -> View:
    old, new = prices.price_text(key, change.old), prices.price_text(key, change.new)
    return _view("a price", change, old_text=old, new_text=new, unit=prices.unit(key), label=clean(prices.label(key)))


def _field(path: str, change: FieldChange) -> View:
    old, new = value_text(path, change.old), value_text(path, change.new)
    return _view("a field", change, old_text=old, new_text=new, label=field_label(path))


def _offer(offer: Offer) -> View:
    words = {clean(key, 80): prices.price_text(key, offer.prices[key]) for key in prices.in_order(offer.prices)}
    description = clean(offer.description) if offer.description else None
    return _view("an offer", offer, prices=Facts(words), description=description)


def _link(url: str | None) -> Link | None:
    return Link(url) if url and own_link(url) else None


def _value(value: Any) -> Any:
    match value:
        case None | bool() | float() | datetime():
            return value
        case int():
            return value if value.bit_length() <= 64 else str(value)[:80]
        case list() | tuple():
            return tuple(clean(item) for item in value[:1000])
        case Mapping():
            return clean(msgspec.json.encode(value).decode(errors="replace"))
        case _:
            return clean(value)
