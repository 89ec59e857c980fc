"""The messages for the events of one sending, within the limits of a service.

`headline` words the title and `wording` each event; `document` writes them in a format.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from watcher.catalog.model import KINDS, Event, Kind
from watcher.messages.document import Block, Format, Heading, Item, Note, Span, assemble, title_line, write
from watcher.messages.headline import HEADINGS, TITLE_LENGTH, brief, counts, headline
from watcher.messages.text import clean
from watcher.messages.wording import head, lines_of

MOST_MESSAGES = 5
"""Messages of one sending. Nobody would read more, and services limit their rate."""

_SHORT_ID = 8
_SHOWN_IDS = 12
_NUMBER_LENGTH = len(f" ({MOST_MESSAGES}/{MOST_MESSAGES})")
_TITLE_ROOM = 140
"""Bytes reserved for the title while events are collected; most titles are shorter."""
_NOTE = Note("x" * 150)
"""As long as the line of references becomes."""
_TERSE_LIMIT = 600
"""Below this many bytes (a text message, a pager) a message is one line an event."""
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
    """The events of the message, most important first."""

    @property
    def ids(self) -> tuple[str, ...]:
        """The events' ids: what makes a repeat recognisable as one."""
        return tuple(event.id for event in self.events)


Composer = Callable[[Format, int], Sequence[Message]]
"""Returns what to send, given a format and the most bytes of one message."""


def built_in(events: Sequence[Event]) -> Composer:
    """Return the composer that words the events as this program does."""
    return partial(compose_within, events)


def compose(events: Sequence[Event], format: Format) -> Message:
    """Return one message for all the events, of any length: grouped by kind, most important first.

    Raises:
        ValueError: there are no events, so there is no message.
    """
    return _Builder(events, format).whole()


def compose_within(events: Sequence[Event], format: Format, limit: int) -> list[Message]:
    """Return at most `MOST_MESSAGES` messages, each of at most `limit` bytes of heading and body together.

    Bytes, since that is at least what any service counts: some count characters, some UTF-16, some bytes.

    They are split between events, never inside one, and numbered `(1/3)` in the title. An event that is too long
    by itself is cut short at the end of a line, and says so. Where that would take more messages, the first begins
    with a summary and the most important events in full, and the last message names the others, as far as
    there is room, and says how to list them all. Every event belongs to one of the messages.

    Raises:
        ValueError: there are no events, so there is no message.
    """
    return _Builder(events, format).within(limit)


