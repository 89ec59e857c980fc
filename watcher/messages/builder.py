"""The messages for the events of one sending, within the limits of a service.

`headline` words the title and `wording` each event; how it is all written is `document`'s work.
"""

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC

from msgspec import Struct
from msgspec.structs import replace

from watcher.catalog.model import KINDS, Event, Kind
from watcher.messages.document import Block, Format, Heading, Item, Note, Span, assemble, title_line, write
from watcher.messages.headline import HEADINGS, TITLE_LENGTH, brief, counts, headline
from watcher.messages.text import clean
from watcher.messages.wording import head, lines_of

__all__ = ["MOST_MESSAGES", "Format", "Message", "MessageBuilder", "blocks_of", "compose", "compose_within", "headline"]

MOST_MESSAGES = 5
"""Messages of one sending. More of them would be read by nobody, and run into the rate limits of the services."""

_SHORT_ID = 8
_SHOWN_IDS = 12
_NUMBER_LENGTH = len(f" ({MOST_MESSAGES}/{MOST_MESSAGES})")
_TITLE_ROOM = 140
"""Kept free for the title while events are put together; most are shorter."""
_NOTE = Note("x" * 150)
"""As long as the line of references becomes."""
_TERSE_LIMIT = 600
"""Below it (a text message, a pager) there is no room for more than the news itself."""
_LINES = 16


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
    """Return one message for all the events, however long: grouped by kind, most important first.

    Raises:
        ValueError: there are no events, so there is no message.
    """
    return MessageBuilder(events).whole(format)


def compose_within(events: Sequence[Event], format: Format, limit: int) -> list[Message]:
    """Return a few messages, none of which exceeds `limit`; see `MessageBuilder.messages`."""
    return MessageBuilder(events).messages(format, limit)


