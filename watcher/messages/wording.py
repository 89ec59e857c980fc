"""A card in words: its head and its lines, as spans that `document` writes in a format."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, tzinfo
from typing import Any

import msgspec
from msgspec import UNSET

from watcher.catalog.model import Event, FieldChange, Mark, Offer, PriceChange, Provider
from watcher.catalog.price import FREE
from watcher.catalog.pricing import TOKEN_PRICES, headline_keys, is_free
from watcher.messages import prices
from watcher.messages.cards import Card
from watcher.messages.document import Item, Line, Span, Style
from watcher.messages.text import clean, own_link, page

_MINOR_PRICES = 6
"""Prices of a new model that are shown beside prompt and completion; its page has the rest."""
_SET_ITEMS = 12
"""Items of a set that are shown as added or removed."""
_ROW_LINES = 3
"""Parts of what an event says in a list."""


def item_of(card: Card, zone: tzinfo | None, max_lines: int | None = None, *, with_prices: bool = True) -> Item:
    """Return a card in words, most important line first, and of more than `max_lines` lines the first.

    Without `with_prices` it leaves out price changes, for a caller that shows those in another way. `zone` is for the
    times at which the news was first seen; None leaves them out.
    """
    lines = list(_lines(card.main, with_prices))
    for event in card.news[1:]:
        lines += [line for line in _lines(event, with_prices, added=True) if line not in lines]
    lines += _same_moves(card)
    if zone is not None:
        moments = dict.fromkeys(seen_text(event, zone) for event in sorted(card.news, key=lambda event: event.since))
        lines.append((Span(f"First seen {', then '.join(moments)}", "muted"),))
    if max_lines is not None and len(lines) > max_lines:
        lines = [*lines[:max_lines], (Span("… more on the model's page", "muted"),)]
    return Item(_head(card.main), tuple(lines))


def row_of(card: Card, zone: tzinfo | None) -> Item:
    """Return a card as one line of a list: what it is about, and what goes on."""
    news = [card.main, *(event for event in card.news[1:] if event.kind != "changed")]
    parts = [line for event in news for line in _lines(event, True, row=True)]
    if card.others:
        parts[_ROW_LINES:] = [(Span("also ", "muted"), *_ids(card.others))]
    parts[_ROW_LINES + 1 :] = [(Span(seen_text(card.main, zone), "muted"),)] if zone is not None else []
    return Item(_joined([_head(card.main), *parts]), row=True)


def _head(event: Event) -> Line:
    name = clean(event.name)
    if event.model is None:
        return (Span(name, "strong"),)
    linked = Span(name, "strong", own_link(event.url))
    if name == clean(event.model):
        return (linked,)
    return (linked, Span("  "), Span(clean(event.model), "code"))


def _lines(event: Event, with_prices: bool, *, added: bool = False, row: bool = False) -> Iterator[Line]:
    """Yield what an event says; `added` to another one about its model, or in a `row`, only what is its own."""
    if event.provider is not UNSET:
        yield _provider_line(event, event.provider, row)
        return
    for mark in event.marks:
        yield (Span(*_MARKS[mark]),)
    if event.kind == "expiring":
        yield (Span(f"{sentence_case(deadline(event))}{_on(event)}"),)
    if event.kind == "expired" and not row:
        yield (Span("No longer in the catalogue"),)
    if event.kind in ("new", "returned") and added:
        yield (Span("New in the catalogue" if event.kind == "new" else "Back in the catalogue"),)
    if event.kind == "new" and event.offer is not None and event.offer.description and not row:
        yield (Span(clean(event.offer.description)),)
    goal = target(event)
    if goal is not None:
        yield (Span("was "), _id_span(goal.old), Span(", now "), _id_span(goal.new))
    for key in prices.keys_to_show(event.prices) if with_prices else ():
        yield _price_line(key, event.prices[key])
    if event.bill:
        yield (Span(f"{prices.bill_text(event.bill)} at your tokens", "strong"),)
    for path, change in event.fields.items():
        shown_above = change is goal or (event.kind == "expiring" and path.endswith("expiration_date"))
        # An event about the whole catalogue has values only where all models share them; its detail has the rest.
        if not shown_above and change.old != change.new:
            yield _field_line(path, change)
    if event.offer is not None and _shows_offer(event) and not added:
        yield from _offer_lines(event, event.offer, row)
    for other in event.alternatives[: 1 if row else None]:
        yield (Span("still works: ", "muted"), _id_span(other.id), Span("" if row else f" ({REASONS[other.reason]})"))
    if event.detail and not row:
        yield (Span(clean(event.detail, 500)),)


def _provider_line(event: Event, provider: Provider, row: bool) -> Line:
    """Return what an event about a provider's endpoint says, in one line: a card may have several."""
    who = Span(clean(str(provider)), "strong")
    parts: list[Line] = [(Span(*_MARKS[mark]),) for mark in event.marks]
    parts += [_price_line(key, event.prices[key]) for key in prices.keys_to_show(event.prices)]
    if event.kind == "provider_gone":
        parts = [(who, Span(" no longer offers it"))]
    elif event.kind == "provider_added":
        offer = event.offer or Offer()
        keys = [key for key in headline_keys(offer.prices) if key in offer.prices]
        parts = [(Span("now also from "), who, Span(": "), *_price_list(keys, offer))]
    else:
        parts[:1] = [(who, Span(": "), *part) for part in parts[:1]]
    if event.bill:
        parts.append((Span(f"{prices.bill_text(event.bill)} at your tokens", "strong"),))
    if event.detail and not row:
        parts.append((Span(clean(event.detail, 500)),))
    return _joined(parts)