class _Builder:
    """The messages of some events in one format. Each event is written once, however often the split is tried."""

    def __init__(self, events: Sequence[Event], format: Format) -> None:
        if not events:
            raise ValueError("no events, no message")
        self._events = in_order(events)
        self._format = format
        self._formats = {format, Format.TEXT}
        self._frame = _bytes(assemble((), format))
        self._written: dict[tuple[Format, int], str] = {}

    def whole(self) -> Message:
        return self._message(0, len(self._events))

    def within(self, limit: int) -> list[Message]:
        if limit < _TERSE_LIMIT + self._frame:
            return [self._terse(limit)]
        if len(self._events) == 1:
            return [self._fitting(limit, 0, 1, TITLE_LENGTH)]
        if self._end(limit, 0) == len(self._events):
            whole = self.whole()
            if size_of(whole) <= limit:
                return [whole]
        parts = self._parts(limit, MOST_MESSAGES)
        if sum(len(part.events) for part in parts) < len(self._events):
            parts = self._parts(limit, MOST_MESSAGES - 1, self._summary())
            parts.append(self._names(limit - _NUMBER_LENGTH, sum(len(part.events) for part in parts)))
        return [with_title(part, f"{part.title} ({n}/{len(parts)})") for n, part in enumerate(parts, 1)]

    def _parts(self, limit: int, most: int, summary: Sequence[Block] = ()) -> list[Message]:
        """Return at most `most` messages of the events in their order; they need not be enough for all of them.

        With a `summary`, which the first begins with, one event at least is left over.
        """
        limit -= _NUMBER_LENGTH
        count = len(self._events)
        parts: list[Message] = []
        start = 0
        while len(parts) < most and start < count:
            first = () if parts else summary
            end = self._end(limit - sum(self._size(block) for block in first), start)
            if summary:
                end = min(end, count - (most - len(parts)))
            part = self._fitting(limit, start, end, TITLE_LENGTH - _NUMBER_LENGTH, first)
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

    def _end(self, limit: int, start: int) -> int:
        """Return the end of the events from `start` on that go into one message: at least one."""
        room = limit - self._frame - _TITLE_ROOM - self._size(_NOTE)
        kind: Kind | None = None
        for at in range(start, len(self._events)):
            if self._events[at].kind != kind:
                kind = self._events[at].kind
                room -= self._size(Heading(f"{HEADINGS[kind]} (1000)"))
            room -= _bytes(self._write(self._format, at)) + 2
            if room < 0 and at > start:
                return at
        return len(self._events)

    def _names(self, limit: int, start: int) -> Message:
        """Return the message that names the events from `start` on, as many as there is room for."""
        rest = self._events[start:]
        title = headline(rest, TITLE_LENGTH - _NUMBER_LENGTH)
        first = min(event.at for event in self._events).astimezone(UTC)
        command = Span(f"watcher changes --since {first:%Y-%m-%dT%H:%MZ}", "code")
        room = limit - self._frame - self._size(_NOTE) - _bytes(title_line(title, self._format))
        room -= 100 + self._size(Item((command,)))
        blocks: list[Block] = []
        named = 0
        for kind in KINDS:
            group = [event for event in rest if event.kind == kind]
            names: list[str] = []
            room -= self._size(Item((Span(f"{HEADINGS[kind]} (1000)", "strong"),), ((Span(""),),)))
            for event in group:
                name = brief(event)
                room -= _bytes(title_line(name, self._format)) + 2
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
        blocks += Item((Span(more), command)), Note(reference(rest))
        return self._assemble(title, {form: [write(block, form) for block in blocks] for form in self._formats}, rest)

    def _fitting(self, limit: int, start: int, end: int, title: int, summary: Sequence[Block] = ()) -> Message:
        """Return the message of as many of the events as fit, usually all; one at least, cut short if it must be."""
        while end - start > 1:
            message = self._message(start, end, title, summary)
            if size_of(message) <= limit:
                return message
            end -= 1
        message = self._message(start, end, title, summary)
        lines = _LINES
        while size_of(message) > limit and lines:
            lines //= 2
            message = self._message(start, end, title, summary, only=_item(self._events[start], lines))
        if size_of(message) > limit:
            only = Item((Span(brief(self._events[start]), "strong"),))
            message = self._message(start, end, title, summary, only=only)
        return message

    def _terse(self, limit: int) -> Message:
        """Return one message that says no more than the news, a line each, and how many there was no room for."""
        length = TITLE_LENGTH
        while True:
            title = headline(self._events, length)
            heading = title_line(title, self._format)
            room = limit - _bytes(heading) - 2
            if room >= 0 or length < 10:
                break
            length //= 2
        lines: list[str] = []
        for event in self._events if len(self._events) > 1 else ():
            line = title_line(headline((event,)), self._format)
            left = len(self._events) - len(lines) - 1
            more = [f"+{left:,} more"] if left else []
            if _bytes("\n".join([*lines, line, *more])) > room:
                more = [f"+{left + 1:,} more"]
                lines += more if _bytes("\n".join([*lines, *more])) <= room else []
                break
            lines.append(line)
        body = "\n".join(lines)
        return Message(title, body, self._format, heading, body, self._events)

    def _message(
        self,
        start: int,
        end: int,
        title: int = TITLE_LENGTH,
        summary: Sequence[Block] = (),
        only: Item | None = None,
    ) -> Message:
        """Return the message of these events; `only` is what to say instead of the first in full."""
        events = self._events[start:end]
        written = {form: [write(block, form) for block in summary] for form in self._formats}
        for form, parts in written.items():
            for at, event in enumerate(events, start):
                if at == start or event.kind != self._events[at - 1].kind:
                    parts.append(write(Heading(_heading(event.kind, events)), form))
                parts.append(write(only, form) if only else self._write(form, at))
            parts.append(write(Note(reference(events)), form))
        return self._assemble(headline(self._events, title), written, events)

    def _assemble(self, title: str, written: Mapping[Format, Sequence[str]], events: tuple[Event, ...]) -> Message:
        text = assemble(written[Format.TEXT], Format.TEXT)
        body = text if self._format is Format.TEXT else assemble(written[self._format], self._format)
        return Message(title, body, self._format, title_line(title, self._format), text, events)

    def _write(self, form: Format, at: int) -> str:
        if (form, at) not in self._written:
            self._written[form, at] = write(_item(self._events[at]), form)
        return self._written[form, at]

    def _size(self, block: Block) -> int:
        return _bytes(write(block, self._format)) + 2


def size_of(message: Message) -> int:
    """Return the bytes of heading and body together."""
    return _bytes(message.heading) + _bytes(message.body) + 2


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="replace"))


def with_title(message: Message, title: str) -> Message:
    """Return the message with another title."""
    return replace(message, title=title, heading=title_line(title, message.format))


def in_order(events: Sequence[Event]) -> tuple[Event, ...]:
    """Return the events as a message has them: grouped by kind, most important first."""
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
    """Yield the blocks of a message, each item with its event.

    Without `with_prices` they leave out price changes, for a caller that shows those in another way.
    """
    kind: Kind | None = None
    ordered = in_order(events)
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
