"""One message for the events of a cycle: what is said, in words; how it is written is `document`'s work."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any

import msgspec
from msgspec import Struct

from watcher.alerts import prices
from watcher.alerts.document import Block, Format, Heading, Item, Line, Note, Span, render, title_line
from watcher.alerts.text import clean, own_link, page
from watcher.catalog.model import KINDS, Alternative, Event, FieldChange, Kind, Offer, PriceChange

__all__ = ["Format", "Message", "blocks_of", "compose", "compose_within", "headline"]

TITLE_LENGTH = 120
_SHORT_ID = 8
_SHOWN_IDS = 12
_MINOR_PRICES = 6
"""Prices beside prompt and completion that a new model is introduced with; the page has the rest."""


class Message(Struct, frozen=True):
    """What a channel is sent. `title` is one line of plain text, `heading` the same written in the body's format."""

    title: str
    body: str
    format: Format
    heading: str
    text: str
    """The body as plain text: the other part of a mail, and what a service without markup gets."""
    events: tuple[Event, ...]
    """What the message tells, most important first."""

    @property
    def ids(self) -> tuple[str, ...]:
        """The events' ids: what makes a repeat recognisable as one."""
        return tuple(event.id for event in self.events)


def compose(events: Sequence[Event], format: Format) -> Message:
    """Return one message for all the events: grouped by kind, most important first.

    Raises:
        ValueError: there are no events, so there is no message.
    """
    return _compose(events, format)


def compose_within(events: Sequence[Event], format: Format, limit: int) -> list[Message]:
    """Return as many messages as are needed for none to exceed `limit` characters of heading and body together.

    They are split between events, never inside one, and numbered `(1/3)` in the title. An event that is too long by
    itself is cut short at the end of a line, and says so.
    """
    whole = _compose(events, format)
    if _length(whole) <= limit:
        return [whole]
    # Headings and the reference line are shared in a message, so events that fit one by one fit together.
    groups: list[list[Event]] = []
    room = 0
    for event in _in_order(events):
        length = _length(_fit(event, format, limit)) + _NUMBERING
        if length > room:
            groups.append([])
            room = limit
        groups[-1].append(event)
        room -= length
    if len(groups) == 1:
        return [_fit(events[0], format, limit)]
    of = len(groups)
    return [
        _fit(group[0], format, limit, f" ({n}/{of})") if len(group) == 1 else _compose(group, format, f" ({n}/{of})")
        for n, group in enumerate(groups, 1)
    ]


_NUMBERING = len(" (999/999)") * 2


def _length(message: Message) -> int:
    return len(message.heading) + len(message.body) + 2


def _fit(event: Event, format: Format, limit: int, suffix: str = "") -> Message:
    """Return the message of one event, with only as many of its lines as fit."""
    message = _compose([event], format, suffix)
    lines = 16
    while _length(message) + _NUMBERING > limit and lines:
        lines //= 2
        message = _compose([event], format, suffix, max_lines=lines)
    return message


def _compose(events: Sequence[Event], format: Format, suffix: str = "", max_lines: int | None = None) -> Message:
    if not events:
        raise ValueError("no events, no message")
    ordered = _in_order(events)
    title = headline(ordered, TITLE_LENGTH - len(suffix)) + suffix
    blocks = [block for block, _ in blocks_of(ordered, max_lines=max_lines)]
    text = render(blocks, Format.TEXT)
    return Message(
        title=title,
        body=text if format is Format.TEXT else render(blocks, format),
        format=format,
        heading=title_line(title, format),
        text=text,
        events=ordered,
    )


def _in_order(events: Sequence[Event]) -> tuple[Event, ...]:
    return tuple(sorted(events, key=lambda event: (KINDS.index(event.kind), event.model or "", event.id)))


