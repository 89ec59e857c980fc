"""The title of a message: the news in one line."""

import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import groupby

from msgspec import UNSET

from watcher.catalog.event import REMARK
from watcher.catalog.model import CHANGE_KINDS, Event, Kind
from watcher.catalog.pricing import TOKEN_PRICES
from watcher.messages import prices
from watcher.messages.cards import Card, cards
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
    "provider_gone": "Providers gone",
    "provider_repriced": "Providers repriced",
    "provider_added": "Providers added",
    "undelivered": "Alerts lost",
    "catalog_suspect": "Catalogue not believed",
    "source_failing": "Source failing",
    "source_recovered": "Source recovered",
    "alive": "Still alive",
}

_SENTENCES: dict[Kind, str] = {
    "new": "New: {}",
    "expired": "{} is gone",
    "returned": "{} is back",
    "provider_gone": "{1} no longer offers {0}",
    "provider_added": "{0} is now also at {1}",
    "undelivered": "Alerts for {} were lost",
    "catalog_suspect": "OpenRouter's catalogue looks wrong and was not believed",
    "source_failing": "OpenRouter's catalogue cannot be read",
    "source_recovered": "OpenRouter's catalogue can be read again",
}
_WORDS: dict[Kind, str] = {"expired": "gone", "returned": "back"}
_NUMBER = re.compile(r" \(\d+/\d+\)$")
_FIELDS_IN_TITLE = 3
_SAYS_NOTHING = 3
"""Letters of a name."""
_FEW = 3
"""Cards that a title names; of more, kinds with at most `_PAIR`."""
_PAIR = 2
_MOST_LISTED = 60
"""Names that are too many for a title."""


def headline(events: Sequence[Event]) -> str:
    """Return the news in one line: `R1 0528 gone, GPT-4o −17%, 12 new`."""
    return headline_of(cards(events))


def headline_of(found: Sequence[Card], limit: int = TITLE_LENGTH) -> str:
    """Return the headline of cards, most important first, in at most `limit` characters."""
    test = TEST if all(is_sample(card.main) for card in found) else ""
    if len(found) == 1:
        return shorten(test + _sentence(found[0].main), limit)
    named = len(found) if len(found) <= _FEW else _PAIR
    for kinds in range(len({card.main.kind for card in found}), 0, -1):
        full = test + ", ".join(counts(found, named, kinds))
        if len(full) <= limit:
            return full
    return shorten(full, limit)


def counts(found: Sequence[Card], named: int = 0, kinds: int = 0) -> Iterator[str]:
    """Yield the news of each kind in words: how many, `14 new`, but of the first `kinds` up to `named` by name."""
    for at, (kind, group) in enumerate(by_kind(found)):
        word = _WORDS.get(kind, kind.removeprefix("provider_"))
        if kind not in CHANGE_KINDS:
            yield HEADINGS[kind].lower()
        elif at >= kinds or len(group) > named:
            names = [brief(card.main) for card in group[:_MOST_LISTED]] if kinds and len(group) == len(found) else []
            if group[0].main.provider is not UNSET:
                word = f"{'endpoint' if len(group) == 1 else 'endpoints'} {word}"
            yield f"{len(group):,} {word}{': ' if names else ''}{', '.join(names)}"
        elif kind in ("repriced", "expiring", "retargeted", "provider_repriced"):
            yield from (brief(card.main) for card in group)
        else:
            names = [brief(card.main) for card in group]
            yield f"{' and '.join(filter(None, (', '.join(names[:-1]), names[-1])))} {word}"


def by_kind(found: Iterable[Card]) -> Iterator[tuple[Kind, list[Card]]]:
    """Yield each kind with its cards, which are in order."""
    yield from ((kind, list(group)) for kind, group in groupby(found, key=lambda card: card.main.kind))


def brief(event: Event) -> str:
    """Return the event in the fewest words, for a list under the heading of its kind: `GPT-4o −17%`."""
    if event.model is None:
        return clean(event.name, 60)
    name = short_name(event)
    if event.provider is not UNSET:
        name += f" at {clean(event.provider.name, 40)}"
    return f"{name} {_NEWS[event.kind](event)}" if event.kind in _NEWS else name


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
        case "expiring" | "repriced" | "provider_repriced":
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
            provider = clean(event.provider.name, 40) if event.provider else ""
            return _SENTENCES[kind].format(name, provider)


def _new_target(event: Event) -> str:
    change = target(event)
    return f"→ {clean(change.new, 60).rpartition('/')[2]}" if change else "points elsewhere"


def short_name(event: Event) -> str:
    """Return the name without its vendor, `GPT-4o` of `OpenAI: GPT-4o`; with it where the rest says nothing alone.

    One word without a digit says nothing, and neither do three letters: `Venice Uncensored (free)`, `DeepSeek R1`.
    """
    name = clean(event.name, 60)
    vendor, _, rest = name.partition(": ")
    if not rest.strip():
        return name
    bare = REMARK.sub("", rest).strip()
    alone = " " in bare or (len(bare) > _SAYS_NOTHING and any(map(str.isdigit, bare))) or vendor in bare
    return rest.strip() if alone else f"{vendor} {rest.strip()}"


def _price_news(event: Event) -> str:
    if "became_free" in event.marks:
        return "is now free"
    if "became_paid" in event.marks:
        return "is no longer free"
    if "became_variable" in event.marks:
        return "now has a variable price"
    changes = {key: change.change for key, change in event.prices.items() if change.change}
    main = [changes[key] for key in TOKEN_PRICES if key in changes]
    first = [changes[key] for key in prices.in_order(changes)][:1]
    for change in sorted(main, key=lambda change: -abs(Decimal(change.rstrip("%"))))[:1] or first:
        return prices.percentage(change, 0)
    return "has a new price"


_NEWS = {
    "repriced": _price_news,
    "provider_repriced": _price_news,
    "expiring": deadline,
    "retargeted": _new_target,
}
"""What follows the name in the fewest words."""