def _same_moves(card: Card) -> Iterator[Line]:
    """Yield what the other models of the card did: in a line of its own where the figures differ."""
    alike = [other for other in card.others if _figures(other) == _figures(card)]
    if alike:
        yield (Span("the same for ", "muted"), *_ids(alike))
    for other in card.others:
        if other not in alike:
            parts = [line for event in other.news for line in _lines(event, True, row=True)][:_ROW_LINES]
            yield _joined([(Span("also ", "muted"), *_ids([other])), *parts])


def _figures(card: Card) -> object:
    """Return what can differ between cards that made the same move."""
    return [
        (event.prices, event.bill, _shows_offer(event) and event.offer and event.offer.prices) for event in card.news
    ]


def _shows_offer(event: Event) -> bool:
    return event.kind in ("new", "expired", "returned", "provider_added")


def _id_span(text: object) -> Span:
    """Return an id with a link to its page."""
    shown = value_text("", text)
    return Span(shown, "code", own_link(page(str(text))) if "/" in shown else None)


def _ids(found: Iterable[Card]) -> Line:
    return _joined([(_id_span(card.main.model),) for card in found], Span(", "))


def _joined(parts: Iterable[Line], between: Span = Span(" · ", "muted")) -> Line:  # noqa: B008 - it cannot change
    return tuple(span for part in parts for span in (between, *part))[1:]


_MARKS: dict[Mark, tuple[str, Style]] = {
    "became_free": ("Became free", "good"),
    "became_paid": ("No longer free", "bad"),
    "became_variable": ("The price now depends on the routing", "bad"),
    "unlisted": ("Not listed yet: seen in the RSS feed alone", "muted"),
    "imported": ("From imported history", "muted"),
}

REASONS = {
    "variant": "a variant of the same model",
    "same_model": "the same model under another id",
    "same_weights": "the same weights",
    "same_name": "a model of the same name",
}


def _price_line(key: str, change: PriceChange) -> Line:
    # The unit stands once, with the amount that is last.
    amount_is_last = prices.price_text(key, change.new) != prices.with_unit(key, change.new)
    old = (prices.price_text if amount_is_last else prices.with_unit)(key, change.old)
    label = Span(f"{clean(prices.label(key))}: ", "muted")
    line = (label, Span(f"{old} → ", "price"), Span(prices.with_unit(key, change.new), "strong"))
    if not change.change:
        return line
    falls = change.change.startswith("-")
    percentage = f"{'↓' if falls else '↑'} {prices.percentage(change.change)}"
    return (*line, Span("  "), Span(percentage, "good" if falls else "bad"))


def _offer_lines(event: Event, offer: Offer, row: bool) -> Iterator[Line]:
    if offer.prices:
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
            yield (Span(label, "muted"), *_price_list(main, offer))
        if minor and not row:
            more = [Span(f" and {len(minor) - _MINOR_PRICES} more")] if len(minor) > _MINOR_PRICES else []
            yield (Span("also: ", "muted"), *_price_list(minor[:_MINOR_PRICES], offer), *more)
    facts = []
    if offer.context_length and (event.kind == "new" or not row):
        facts.append(f"{prices.count(offer.context_length)} tokens of context")
    if offer.max_completion_tokens and event.kind == "new" and not row:
        facts.append(f"up to {prices.count(offer.max_completion_tokens)} out")
    if event.kind == "new" and (offer.input_modalities or offer.output_modalities) and not row:
        facts.append(f"{_names(offer.input_modalities)} → {_names(offer.output_modalities)}")
    if facts:
        yield (Span(" · ".join(facts)),)
    if event.kind == "new" and offer.expiration_date:
        past = event.days_left is not None and event.days_left < 0
        text = sentence_case(deadline(event)) if past else f"Expires on {day_text(offer.expiration_date)}"
        yield (Span(text, "bad"),)


