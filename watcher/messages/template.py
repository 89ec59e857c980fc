"""A channel's own title and body, as Jinja2 templates: checked, rendered, and replaced when they fail.

    events → parts that fit the service → variables → title and body → messages
                     └ whatever goes wrong → the built-in messages, whose end says so

`sandbox` renders a template, `variables` holds what it can name; `docs/templates.md` describes both.
"""

import time
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from io import TextIOWrapper
from itertools import pairwise
from logging import getLogger
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from watcher.catalog.model import KINDS, UNASKED_KINDS, Event, Kind
from watcher.config.settings import Channel
from watcher.files import open_to_read
from watcher.messages import builder
from watcher.messages.builder import MOST_MESSAGES, NUMBER_LENGTH, Message, compose, compose_within
from watcher.messages.document import Format, Note, frame, write, write_all
from watcher.messages.headline import TITLE_LENGTH, shorten
from watcher.messages.sample import sample_events
from watcher.messages.telegram import find_problem
from watcher.messages.text import clean
from watcher.messages.variables import view

SECONDS = 2.0
"""For all messages of one sending."""

_OTHER_TITLE_ROOM = 2 * TITLE_LENGTH
"""Bytes that a title of the channel's own may need more than the built-in one."""
_READ_CHARACTERS = 64 * 1024 + 1
"""Characters of a file that are read: one more than a template may have."""
_warn_once = cache(getLogger("watcher").warning)


class TemplateFailedError(Exception):
    """A template cannot be used; the message gives the line and says why, without a full stop."""


def compose_for(
    channel: Channel, events: Sequence[Event], format: Format, limit: int, *, seconds: float = SECONDS
) -> Sequence[Message]:
    """Return the messages for a channel, each of at most `limit` bytes: by its templates, or in the built-in words.

    It never raises for what a template does: the built-in messages are sent instead, and their end says so, where a
    pager does not lack the room.
    """
    zone, templates = channel.timing.zone, _templates(channel)
    if not templates:
        return compose_within(events, format, limit, zone)
    try:
        return _Rendering(channel, templates, format, limit, time.monotonic() + seconds).messages(events)
    except TemplateFailedError as error:
        _warn_once("channel %s: its template failed, the built-in text is sent: %s", channel.name, str(error))
        note = Note(clean(f"The template of this channel failed: {error}.", 300))
        room = limit - len(write(note, format).encode(errors="replace")) - 2
        if builder.is_terse(format, room):
            return compose_within(events, format, limit, zone)
        *first, last = compose_within(events, format, room, zone)
        return [*first, builder.message(last.title, (*last.blocks, note), last.events, format)]


def check_channel(channel: Channel) -> Iterator[tuple[str, str]]:
    """Yield the options of a channel that hold a wrong template, each with its problem."""
    for option, template in _templates(channel).items():
        if problem := check_template(template, {*channel.rules.events, *UNASKED_KINDS}):
            yield option, f"{template}: {problem}" if isinstance(template, Path) else problem


def check_template(template: str | Path, kinds: Collection[Kind] = KINDS) -> str | None:
    """Return the problem of a template with its line, or None.

    It is rendered in every format, over one event of each of the kinds that it will get, together and one by one.
    """
    samples = [event for event in sample_events() if event.kind in kinds] or sample_events()
    try:
        source = _source(template)
        for format in Format:
            if not _render(source, compose(samples, format), "check", time.monotonic() + SECONDS).strip():
                return "it gives no text"
        for event in samples:
            _render(source, compose([event], Format.TEXT), "check", time.monotonic() + SECONDS)
    except TemplateFailedError as error:
        return str(error)
    return None


def _templates(channel: Channel) -> dict[str, str | Path]:
    """Return the templates of a channel, or their files, by option."""
    return {option: template for option, template in asdict(channel.template).items() if template is not None}


