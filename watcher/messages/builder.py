"""The messages for the events of one sending, within the limits of a service.

`headline` words the title and `wording` each event; `document` writes them in a format.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, tzinfo
from functools import cache, cached_property, partial
from itertools import accumulate, islice
from math import inf

from msgspec import Struct
from msgspec.structs import replace

from watcher.catalog.model import CHANGE_KINDS, Event, Kind
from watcher.messages.cards import Card, cards
from watcher.messages.document import Block, Format, Heading, Item, Note, Span, frame, title_line, write, write_all
from watcher.messages.headline import HEADINGS, TITLE_LENGTH, brief, by_kind, counts, headline_of
from watcher.messages.picture import Picture
from watcher.messages.text import clean
from watcher.messages.wording import item_of, row_of, seen_text

MOST_MESSAGES = 5
"""Messages of one sending. Nobody would read more, and services limit their rate."""

LIST_FROM = 5
"""From so many cards of a kind on, each is a line of a list."""

_SHORT_ID = 8
_SHOWN_IDS = 12
NUMBER_LENGTH = len(f" ({MOST_MESSAGES}/{MOST_MESSAGES})")
"""Characters of the number at the end of a title."""
_TERSE_LIMIT = 600
"""Below this many bytes (a text message, a pager) a message is one line an event."""


class Message(Struct, frozen=True):
    """A message for one channel."""

    title: str
    """One line of plain text."""
    body: str
    format: Format
    events: tuple[Event, ...]
    """The events of the message, most important first."""
    blocks: tuple[Block, ...] = ()
    """What the built-in body says. A terse message has none."""
    own_words: bool = False
    """Whether the body is a template's and says something else."""
    pictures: tuple[Picture, ...] = ()
    """What a mail shows below its news."""

    @property
    def heading(self) -> str:
        """The title in the body's format."""
        return title_line(self.title, self.format)

    @property
    def text(self) -> str:
        """The body as plain text: the other part of a mail."""
        if self.format is Format.TEXT or not self.blocks:
            return self.body
        return frame(write_all(self.blocks, Format.TEXT), Format.TEXT)

    @property
    def ids(self) -> tuple[str, ...]:
        """The events' ids: what makes a repeat recognisable as one."""
        return tuple(event.id for event in self.events)

    @property
    def size(self) -> int:
        """The bytes of heading and body together."""
        return _bytes(self.heading) + _bytes(self.body) + 2


def compose(events: Sequence[Event], format: Format, zone: tzinfo = UTC) -> Message:
    """Return one message for all the events, of any length: grouped by kind, most important first."""
    composition = _Composition(events, format, zone)
    return composition.message(headline_of(composition.cards))


def compose_within(events: Sequence[Event], format: Format, limit: int, zone: tzinfo = UTC) -> list[Message]:
    """Return at most `MOST_MESSAGES` messages, each of at most `limit` bytes of heading and body together.

    Bytes, since that is at least what any service counts: some count characters, some UTF-16, some bytes.

    They are split between cards, never inside one, and numbered `(1/3)` in the title. A card that is too long
    by itself is cut short at the end of a line, and says so. If more messages were needed, the first begins with a
    summary and the most important cards in full. The last one then names as many others as there is room for, and says
    how to list them all. Every event belongs to one of the messages. By the clocks of the `zone` they say when
    something was first seen.
    """
    if is_terse(format, limit):
        return [_terse(cards(events), format, limit)]
    return _Composition(events, format, zone, limit).messages()


def is_terse(format: Format, limit: int) -> bool:
    """Whether messages of so few bytes have a line for each event and no more."""
    return limit < _TERSE_LIMIT + _bytes(
        frame(write_all((Item(()), Heading("", "new"), Item(()), Note("")), format), format)
    )