def blocks_of(
    events: Sequence[Event], *, max_lines: int | None = None, with_prices: bool = True
) -> Iterator[tuple[Block, Event | None]]:
    """Yield the document of a message, and with each item the event it tells.

    `with_prices` is for whoever shows price changes in another way than as lines.
    """
    for kind in KINDS:
        group = [event for event in _in_order(events) if event.kind == kind]
        if group:
            yield Heading(f"{_HEADINGS[kind]} ({len(group)})" if len(group) > 1 else _HEADINGS[kind]), None
        for event in group:
            lines = tuple(_lines(event, with_prices))
            if max_lines is not None and len(lines) > max_lines:
                lines = (*lines[:max_lines], (Span("… more on the model's page", "muted"),))
            yield Item(_head(event), lines), event
    yield Note(reference(_in_order(events))), None


def reference(events: Sequence[Event]) -> str:
    """Return the line of shortened event ids by which a repeat is recognised."""
    ids = [clean(event.id)[:_SHORT_ID] for event in events]
    more = f" +{len(ids) - _SHOWN_IDS}" if len(ids) > _SHOWN_IDS else ""
    return f"openrouter-watcher · ref {' '.join(ids[:_SHOWN_IDS])}{more}"


# --- the title ------------------------------------------------------------------------------------------------------

_HEADINGS: dict[Kind, str] = {
    "expired": "Expired",
    "expiring": "Expiring",
    "repriced": "Repriced",
    "retargeted": "Now points elsewhere",
    "new": "New",
    "returned": "Back",
    "changed": "Changed",
    "catalog_suspect": "Catalogue not believed",
    "source_failing": "Source failing",
    "source_recovered": "Source recovered",
}

_COUNTED: dict[Kind, str] = {
    "expired": "expired",
    "expiring": "expiring",
    "repriced": "repriced",
    "retargeted": "retargeted",
    "new": "new",
    "returned": "back",
    "changed": "changed",
}
_TOLD_SINGLY = 2
"""Up to so many price changes stand in the title one by one."""


def headline(events: Sequence[Event], limit: int = TITLE_LENGTH) -> str:
    """Return the news in one line of at most `limit` characters: `1 expired, GPT-4o −17 %, 2 new`."""
    if len(events) == 1:
        return _cut(_sentence(events[0]), limit)
    full = ", ".join(_parts(events, _TOLD_SINGLY))
    return full if len(full) <= limit else _cut(", ".join(_parts(events, 0)), limit)


def _parts(events: Sequence[Event], singly: int) -> Iterator[str]:
    for kind in KINDS:
        group = [event for event in events if event.kind == kind]
        if not group:
            continue
        if kind == "repriced" and len(group) <= singly:
            yield from (f"{short_name(event)} {_price_news(event)}" for event in group)
        elif kind in _COUNTED:
            yield f"{len(group)} {_COUNTED[kind]}"
        else:
            yield _HEADINGS[kind].lower()


def _sentence(event: Event) -> str:
    name = short_name(event)
    match event.kind:
        case "new":
            return f"New: {name}"
        case "expired":
            return f"{name} expired"
        case "returned":
            return f"{name} is back"
        case "expiring":
            return f"{name} {_deadline(event)}"
        case "repriced":
            return f"{name} {_price_news(event)}"
        case "retargeted":
            target = _target(event)
            return f"{name} now points to {clean(target.new, 60)}" if target else f"{name} now points elsewhere"
        case "changed":
            fields = [_field_label(path) for path in event.fields]
            return f"{name}: {', '.join(fields)} changed" if fields else f"{name} changed"
        case "catalog_suspect":
            return "OpenRouter's catalogue looks wrong and was not believed"
        case "source_failing":
            return "OpenRouter's catalogue cannot be read"
        case "source_recovered":
            return "OpenRouter's catalogue can be read again"


def short_name(event: Event) -> str:
    """Return the name without its vendor: `GPT-4o` of `OpenAI: GPT-4o`."""
    name = clean(event.name, 60)
    return name.partition(": ")[2].strip() or name


def _price_news(event: Event) -> str:
    if "became_free" in event.marks:
        return "is now free"
    if "became_paid" in event.marks:
        return "is no longer free"
    if "became_variable" in event.marks:
        return "now has a variable price"
    for key in prices.in_order(event.prices):
        change = event.prices[key].change
        if change:
            return prices.percentage(change, 0)
    return "has a new price"


