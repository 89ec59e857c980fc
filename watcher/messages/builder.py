"""The messages for the events of one sending, within the limits of a service.

`headline` words the title and `wording` each event; `document` writes them in a format.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC
from itertools import accumulate, groupby, islice

from msgspec import Struct
from msgspec.structs import replace

from watcher.catalog.model import KINDS, Event, Kind
from watcher.messages.document import Block, Format, Heading, Item, Note, Span, frame, title_line, write, write_all
from watcher.messages.headline import HEADINGS, TITLE_LENGTH, brief, counts, headline
from watcher.messages.text import clean
from watcher.messages.wording import item_of

MOST_MESSAGES = 5
"""Messages of one sending. Nobody would read more, and services limit their rate."""

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


Composer = Callable[[Format, int], Sequence[Message]]
"""Returns what to send, given a format and the most bytes of one message."""


def compose(events: Sequence[Event], format: Format) -> Message:
    """Return one message for all the events, of any length: grouped by kind, most important first."""
    ordered = in_order(events)
    return message(headline(ordered), _blocks(ordered, map(item_of, ordered)), ordered, format)


def compose_within(events: Sequence[Event], format: Format, limit: int) -> list[Message]:
    """Return at most `MOST_MESSAGES` messages, each of at most `limit` bytes of heading and body together.

    Bytes, since that is at least what any service counts: some count characters, some UTF-16, some bytes.

    They are split between events, never inside one, and numbered `(1/3)` in the title. An event that is too long
    by itself is cut short at the end of a line, and says so. If more messages were needed, the first begins with a
    summary and the most important events in full. The last one then names as many others as there is room for, and says
    how to list them all. Every event belongs to one of the messages.
    """
    if is_terse(format, limit):
        return [_terse(in_order(events), format, limit)]
    return _Split(in_order(events), format, limit).messages()


def is_terse(format: Format, limit: int) -> bool:
    """Whether messages of so few bytes have a line for each event and no more."""
    return limit < _TERSE_LIMIT + _bytes(frame("", format))


class _Split:
    """Splits events, most important first, into messages of at most `limit` bytes."""

    def __init__(self, events: tuple[Event, ...], format: Format, limit: int) -> None:
        self._events = events
        self._format = format
        self._limit = limit
        self._items = [item_of(event) for event in events]
        self._sizes = [_bytes(write(item, format)) for item in self._items]

    def messages(self) -> list[Message]:
        whole = self._part(0, len(self._events), (), 0)
        if len(whole.events) == len(self._events):
            return [whole]
        parts = self._parts(MOST_MESSAGES)
        if sum(len(part.events) for part in parts) < len(self._events):
            parts = self._parts(MOST_MESSAGES - 1, self._summary())
            parts.append(self._names(sum(len(part.events) for part in parts)))
        return with_numbers(parts)

    def _parts(self, most: int, summary: Sequence[Block] = ()) -> list[Message]:
        """Return at most `most` messages of the events in their order; they may leave some out.

        With a `summary`, which the first begins with, at least one event is left out.
        """
        parts: list[Message] = []
        start = 0
        while len(parts) < most and start < len(self._events):
            end = len(self._events) - (most - len(parts) if summary else 0)
            parts.append(self._part(start, end, () if parts else summary, NUMBER_LENGTH))
            start += len(parts[-1].events)
        return parts

    def _part(self, start: int, end: int, before: Sequence[Block], number: int) -> Message:
        """Return the message of as many of the events as fit; a single one that does not fit is cut short.

        `number` characters of the title and bytes of the message are kept free.
        """
        limit, title = self._limit - number, TITLE_LENGTH - number
        most = bisect_right(list(accumulate(self._sizes[start:end])), limit)
        for last in range(start + max(most, 1), start, -1):
            part = self._message(start, last, title, before)
            if part.size <= limit:
                return part
        event = self._events[start]
        for item in (*(item_of(event, lines) for lines in (8, 4, 2, 1, 0)), Item((Span(brief(event), "strong"),))):
            part = self._message(start, start + 1, title, before, item)
            if part.size <= limit:
                break
        return part

    def _message(
        self, start: int, end: int, title: int, before: Sequence[Block] = (), only: Item | None = None
    ) -> Message:
        """Return the message of these events; `only` is what to say instead of the first in full."""
        events, items = self._events[start:end], [only] if only else self._items[start:end]
        return message(headline(self._events, title), (*before, *_blocks(events, items)), events, self._format)

    def _summary(self) -> tuple[Block, ...]:
        return (
            Item(
                (Span(f"{len(self._events):,} changes", "strong"), Span(f": {', '.join(counts(self._events))}")),
                ((Span(f"The most important are shown in full, the others are named in part {MOST_MESSAGES}."),),),
            ),
        )

    def _names(self, start: int) -> Message:
        """Return the message that names the events from `start` on, as many as there is room for."""
        rest = self._events[start:]
        title = headline(rest, TITLE_LENGTH - NUMBER_LENGTH)
        count = Counter(event.kind for event in rest)
        first = min(event.at for event in self._events).astimezone(UTC)
        command = Span(f"watcher changes --since {first:%Y-%m-%dT%H:%MZ}", "code")

        def naming(named: int) -> Message:
            blocks: list[Block] = [
                Item((Span(f"{HEADINGS[kind]} ({count[kind]:,})", "strong"),), ((Span(", ".join(map(brief, same))),),))
                for kind, same in by_kind(rest[:named])
            ]
            more = f"and {len(rest) - named:,} more: " if named < len(rest) else "all of them in full: "
            return message(title, [*blocks, Item((Span(more), command)), Note(reference(rest))], rest, self._format)

        limit = self._limit - NUMBER_LENGTH
        return naming(bisect_right(range(1, len(rest) + 1), limit, key=lambda named: naming(named).size))


def _terse(events: tuple[Event, ...], format: Format, limit: int) -> Message:
    """Return one message with the news, a line for each event, and how many events it has no room for."""
    for length in (TITLE_LENGTH, 60, 30, 15, 7):
        title = headline(events, length)
        room = limit - _bytes(title_line(title, format)) - 2
        if room >= 0:
            break
    lines = [title_line(headline((event,)), format) for event in events] if len(events) > 1 else []

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
    """Return the events as a message has them: grouped by kind, most important first."""
    return tuple(sorted(events, key=lambda event: (KINDS.index(event.kind), event.model or "", event.at, event.id)))


def by_kind(events: Iterable[Event]) -> Iterator[tuple[Kind, list[Event]]]:
    """Yield each kind with its events, which are in order."""
    for kind, group in groupby(events, key=lambda event: event.kind):
        yield kind, list(group)


def kind_heading(kind: Kind, count: int) -> str:
    """Return the heading over so many events of the kind: `New`, `New (12)`."""
    return f"{HEADINGS[kind]} ({count:,})" if count > 1 else HEADINGS[kind]


def _blocks(events: Sequence[Event], items: Iterable[Item]) -> Iterator[Block]:
    """Yield the items of the events, a heading over each kind, and the reference."""
    rest = iter(items)
    for kind, same in by_kind(events):
        yield Heading(kind_heading(kind, len(same)))
        yield from islice(rest, len(same))
    yield Note(reference(events))


def reference(events: Sequence[Event]) -> str:
    """Return the line of shortened event ids by which a repeat is recognised."""
    ids = [clean(event.id)[:_SHORT_ID] for event in events[:_SHOWN_IDS]]
    more = f" +{len(events) - _SHOWN_IDS}" if len(events) > _SHOWN_IDS else ""
    return f"openrouter-watcher · ref {' '.join(ids)}{more}"