class _Composition:
    """Cards, most important first, and the messages that say them, of at most `limit` bytes."""

    def __init__(self, events: Iterable[Event], format: Format, zone: tzinfo, limit: float = inf) -> None:
        self.cards = cards(events)
        self._format = format
        self._limit = limit
        self._title = cache(partial(headline_of, self.cards))
        moments = {seen_text(event, zone) for event in self.events()}
        self._shared = f"All first seen {next(iter(moments))} · " if len(self.cards) > 1 and len(moments) == 1 else ""
        self._zone = None if self._shared else zone
        kinds = Counter(card.main.kind for card in self.cards)
        lists = {kind for kind in CHANGE_KINDS if kinds[kind] >= LIST_FROM}
        self._items = [
            row_of(card, self._zone) if card.main.kind in lists else item_of(card, self._zone) for card in self.cards
        ]

    def events(self, start: int = 0, end: int | None = None) -> tuple[Event, ...]:
        """Return the events of some of the cards."""
        return tuple(event for card in self.cards[start:end] for event in card.events)

    def message(
        self,
        title: str,
        start: int = 0,
        end: int | None = None,
        before: Sequence[Block] = (),
        only: Item | None = None,
    ) -> Message:
        """Return the message of some of the cards, a heading over each kind; `only` replaces what they say."""
        rest = iter([only] if only else self._items[start:end])
        blocks = [*before]
        for kind, same in by_kind(self.cards[start:end]):
            blocks += (Heading(kind_heading(kind, len(same)), kind), *islice(rest, len(same)))
        events = self.events(start, end)
        blocks.append(Note(self._shared + reference(events)))
        return message(title, blocks, events, self._format)

    def messages(self) -> list[Message]:
        """Return the messages of `compose_within`."""
        whole, end = self._part(0, len(self.cards), (), 0)
        if end == len(self.cards):
            return [whole]
        parts, end = self._parts(MOST_MESSAGES)
        if end < len(self.cards):
            parts, end = self._parts(MOST_MESSAGES - 1, self._summary())
            parts.append(self._names(end))
        return with_numbers(parts)

    def _parts(self, most: int, summary: Sequence[Block] = ()) -> tuple[list[Message], int]:
        """Return at most `most` messages of the cards in their order, and how many cards they tell.

        With a `summary`, which the first begins with, at least one card is left out.
        """
        parts: list[Message] = []
        start = 0
        while len(parts) < most and start < len(self.cards):
            end = len(self.cards) - (most - len(parts) if summary else 0)
            part, start = self._part(start, end, () if parts else summary, NUMBER_LENGTH)
            parts.append(part)
        return parts, start

    def _part(self, start: int, end: int, before: Sequence[Block], number: int) -> tuple[Message, int]:
        """Return the message of as many of the cards as fit, and where it ends; a single one is cut short to fit.

        `number` characters of the title and bytes of the message are kept free.
        """
        limit, title = self._limit - number, self._title(TITLE_LENGTH - number)
        most = bisect_right(list(accumulate(self._sizes[start:end])), limit)
        for last in range(start + max(most, 1), start, -1):
            part = self.message(title, start, last, before)
            if part.size <= limit:
                return part, last
        card = self.cards[start]
        shorter = [item_of(card, self._zone, lines) for lines in (8, 4, 2, 1, 0)]
        for item in (*shorter, Item((Span(brief(card.main), "strong"),))):
            cut = self.message(title, start, start + 1, before, item)
            if cut.size <= limit:
                break
        return cut, start + 1

    @cached_property
    def _sizes(self) -> list[int]:
        """The bytes of what each card says: so many cards need not be tried."""
        return [_bytes(write(item, self._format)) for item in self._items]

    def _summary(self) -> tuple[Block, ...]:
        return (
            Item(
                (Span(f"{len(self.cards):,} changes", "strong"), Span(f": {', '.join(counts(self.cards))}")),
                ((Span(f"The most important are shown in full, the others are named in part {MOST_MESSAGES}."),),),
            ),
        )

    def _names(self, start: int) -> Message:
        """Return the message that names the cards from `start` on, as many as there is room for."""
        rest, events = self.cards[start:], self.events(start)
        title = headline_of(rest, TITLE_LENGTH - NUMBER_LENGTH)
        count = Counter(card.main.kind for card in rest)
        first = min(event.at for event in self.events()).astimezone(UTC)
        command = Span(f"watcher changes --since {first:%Y-%m-%dT%H:%MZ}", "code")

        def naming(named: int) -> Message:
            blocks: list[Block] = [
                Item(
                    (Span(f"{HEADINGS[kind]} ({count[kind]:,})", "strong"),),
                    ((Span(", ".join(brief(card.main) for card in same)),),),
                )
                for kind, same in by_kind(rest[:named])
            ]
            more = f"and {len(rest) - named:,} more: " if named < len(rest) else "all of them in full: "
            blocks += (Item((Span(more), command)), Note(reference(events)))
            return message(title, blocks, events, self._format)

        limit = self._limit - NUMBER_LENGTH
        return naming(bisect_right(range(1, len(rest) + 1), limit, key=lambda named: naming(named).size))


def _terse(found: Sequence[Card], format: Format, limit: int) -> Message:
    """Return one message with the news, a line for each card, and how many cards it has no room for."""
    for length in (TITLE_LENGTH, 60, 30, 15, 7):
        title = headline_of(found, length)
        room = limit - _bytes(title_line(title, format)) - 2
        if room >= 0:
            break
    lines = [title_line(headline_of((card,)), format) for card in found] if len(found) > 1 else []
    events = tuple(event for card in found for event in card.events)

    def body(shown: int) -> str:
        more = [f"+{len(lines) - shown:,} more"] if shown < len(lines) else []
        return "\n".join([*lines[:shown], *more])

    text = body(bisect_right(range(1, len(lines) + 1), room, key=lambda shown: _bytes(body(shown))))
    return Message(title, text if _bytes(text) <= room else "", format, events)


def message(title: str, blocks: Iterable[Block], events: tuple[Event, ...], format: Format) -> Message:
    """Return the message that says these blocks."""
    blocks = tuple(blocks)
    return Message(title, frame(write_all(blocks, format), format), format, events, blocks)


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="replace"))


def with_numbers(messages: Sequence[Message]) -> list[Message]:
    """Return the messages with their numbers, `(1/3)`, at the end of their titles."""
    return [replace(part, title=f"{part.title} ({number}/{len(messages)})") for number, part in enumerate(messages, 1)]


def in_order(events: Sequence[Event]) -> tuple[Event, ...]:
    """Return the events as a message has them: card by card, most important first."""
    return tuple(event for card in cards(events) for event in card.events)


def kind_heading(kind: Kind, count: int) -> str:
    """Return the heading over so many events of the kind: `New`, `New (12)`."""
    return f"{HEADINGS[kind]} ({count:,})" if count > 1 else HEADINGS[kind]


def reference(events: Sequence[Event]) -> str:
    """Return the line of shortened event ids by which a repeat is recognised."""
    ids = [clean(event.id)[:_SHORT_ID] for event in events[:_SHOWN_IDS]]
    more = f" +{len(events) - _SHOWN_IDS}" if len(events) > _SHOWN_IDS else ""
    return f"openrouter-watcher · ref {' '.join(ids)}{more}"
