"""What a user's template can name: the events, in which every text of a stranger is already cleaned.

`docs/templates.md` describes every name; a test compares the two.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import asdict

from watcher.catalog.model import Bill, Event, FieldChange, Offer, PriceChange, Provider
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
    return View(
        "an event",
        id=clean(event.id),
        kind=event.kind,
        headline=headline((event,)),
        model=_clean(event.model),
        name=clean(event.name),
        short_name=short_name(event),
        url=_link(event.url),
        at=event.at,
        since=event.since,
        direction=event.direction,
        marks=event.marks,
        days_left=event.days_left,
        deadline=deadline(event) if event.kind == "expiring" else None,
        detail=_clean(event.detail, 500),
        provider=None if event.provider is UNSET else _provider(event.provider),
        prices=Facts({clean(key, 80): _price(key, event.prices[key]) for key in prices.in_order(event.prices)}),
        bill=None if not event.bill else _bill(event.bill),
        fields=Facts({clean(path, 80): _field(path, change) for path, change in event.fields.items()}),
        offer=None if event.offer is None else _offer(event.offer),
        alternatives=tuple(
            View(
                "an alternative",
                id=clean(other.id),
                name=clean(other.name),
                reason=other.reason,
                url=_link(page(other.id)),
            )
            for other in event.alternatives
        ),
    )


def _clean(text: str | None, limit: int = 200) -> str | None:
    return None if text is None else clean(text, limit)


def _link(url: str | None) -> Link | None:
    own = own_link(url)
    return None if own is None else Link(own)


def _provider(provider: Provider) -> View:
    return View(
        "a provider",
        name=clean(provider.name),
        tag=clean(provider.tag),
        quantization=_clean(provider.quantization),
    )


def _price(key: str, change: PriceChange) -> View:
    return View(
        "a price",
        old=_clean(change.old),
        new=_clean(change.new),
        change=_clean(change.change),
        old_text=prices.price_text(key, change.old),
        new_text=prices.price_text(key, change.new),
        unit=prices.unit(key),
        label=clean(prices.label(key)),
    )


def _bill(bill: Bill) -> View:
    return View("a bill", old=_clean(bill.old), new=_clean(bill.new), text=prices.bill_text(bill))


def _field(path: str, change: FieldChange) -> View:
    return View(
        "a field",
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


def _offer(offer: Offer) -> View:
    words = {clean(key, 80): prices.price_text(key, offer.prices[key]) for key in prices.in_order(offer.prices)}
    known = asdict(offer) | {"description": offer.description or None}
    others = {name: _value(value) for name, value in known.items() if name != "prices"}
    return View("an offer", **others, prices=Facts(words))
