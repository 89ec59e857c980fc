"""The title of a message: the news in one line."""

import re
from collections.abc import Iterator, Sequence

from watcher.catalog.model import CHANGE_KINDS, KINDS, Event, Kind
from watcher.messages import prices
from watcher.messages.sample import is_sample
from watcher.messages.text import clean
from watcher.messages.wording import deadline, field_label, target

TITLE_LENGTH = 120
TEST = "It works (test): "
"""Begins the title of made-up events, since a phone may show only the title."""

HEADINGS: dict[Kind, str] = {
    "expired": "Expired",
    "expiring": "Expiring",
    "repriced": "Repriced",
    "retargeted": "Now points elsewhere",
    "new": "New",
    "returned": "Back",
    "changed": "Changed",
    "undelivered": "Alerts lost",
    "catalog_suspect": "Catalogue not believed",
    "source_failing": "Source failing",
    "source_recovered": "Source recovered",
    "alive": "Still alive",
}

_SENTENCES: dict[Kind, str] = {
    "new": "New: {}",
    "expired": "{} expired",
    "returned": "{} is back",
    "undelivered": "Alerts for {} were lost",
    "catalog_suspect": "OpenRouter's catalogue looks wrong and was not believed",
    "source_failing": "OpenRouter's catalogue cannot be read",
    "source_recovered": "OpenRouter's catalogue can be read again",
}
_NUMBER = re.compile(r" \(\d+/\d+\)$")
_FIELDS_IN_TITLE = 3
_SHOWN_SINGLY = 2
"""Price changes that a title names one by one; more are counted."""


def headline(events: Sequence[Event], limit: int = TITLE_LENGTH) -> str:
    """Return the news in one line of at most `limit` characters: `1 expired, GPT-4o −17 %, 2 new`."""
    test = TEST if all(map(is_sample, events)) else ""
    if len(events) == 1:
        return shorten(test + _sentence(events[0]), limit)
    full = test + ", ".join(counts(events, _SHOWN_SINGLY))
    return full if len(full) <= limit else shorten(test + ", ".join(counts(events)), limit)


def counts(events: Sequence[Event], singly: int = 0) -> Iterator[str]:
    """Yield the number of events of each kind in words: `2 expired`, `14 new`; no more than `singly` prices by name."""
    for kind in KINDS:
        group = [event for event in events if event.kind == kind]
        if not group:
            continue
        if kind == "repriced" and len(group) <= singly:
            yield from map(brief, group)
        elif kind == "retargeted":
            yield f"{len(group)} retargeted"
        else:
            yield f"{f'{len(group)} ' if kind in CHANGE_KINDS else ''}{HEADINGS[kind].lower()}"


def brief(event: Event) -> str:
    """Return the event in the fewest words, for a list under the heading of its kind: `GPT-4o −17 %`."""
    if event.model is None:
        return clean(event.name, 60)
    news = {"repriced": _price_news, "expiring": deadline}.get(event.kind)
    return f"{short_name(event)} {news(event)}" if news else short_name(event)


def shorten(title: str, limit: int) -> str:
    """Return a title within the limit, cut between words where there are any; the number of a part stays."""
    if len(title) <= limit:
        return title
    match = _NUMBER.search(title)
    number = match[0] if match else ""
    text = title.removesuffix(number)
    end = limit - len(number) - 1
    head = text[:end]
    if text[end] != " " and " " in head[end // 2 :]:
        head = head.rsplit(" ", 1)[0]
    return f"{head.rstrip(' ,:')}…{number}"


def _sentence(event: Event) -> str:
    name = short_name(event)
    match event.kind:
        case "expiring" | "repriced":
            return brief(event)
        case "retargeted":
            change = target(event)
            return f"{name} now points to {clean(change.new, 60)}" if change else f"{name} now points elsewhere"
        case "changed":
            fields = [field_label(path) for path in event.fields]
            what = ", ".join(fields) if len(fields) <= _FIELDS_IN_TITLE else f"{len(fields)} fields"
            return f"{name}: {what} changed" if fields else f"{name} changed"
        case "alive":
            first = clean(event.detail or "", TITLE_LENGTH).partition(". ")[0].rstrip(".")
            return f"Still alive: {first}" if first else "Still alive"
        case kind:
            return _SENTENCES[kind].format(name)


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