def _price_list(keys: Sequence[str], offer: Offer) -> Line:
    """Return `prompt $3/M · completion $15/M · $0.01 a search`, each price with its unit."""
    if is_free(offer.prices) and all(offer.prices[key] == FREE for key in keys):
        return (Span("free"),)
    parts = []
    for key in keys:
        price = prices.with_unit(key, offer.prices[key])
        # "$0.01 a search" needs no label.
        label = "" if " a" in price else f"{clean(prices.label(key))} "
        parts.append((Span(label + price, "price"),))
    return _joined(parts, Span(" · "))


def target(event: Event) -> FieldChange | None:
    """Return the change of the model that an alias or an id stands for, or None."""
    if event.kind != "retargeted":
        return None
    names = ("alias_target", "canonical_slug")
    return next((change for path, change in event.fields.items() if any(name in path for name in names)), None)


def deadline(event: Event) -> str:
    """Return when a model expires, to follow its name: `expires in 3 days`, `no longer expires`."""
    change = _expiry(event)
    if change is not None and not change.new:
        return "no longer expires"
    days = event.days_left
    if days is None:
        return "will expire"
    if days < 0:
        return f"was to go{f' on {day_text(change.new)}' if change is not None else ''}, still there"
    return {0: "expires today", 1: "expires tomorrow"}.get(days, f"expires in {days} days")


def _expiry(event: Event) -> FieldChange | None:
    """Return the change of the expiration date, if it is known; a reminder has no old one."""
    known = FieldChange(None, event.offer.expiration_date) if event.offer is not None else None
    return next((change for path, change in event.fields.items() if path.endswith("expiration_date")), known)


def _on(event: Event) -> str:
    """Return `, on 20 January 2026 (before: …)` for an expiration date that is known."""
    change = _expiry(event) or FieldChange()
    old, new = change.old, change.new
    if not new:
        return f" (it was to expire on {day_text(old)})" if old else ""
    on = "" if event.days_left is not None and event.days_left < 0 else f", on {day_text(new)}"
    return on + (f" (before: {day_text(old)})" if old and old != new else "")


def changes_text(changed: Mapping[str, PriceChange], fields: Mapping[str, FieldChange]) -> str:
    """Return changes on one line without formatting: `context length: 128K → 200K; moderated: no → yes`."""
    lines = [_price_line(key, changed[key]) for key in prices.keys_to_show(changed)]
    lines += [_field_line(path, change) for path, change in fields.items() if change.old != change.new]
    return "; ".join("".join(span.text for span in line) for line in lines)


_FIELD_LABELS = {
    "top_provider.max_completion_tokens": "output limit",
    "max_completion_tokens": "output limit",
    "top_provider.context_length": "context at the top provider",
    "top_provider.is_moderated": "moderated",
    "hugging_face_id": "Hugging Face id",
}


FACTS = {
    "alias_target.slug": "points to",
    "canonical_slug": "canonical slug",
    "context_length": "context length",
    "top_provider.max_completion_tokens": "output limit",
    "architecture.input_modalities": "input",
    "architecture.output_modalities": "output",
    "expiration_date": "expires",
    "knowledge_cutoff": "knows until",
    "supported_parameters": "parameters",
    "hugging_face_id": "Hugging Face",
}
"""Path of a facet → what a view of one model calls it."""


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


def seen_text(event: Event, zone: tzinfo) -> str:
    """Return when an event was first seen, by the clocks of the zone: `07:53, 26 Nov`."""
    seen = event.since.astimezone(zone)
    utc = " UTC" if seen.tzname() == "UTC" else ""
    year = f" {seen.year}" if seen.year != event.at.astimezone(zone).year else ""
    return f"{seen:%H:%M}{utc}, {seen.day} {seen:%b}{year}"


def moment_text(at: datetime) -> str:
    """Return a moment (UTC) in words."""
    return f"{at.day} {at:%B %Y, %H:%M} UTC"


def sentence_case(text: str) -> str:
    """Return the text with its first letter in upper case."""
    return text[:1].upper() + text[1:]
