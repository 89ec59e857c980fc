"""One message for the events of a cycle, within the limits of a service.

`headline` words the title and `wording` each event; how it is all written is `document`'s work.
"""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from watcher.alerts.document import Block, Format, Heading, Item, Note, Span, render, title_line
from watcher.alerts.headline import HEADINGS, TITLE_LENGTH, headline
from watcher.alerts.text import clean
from watcher.alerts.wording import head, lines_of
from watcher.catalog.model import KINDS, Event

__all__ = ["Format", "Message", "blocks_of", "compose", "compose_within", "headline"]

_SHORT_ID = 8
_SHOWN_IDS = 12


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
    if len(events) == 1:
        return [_fit(events[0], format, limit)]
    # Headings and the reference line are shared in a message, so events that fit one by one fit together;
    # only the title may be longer than any of theirs.
    groups: list[list[Event]] = []
    room = 0
    for event in _in_order(events):
        length = _length(_fit(event, format, limit))
        if length > room:
            groups.append([])
            room = limit - TITLE_LENGTH
        groups[-1].append(event)
        room -= length
    of = len(groups)
    return [
        _fit(group[0], format, limit, f" ({n}/{of})") if len(group) == 1 else _compose(group, format, f" ({n}/{of})")
        for n, group in enumerate(groups, 1)
    ]


def _length(message: Message) -> int:
    # Telegram and Discord count in UTF-16, in which an emoji is two.
    return (len(message.heading.encode("utf-16-le")) + len(message.body.encode("utf-16-le"))) // 2 + 2


def _fit(event: Event, format: Format, limit: int, suffix: str = "") -> Message:
    """Return the message of one event, with only as many of its lines as fit."""
    message = _compose([event], format, suffix)
    lines = 16
    while _length(message) > limit and lines:
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
            yield Heading(f"{HEADINGS[kind]} ({len(group)})" if len(group) > 1 else HEADINGS[kind]), None
        for event in group:
            lines = tuple(lines_of(event, with_prices))
            if max_lines is not None and len(lines) > max_lines:
                lines = (*lines[:max_lines], (Span("… more on the model's page", "muted"),))
            yield Item(head(event), lines), event
    yield Note(reference(_in_order(events))), None


def reference(events: Sequence[Event]) -> str:
    """Return the line of shortened event ids by which a repeat is recognised."""
    ids = [clean(event.id)[:_SHORT_ID] for event in events]
    more = f" +{len(ids) - _SHOWN_IDS}" if len(ids) > _SHOWN_IDS else ""
    return f"openrouter-watcher · ref {' '.join(ids[:_SHOWN_IDS])}{more}"