def _source(template: str | Path) -> str:
    """Return the text of a template. Raises TemplateFailedError if its file cannot be read."""
    if isinstance(template, str):
        return template
    try:
        with TextIOWrapper(open_to_read(template), encoding="utf-8-sig") as file:
            return file.read(_READ_CHARACTERS)
    except UnicodeDecodeError:
        raise TemplateFailedError("not UTF-8 text") from None
    except (OSError, ValueError) as error:
        raise TemplateFailedError(f"cannot be read: {getattr(error, 'strerror', None) or 'not a path'}") from None


class _Rendering(Struct):
    """One sending in a channel's own words, until a deadline. Whatever goes wrong is a TemplateFailedError."""

    channel: Channel
    templates: dict[str, str | Path]
    format: Format
    limit: int
    deadline: float

    def messages(self, events: Sequence[Event]) -> Sequence[Message]:
        """Return the messages, split between events where they would be too long, and numbered."""
        if self.templates.keys() == {"title_template"}:
            room = self.limit - _OTHER_TITLE_ROOM
            if builder.is_terse(self.format, room):
                raise TemplateFailedError(f"beside its title the {self.limit:,} bytes of a message are too few")
            parts = self._with_titles(compose_within(events, self.format, room, self.channel.timing.zone))
            if any(part.size > self.limit for part in parts):
                raise TemplateFailedError(f"its title is longer than the {self.limit:,} that the service takes")
            return parts
        events = builder.in_order(events)
        for count in range(1, min(len(events), MOST_MESSAGES) + 1):
            ends = [len(events) * number // count for number in range(count + 1)]
            parts = self._with_titles([self._with_body(events[start:end]) for start, end in pairwise(ends)])
            if all(part.size <= self.limit for part in parts):
                return parts
        if len(events) > MOST_MESSAGES:
            raise TemplateFailedError(f"so many events in it would be more than {MOST_MESSAGES} messages")
        raise TemplateFailedError(f"one event in it is longer than the {self.limit:,} that the service takes")

    def _with_titles(self, parts: Sequence[Message]) -> Sequence[Message]:
        """Return the messages with the channel's titles, numbered where there are several."""
        several = len(parts) > 1
        titled = []
        for part in parts:
            built_in = compose(part.events, Format.TEXT, self.channel.timing.zone)
            title = self._render("title_template", built_in) if "title_template" in self.templates else ""
            limit = TITLE_LENGTH - (NUMBER_LENGTH if several else 0)
            titled.append(replace(part, title=shorten(title or built_in.title, limit)))
        return builder.with_numbers(titled) if several else titled

    def _with_body(self, events: Sequence[Event]) -> Message:
        """Return one message of any length with the channel's body."""
        message = compose(events, self.format, self.channel.timing.zone)
        for key in self.templates.keys() - {"title_template"}:
            message = replace(message, body=self._render(key, message), own_words=True)
        return message

    def _render(self, key: str, built_in: Message) -> str:
        """Return the title or the body for the events of a built-in message. A failure names the option."""
        try:
            text = _render(_source(self.templates[key]), built_in, self.channel.name, self.deadline)
            return clean(text, 2 * TITLE_LENGTH) if key == "title_template" else _document(text, self.format)
        except TemplateFailedError as error:
            raise TemplateFailedError(f"{key}: {error}") from None


def _document(body: str, format: Format) -> str:
    if not body.strip():
        raise TemplateFailedError("it gives no text")
    if format is Format.TELEGRAM and (problem := find_problem(body)):
        raise TemplateFailedError(problem)
    if body.lstrip()[:9].lower().startswith(("<!doctype", "<html")):
        return body
    return frame(body.strip() if format is Format.HTML else body.strip("\n"), format)


def _render(source: str, built_in: Message, channel: str, deadline: float) -> str:
    """Return what a template gives in the place of a built-in message. Raises TemplateFailedError."""
    from markupsafe import Markup

    from watcher.messages.sandbox import render

    variables: dict[str, Any] = {
        "events": tuple(map(view, built_in.events)),
        "title": built_in.title,
        "text": Markup(write_all(built_in.blocks, built_in.format)),  # noqa: S704 - written in its format
        "channel": clean(channel),
        "count": len(built_in.events),
        "reference": builder.reference(built_in.events),
    }
    return render(source, variables, built_in.format, deadline)