class MessageBuilder:
    """Events in the built-in words: each is worded once, and written once a format, for however many channels."""

    def __init__(self, events: Sequence[Event]) -> None:
        """Raise ValueError if there are no events, since then there is no message."""
        if not events:
            raise ValueError("no events, no message")
        self._events = _in_order(events)
        self._items: list[Item | None] = [None] * len(events)
        self._written: dict[Format, list[str | None]] = {}
        self._sizes: dict[Format, list[int]] = {}
        self._composed: dict[tuple[Format, int], list[Message]] = {}
        self._lock = threading.Lock()

    def whole(self, format: Format) -> Message:
        """Return one message for all the events, however long."""
        return self._message(format, 0, len(self._events))

    def messages(self, format: Format, limit: int) -> list[Message]:
        """Return at most `MOST_MESSAGES` messages, each of at most `limit` bytes of heading and body together.

        Bytes, since that is at least what any service counts: some count characters, some UTF-16, some bytes.

        They are split between events, never inside one, and numbered `(1/3)` in the title. An event that is too long
        by itself is cut short at the end of a line, and says so. Where that would take more messages, the first begins
        with a summary, the most important events are told in full, and the last message names the others, as far as
        there is room, and says how to list them all. Every event belongs to one of the messages.
        """
        with self._lock:
            found = self._composed.get((format, limit))
            if found is None:
                found = self._composed[format, limit] = self._within(format, limit)
            return found

    def _within(self, format: Format, limit: int) -> list[Message]:
        if limit < _TERSE_LIMIT + _size(assemble((), format)):
            return [self._terse(format, limit)]
        if len(self._events) == 1:
            return [self._fitting(format, limit, 0, 1, TITLE_LENGTH)]
        if self._end(format, limit, 0) == len(self._events):
            whole = self._message(format, 0, len(self._events))
            if _length(whole) <= limit:
                return [whole]
        parts = self._parts(format, limit, MOST_MESSAGES)
        if sum(len(part.events) for part in parts) < len(self._events):
            parts = self._parts(format, limit, MOST_MESSAGES - 1, self._summary())
            parts.append(self._names(format, limit - _NUMBER_LENGTH, sum(len(part.events) for part in parts)))
        return [_numbered(part, n, len(parts)) for n, part in enumerate(parts, 1)]

    def _parts(self, format: Format, limit: int, most: int, opening: Sequence[Block] = ()) -> list[Message]:
        """Return at most `most` messages of the events in their order; they need not be enough for all of them.

        With an `opening`, which the first begins with, one event at least is left over.
        """
        limit -= _NUMBER_LENGTH
        count = len(self._events)
        parts: list[Message] = []
        start = 0
        while len(parts) < most and start < count:
            first = () if parts else opening
            end = self._end(format, limit - sum(_size(write(block, format)) + 2 for block in first), start)
            if opening:
                end = min(end, count - (most - len(parts)))
            part = self._fitting(format, limit, start, end, TITLE_LENGTH - _NUMBER_LENGTH, first)
            parts.append(part)
            start += len(part.events)
        return parts

    def _summary(self) -> tuple[Block]:
        return (
            Item(
                (Span(f"{len(self._events):,} changes", "strong"), Span(f": {', '.join(counts(self._events))}")),
                ((Span(f"The most important are told in full, the others by name in part {MOST_MESSAGES}."),),),
            ),
        )

    def _end(self, format: Format, limit: int, start: int) -> int:
        """Return the end of the events from `start` on that go into one message: at least one."""
        room = limit - _size(assemble((), format)) - _TITLE_ROOM - _size(write(_NOTE, format))
        kind: Kind | None = None
        for at in range(start, len(self._events)):
            if self._events[at].kind != kind:
                kind = self._events[at].kind
                room -= _size(write(Heading(f"{HEADINGS[kind]} (1000)"), format)) + 2
            room -= self._item_size(format, at) + 2
            if room < 0 and at > start:
                return at
        return len(self._events)

    def _names(self, format: Format, limit: int, start: int) -> Message:
        """Return the message that names the events from `start` on, as many as there is room for."""
        rest = self._events[start:]
        title = headline(rest, TITLE_LENGTH - _NUMBER_LENGTH)
        all_of_them = (
            f"watcher changes --since {min(event.at for event in self._events).astimezone(UTC):%Y-%m-%dT%H:%MZ}"
        )
        room = limit - _size(assemble((), format)) - _size(write(_NOTE, format)) - _size(title_line(title, format))
        room -= 100 + _size(write(Item((Span(all_of_them, "code"),)), format))
        blocks: list[Block] = []
        named = 0
        for kind in KINDS:
            group = [event for event in rest if event.kind == kind]
            names: list[str] = []
            room -= _size(write(Item((Span(f"{HEADINGS[kind]} (1000)", "strong"),), ((Span(""),),)), format)) + 2
            for event in group:
                name = brief(event)
                room -= _size(title_line(name, format)) + 2
                if room < 0:
                    break
                names.append(name)
            if names:
                heading = f"{HEADINGS[kind]} ({len(group):,})"
                blocks.append(Item((Span(heading, "strong"),), ((Span(", ".join(names)),),)))
                named += len(names)
            if room < 0:
                break
        more = f"and {len(rest) - named:,} more: " if named < len(rest) else "all of them in full: "
        blocks.append(Item((Span(more), Span(all_of_them, "code"))))
        blocks.append(Note(reference(rest)))
        return _message(
            title,
            [write(block, format) for block in blocks],
            [write(block, Format.TEXT) for block in blocks],
            format,
            rest,
        )

    def _fitting(
        self, format: Format, limit: int, start: int, end: int, title: int, opening: Sequence[Block] = ()
    ) -> Message:
        """Return the message of as many of the events as fit, usually all; one at least, cut short if it must be."""
        while end - start > 1:
            message = self._message(format, start, end, title, opening)
            if _length(message) <= limit:
                return message
            end -= 1
        message = self._message(format, start, end, title, opening)
        lines = _LINES
        while _length(message) > limit and lines:
            lines //= 2
            message = self._message(format, start, end, title, opening, only=_item(self._events[start], lines))
        if _length(message) > limit:
            only = Item((Span(brief(self._events[start]), "strong"),))
            message = self._message(format, start, end, title, opening, only=only)
        return message

    def _terse(self, format: Format, limit: int) -> Message:
        """Return one message that says no more than the news, a line each, and how many there was no room for."""
        length = TITLE_LENGTH
        while True:
            title = headline(self._events, length)
            message = Message(title, "", format, title_line(title, format), "", self._events)
            if _length(message) <= limit or length < 10:
                break
            length //= 2
        lines: list[str] = []
        for told in self._events if len(self._events) > 1 else ():
            line = title_line(headline((told,), TITLE_LENGTH), format)
            left = len(self._events) - len(lines) - 1
            more = [f"+{left:,} more"] if left else []
            if _length(message) + _size("\n".join([*lines, line, *more])) > limit:
                more = [f"+{left + 1:,} more"]
                lines += more if _length(message) + _size("\n".join([*lines, *more])) <= limit else []
                break
            lines.append(line)
        body = "\n".join(lines)
        return Message(title, body, format, title_line(title, format), body, self._events)

    def _message(
        self,
        format: Format,
        start: int,
        end: int,
        title: int = TITLE_LENGTH,
        opening: Sequence[Block] = (),
        only: Item | None = None,
    ) -> Message:
        """Return the message of these events; `only` is what to tell instead of the first in full."""
        events = self._events[start:end]
        written = {wanted: [write(block, wanted) for block in opening] for wanted in (format, Format.TEXT)}
        for at, event in enumerate(events, start):
            new = at == start or event.kind != self._events[at - 1].kind
            heading = Heading(_heading(event.kind, events)) if new else None
            for wanted, parts in written.items():
                if heading:
                    parts.append(write(heading, wanted))
                parts.append(self._write(wanted, at) if only is None else write(only, wanted))
        for wanted, parts in written.items():
            parts.append(write(Note(reference(events)), wanted))
        news = headline(self._events, title)
        return _message(news, written[format], written[Format.TEXT], format, events)

    def _write(self, format: Format, at: int) -> str:
        written = self._written.setdefault(format, [None] * len(self._events))
        found = written[at]
        if found is None:
            item = self._items[at]
            if item is None:
                item = self._items[at] = _item(self._events[at])
            found = written[at] = write(item, format)
        return found

    def _item_size(self, format: Format, at: int) -> int:
        sizes = self._sizes.setdefault(format, [])
        while len(sizes) <= at:
            sizes.append(_size(self._write(format, len(sizes))))
        return sizes[at]


