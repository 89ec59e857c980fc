"""One event in words: its head and its lines, as spans that `document` writes in a format."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any

import msgspec

from watcher.catalog.model import Event, FieldChange, Mark, Offer, PriceChange
from watcher.catalog.price import FREE
from watcher.catalog.pricing import TOKEN_PRICES, headline_keys, is_free
from watcher.messages import prices
from watcher.messages.document import Item, Line, Span, Style
from watcher.messages.text import clean, own_link, page

_MINOR_PRICES = 6
"""Prices of a new model that are shown beside prompt and completion; its page has the rest."""
_SET_ITEMS = 12
"""Items of a set that are shown as added or removed."""


def item_of(event: Event, max_lines: int | None = None, *, with_prices: bool = True) -> Item:
    """Return an event in words, most important line first, and of more than `max_lines` lines the first.

    Without `with_prices` it leaves out price changes, for a caller that shows those in another way.
    """
    lines = tuple(_lines(event, with_prices))
    if max_lines is not None and len(lines) > max_lines:
        lines = (*lines[:max_lines], (Span("… more on the model's page", "muted"),))
    return Item(_head(event), lines)


def _head(event: Event) -> Line:
    name = clean(event.name)
    if event.model is None:
        return (Span(name, "strong"),)
    linked = Span(name, "strong", own_link(event.url))
    if name == clean(event.model):
        return (linked,)
    return (linked, Span("  "), Span(clean(event.model), "code"))


def _lines(event: Event, with_prices: bool) -> Iterator[Line]:
    for mark in event.marks:
        yield (Span(*_MARKS[mark]),)
    if event.kind == "expiring":
        yield (Span(f"{_sentence_case(deadline(event))}{_on(event)}"),)
    if event.kind == "expired":
        yield (Span("No longer in the catalogue"),)
    goal = target(event)
    if goal is not None:
        old, new = (Span(value_text("", value), "code") for value in (goal.old, goal.new))
        yield (Span("was "), old, Span(", now "), new)
    for key in prices.keys_to_show(event.prices) if with_prices else ():
        yield _price_line(key, event.prices[key])
    for path, change in event.fields.items():
        shown_above = change is goal or (event.kind == "expiring" and path.endswith("expiration_date"))
        # An event about the whole catalogue has values only where all models share them; its detail has the rest.
        if not shown_above and change.old != change.new:
            yield _field_line(path, change)
    if event.offer is not None and event.kind in ("new", "expired", "expiring", "returned", "repriced"):
        yield from _offer_lines(event, event.offer)
    for other in event.alternatives:
        linked = Span(clean(other.id), "code", page(other.id))
        yield (Span("still works: ", "muted"), linked, Span(f" ({_REASONS[other.reason]})"))
    if event.detail:
        yield (Span(clean(event.detail, 500)),)
    yield (Span(f"Since {moment_text(event.since)}", "muted"),)


_MARKS: dict[Mark, tuple[str, Style]] = {
    "became_free": ("Became free", "good"),
    "became_paid": ("No longer free", "bad"),
    "became_variable": ("The price now depends on the routing", "bad"),
    "unlisted": ("Not listed yet: seen in the RSS feed alone", "muted"),
    "imported": ("From imported history", "muted"),
}

_REASONS = {
    "variant": "a variant of the same model",
    "same_model": "the same model under another id",
    "same_weights": "the same weights",
    "same_name": "a model of the same name",
}


def _price_line(key: str, change: PriceChange) -> Line:
    old, new = prices.price_text(key, change.old), prices.price_text(key, change.new)
    unit = "" if change.new == FREE else f" {prices.unit(key)}"
    line = (Span(f"{clean(prices.label(key))}: ", "muted"), Span(f"{old} → "), Span(new, "strong"), Span(unit, "muted"))
    if not change.change:
        return line
    falls = change.change.startswith("-")
    percentage = f"{'↓' if falls else '↑'} {prices.percentage(change.change)}"
    return (*line, Span("  "), Span(percentage, "good" if falls else "bad"))


def _offer_lines(event: Event, offer: Offer) -> Iterator[Line]:
    if event.kind in ("new", "expired", "returned") and offer.prices:
        keys = [key for key in prices.in_order(offer.prices) if key not in event.prices]
        charged = headline_keys(offer.prices)
        free = is_free(offer.prices)
        main = [key for key in keys if key in charged and (free or charged == TOKEN_PRICES or key not in TOKEN_PRICES)]
        minor = [
            key
            for key in keys
            if key not in main
            and offer.prices[key] != FREE
            and not ("@" in key and offer.prices[key] == offer.prices.get(key.partition("@")[0]))
        ]
        if main:
            label = "last price: " if event.kind == "expired" else "price: "
            yield (Span(label, "muted"), Span(_price_list(main, offer)))
        if minor:
            more = f", and {len(minor) - _MINOR_PRICES} more" if len(minor) > _MINOR_PRICES else ""
            yield (Span("also: ", "muted"), Span(_price_list(minor[:_MINOR_PRICES], offer) + more))
    facts = []
    if offer.context_length:
        facts.append(f"{prices.count(offer.context_length)} tokens of context")
    if offer.max_completion_tokens and event.kind == "new":
        facts.append(f"up to {prices.count(offer.max_completion_tokens)} out")
    if event.kind == "new" and (offer.input_modalities or offer.output_modalities):
        facts.append(f"{_names(offer.input_modalities)} → {_names(offer.output_modalities)}")
    if facts:
        yield (Span(" · ".join(facts)),)
    if event.kind == "new" and offer.expiration_date:
        past = event.days_left is not None and event.days_left < 0
        text = _sentence_case(deadline(event)) if past else f"Expires on {day_text(offer.expiration_date)}"
        yield (Span(text, "bad"),)


def _price_list(keys: Sequence[str], offer: Offer) -> str:
    """Return `$3 prompt, $15 completion per 1M tokens`, with each unit once, after its prices."""
    if is_free(offer.prices) and all(offer.prices[key] == FREE for key in keys):
        return "free"
    parts = []
    for at, key in enumerate(keys):
        price = prices.price_text(key, offer.prices[key])
        unit = prices.unit(key)
        without_unit = price in ("free", "varies") or (at + 1 < len(keys) and prices.unit(keys[at + 1]) == unit)
        # "$0.01 per search" needs no label.
        label = f" {clean(prices.label(key))}" if unit == prices.PER_MILLION or without_unit else ""
        parts.append(f"{price}{label}{'' if without_unit else f' {unit}'}")
    return ", ".join(parts)


def target(event: Event) -> FieldChange | None:
    """Return the change of the model that an alias or an id stands for, or None."""
    if event.kind != "retargeted":
        return None
    paths = [path for path in event.fields if "alias_target" in path or "canonical_slug" in path]
    return event.fields[paths[0]] if paths else None


def deadline(event: Event) -> str:
    """Return when a model expires, to follow its name: `expires in 3 days`, `no longer expires`."""
    change = _expiry(event)
    if (change is not None and change.new is None) or (event.offer is not None and not event.offer.expiration_date):
        return "no longer expires"
    match event.days_left:
        case None:
            return "will expire"
        case 0:
            return "expires today"
        case 1:
            return "expires tomorrow"
        case days if days > 1:
            return f"expires in {days} days"
    on = f" on {day_text(event.offer.expiration_date)}" if event.offer is not None else ""
    return f"was to go{on}, still there"


def _expiry(event: Event) -> FieldChange | None:
    return next((change for path, change in event.fields.items() if path.endswith("expiration_date")), None)


def _on(event: Event) -> str:
    """Return `, on 20 January 2026 (before: …)` for an expiration date that is known."""
    change = _expiry(event) or FieldChange(None, event.offer.expiration_date if event.offer is not None else None)
    old, new = change.old, change.new
    if new is None:
        return f" (it was to expire on {day_text(old)})" if old else ""
    on = "" if event.days_left is not None and event.days_left < 0 else f", on {day_text(new)}"
    return on + (f" (before: {day_text(old)})" if old and old != new else "")


_FIELD_LABELS = {
    "top_provider.max_completion_tokens": "output limit",
    "max_completion_tokens": "output limit",
    "top_provider.context_length": "context at the top provider",
    "top_provider.is_moderated": "moderated",
    "hugging_face_id": "Hugging Face id",
}


def field_label(path: str) -> str:
    """Return the path of a field in words: `output limit`."""
    return clean(_FIELD_LABELS.get(path, path.rpartition(".")[2].replace("_", " ")), 60)


def _field_line(path: str, change: FieldChange) -> Line:
    label = Span(f"{field_label(path)}: ", "muted")
    if isinstance(change.old, list | tuple) and isinstance(change.new, list | tuple):
        added = [item for item in change.new if item not in change.old]
        removed = [item for item in change.old if item not in change.new]
        signed = [f"+{clean(item, 80)}" for item in added] + [f"−{clean(item, 80)}" for item in removed]
        shown = " ".join(signed[:_SET_ITEMS]) + (f" and {len(signed) - _SET_ITEMS} more" if signed[_SET_ITEMS:] else "")
        return (label, Span(shown or "another order"))
    return (label, Span(f"{value_text(path, change.old)} → "), Span(value_text(path, change.new), "strong"))


def value_text(path: str, value: Any) -> str:
    """Return the value of a field in words: `128K` tokens, `yes`, `none`."""
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case int() if path.endswith(("context_length", "tokens")):
            return prices.count(value)
        case str():
            return clean(value) or "empty"
        case list() | tuple():
            return _names(value)
        case _:
            return clean(msgspec.json.encode(value).decode(errors="replace"))


def _names(values: Sequence[Any]) -> str:
    return clean(", ".join(clean(value, 40) for value in values)) or "none"


def day_text(text: object) -> str:
    """Return an API date such as `2026-01-20` as `20 January 2026`; other text is returned as it is."""
    try:
        day = date.fromisoformat(str(text)[:10])
    except ValueError:
        return clean(text, 40)
    return f"{day.day} {day:%B %Y}"


def moment_text(at: datetime) -> str:
    """Return a moment (UTC) in words."""
    return f"{at.day} {at:%B %Y, %H:%M} UTC"


def _sentence_case(text: str) -> str:
    return text[:1].upper() + text[1:]