def _cut(text: str, limit: int) -> str:
    """Return the text within the limit, cut between words where there are any."""
    if len(text) <= limit:
        return text
    head = text[: limit - 1]
    return (head.rsplit(" ", 1)[0] if " " in head[limit // 2 :] else head).rstrip(" ,:") + "…"


# --- one event ------------------------------------------------------------------------------------------------------


def _head(event: Event) -> Line:
    name = clean(event.name)
    if event.model is None:
        return (Span(name, "strong"),)
    head = [Span(name, "strong", own_link(event.url))]
    if name != clean(event.model):
        head += [Span("  "), Span(clean(event.model), "code")]
    return tuple(head)


def _lines(event: Event, with_prices: bool) -> Iterator[Line]:
    for mark in event.marks:
        if mark in _MARKS:
            yield (Span(_MARKS[mark][0], _MARKS[mark][1]),)
    if event.kind == "expiring":
        yield (Span(f"{_sentence_case(_deadline(event))}{_on(event)}"),)
    if event.kind == "expired":
        yield (Span("No longer in the catalogue"),)
    if event.kind == "retargeted":
        yield from _target_lines(event)
    for key in prices.in_order(event.prices) if with_prices else ():
        yield _price_line(key, event.prices[key])
    for path, change in event.fields.items():
        if not (event.kind == "expiring" and path.endswith("expiration_date")) and change is not _target(event):
            yield _field_line(path, change)
    if event.offer is not None and event.kind in _OFFER_SHOWN:
        yield from _offer_lines(event)
    for alternative in event.alternatives:
        yield _alternative_line(alternative)
    if event.detail:
        yield (Span(clean(event.detail, 500)),)
    yield (Span(f"Since {_moment(event.since)}", "muted"),)


_MARKS: dict[str, tuple[str, Any]] = {
    "became_free": ("Became free", "good"),
    "became_paid": ("No longer free", "bad"),
    "became_variable": ("The price now depends on the routing", "bad"),
    "unlisted": ("Not listed yet: seen in the RSS feed alone", "muted"),
    "imported": ("From imported history", "muted"),
}

_OFFER_SHOWN: frozenset[Kind] = frozenset({"new", "expired", "expiring", "returned", "repriced"})


def _price_line(key: str, change: PriceChange) -> Line:
    old, new = prices.price_text(key, change.old), prices.price_text(key, change.new)
    unit = "" if change.new is not None and prices.is_free(change.new) else f" {prices.unit(key)}"
    spans = [
        Span(f"{clean(prices.label(key))}: ", "muted"),
        Span(f"{old} → "),
        Span(new, "strong"),
        Span(unit, "muted"),
    ]
    if change.change:
        falls = change.change.startswith("-")
        arrow = "↓" if falls else "↑"
        spans += [Span("  "), Span(f"{arrow} {prices.percentage(change.change)}", "good" if falls else "bad")]
    return tuple(spans)


def _offer_lines(event: Event) -> Iterator[Line]:
    offer = event.offer
    assert offer is not None
    if event.kind in ("new", "expired", "returned") and offer.prices:
        told = [key for key in prices.in_order(offer.prices) if key not in event.prices]
        main = [key for key in told if key in ("prompt", "completion")]
        minor = [key for key in told if key not in main and not prices.is_free(offer.prices[key])]
        last = "last price: " if event.kind == "expired" else "price: "
        if main:
            yield (Span(last, "muted"), Span(_price_list(main, offer)))
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
        yield (Span(f"Expires on {_day(offer.expiration_date)}", "bad"),)


def _price_list(keys: Sequence[str], offer: Offer) -> str:
    """Return `$3 prompt, $15 completion per 1M tokens`, with each unit said once, after its prices."""
    if all(prices.is_free(offer.prices[key]) for key in keys):
        return "free"
    parts = []
    for at, key in enumerate(keys):
        price = prices.price_text(key, offer.prices[key])
        unit = prices.unit(key)
        said = price in ("free", "varies") or (at + 1 < len(keys) and prices.unit(keys[at + 1]) == unit)
        # "$0.01 per search" needs no label.
        label = f" {clean(prices.label(key))}" if unit == prices.PER_MILLION or said else ""
        parts.append(f"{price}{label}{'' if said else f' {unit}'}")
    return ", ".join(parts)


_REASONS = {
    "variant": "a variant of the same model",
    "same_model": "the same model under another id",
    "same_weights": "the same weights",
    "same_name": "a model of the same name",
}


def _alternative_line(alternative: Alternative) -> Line:
    return (
        Span("still works: ", "muted"),
        Span(clean(alternative.id), "code", page(alternative.id)),
        Span(f" ({_REASONS[alternative.reason]})"),
    )


def _target(event: Event) -> FieldChange | None:
    """Return the change of what an alias or an id stands for."""
    if event.kind != "retargeted":
        return None
    for path, change in event.fields.items():
        if "alias_target" in path or "canonical_slug" in path:
            return change
    return None


def _target_lines(event: Event) -> Iterator[Line]:
    target = _target(event)
    if target is not None:
        yield (Span("was "), Span(_value("", target.old), "code"), Span(", now "), Span(_value("", target.new), "code"))


def _deadline(event: Event) -> str:
    expiry = next((change for path, change in event.fields.items() if path.endswith("expiration_date")), None)
    if (expiry is not None and expiry.new is None) or (event.offer is not None and not event.offer.expiration_date):
        return "no longer expires"
    match event.days_left:
        case None:
            return "will expire"
        case 0:
            return "expires today"
        case 1:
            return "expires tomorrow"
        case days if days < 0:
            return f"should have expired {-days} day{'s' if days < -1 else ''} ago"
        case days:
            return f"expires in {days} days"


def _on(event: Event) -> str:
    """Return ` on 20 January 2026 (before: …)` for an expiration date that is known."""
    expiry = next((change for path, change in event.fields.items() if path.endswith("expiration_date")), None)
    new = expiry.new if expiry is not None else event.offer.expiration_date if event.offer is not None else None
    old = expiry.old if expiry is not None else None
    if new is None:
        return f" (it was to expire on {_day(old)})" if old else ""
    return f", on {_day(new)}" + (f" (before: {_day(old)})" if old else "")


# --- other fields ---------------------------------------------------------------------------------------------------

_FIELD_LABELS = {
    "top_provider.max_completion_tokens": "output limit",
    "max_completion_tokens": "output limit",
    "top_provider.context_length": "context at the top provider",
    "top_provider.is_moderated": "moderated",
}


def _field_label(path: str) -> str:
    return clean(_FIELD_LABELS.get(path, path.rpartition(".")[2].replace("_", " ")), 60)


def _field_line(path: str, change: FieldChange) -> Line:
    label = Span(f"{_field_label(path)}: ", "muted")
    if isinstance(change.old, list | tuple) and isinstance(change.new, list | tuple):
        added = [item for item in change.new if item not in change.old]
        removed = [item for item in change.old if item not in change.new]
        signed = [f"+{clean(item, 80)}" for item in added] + [f"−{clean(item, 80)}" for item in removed]
        shown = " ".join(signed[:_SHOWN_IDS]) + (f" and {len(signed) - _SHOWN_IDS} more" if signed[_SHOWN_IDS:] else "")
        return (label, Span(shown or "another order"))
    return (label, Span(f"{_value(path, change.old)} → "), Span(_value(path, change.new), "strong"))


def _value(path: str, value: Any) -> str:
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


def _day(text: object) -> str:
    """Return an API date such as `2026-01-20` as `20 January 2026`; what is no date stays as it came."""
    try:
        day = date.fromisoformat(str(text)[:10])
    except ValueError:
        return clean(text, 40)
    return f"{day.day} {day:%B %Y}"


def _moment(at: datetime) -> str:
    return f"{at.day} {at:%B %Y, %H:%M} UTC"


def _sentence_case(text: str) -> str:
    return text[:1].upper() + text[1:]