def _size(text: str) -> int:
    """Return the length as UTF-8, in bytes: at least what it is in characters or in UTF-16."""
    return len(text) if text.isascii() else len(text.encode(errors="replace"))


def _length(message: Message) -> int:
    return _size(message.heading) + _size(message.body) + 2


def _message(
    title: str, written: Sequence[str], text: Sequence[str], format: Format, events: tuple[Event, ...]
) -> Message:
    plain = assemble(text, Format.TEXT)
    body = plain if format is Format.TEXT else assemble(written, format)
    return Message(title, body, format, title_line(title, format), plain, events)


def _numbered(message: Message, n: int, of: int) -> Message:
    title = f"{message.title} ({n}/{of})"
    return replace(message, title=title, heading=title_line(title, message.format))


def _in_order(events: Sequence[Event]) -> tuple[Event, ...]:
    return tuple(sorted(events, key=lambda event: (KINDS.index(event.kind), event.model or "", event.at, event.id)))


def _heading(kind: Kind, events: Sequence[Event]) -> str:
    count = sum(event.kind == kind for event in events)
    return f"{HEADINGS[kind]} ({count:,})" if count > 1 else HEADINGS[kind]


def _item(event: Event, max_lines: int | None = None, *, with_prices: bool = True) -> Item:
    lines = tuple(lines_of(event, with_prices))
    if max_lines is not None and len(lines) > max_lines:
        lines = (*lines[:max_lines], (Span("… more on the model's page", "muted"),))
    return Item(head(event), lines)


def blocks_of(events: Sequence[Event], *, with_prices: bool = True) -> Iterator[tuple[Block, Event | None]]:
    """Yield the document of a message, and with each item the event it tells.

    `with_prices` is for whoever shows price changes in another way than as lines.
    """
    kind: Kind | None = None
    ordered = _in_order(events)
    for event in ordered:
        if event.kind != kind:
            kind = event.kind
            yield Heading(_heading(kind, ordered)), None
        yield _item(event, with_prices=with_prices), event
    yield Note(reference(ordered)), None


def reference(events: Sequence[Event]) -> str:
    """Return the line of shortened event ids by which a repeat is recognised."""
    ids = [clean(event.id)[:_SHORT_ID] for event in events[:_SHOWN_IDS]]
    more = f" +{len(events) - _SHOWN_IDS}" if len(events) > _SHOWN_IDS else ""
    return f"openrouter-watcher · ref {' '.join(ids)}{more}"
