"""A channel's own title and body, as Jinja2 templates: checked, rendered, and replaced when they fail.

    events → parts that fit the service → variables → title and body → messages
                     └ whatever goes wrong → the built-in messages, whose end says so

`sandbox` renders a template, `variables` is what it can name; `docs/templates.md` describes both.
"""

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from logging import getLogger
from typing import Any, Literal

from msgspec.structs import replace

from watcher.catalog.model import KINDS, UNASKED_KINDS, Event, Kind
from watcher.config.settings import Channel, Template
from watcher.messages.builder import (
    MOST_MESSAGES,
    Composer,
    Message,
    built_in,
    compose,
    compose_within,
    in_order,
    reference,
    size_of,
    with_title,
)
from watcher.messages.document import Format, Note, assemble, frame, write
from watcher.messages.headline import TITLE_LENGTH, shorten
from watcher.messages.sample import sample_events
from watcher.messages.telegram import find_problem
from watcher.messages.text import clean
from watcher.messages.variables import view

SECONDS = 2.0
"""For all messages of one sending."""

_NUMBER = f" ({MOST_MESSAGES}/{MOST_MESSAGES})"
_NUMBER_ROOM = len(_NUMBER) + 4
"""A format may escape it."""
_READ_CHARACTERS = 64 * 1024 + 1
"""Characters of a file that are read: one more than a template may have."""

_logger = getLogger("watcher")
_logged: set[tuple[str, str]] = set()
"""Channels and what was logged about their templates."""

Key = Literal["title_template", "body_template", "body_template_file"]


class TemplateFailedError(Exception):
    """A template cannot be used; the message says why, without a full stop."""


def composer(channel: Channel, events: Sequence[Event], *, seconds: float = SECONDS) -> Composer:
    """Return the composer that words the events by the channel's templates, or as this program does if it has none.

    It never raises for what a template does: the built-in messages are sent instead, and their end says so.
    """
    if channel.template == Template():
        return built_in(events)

    def messages(format: Format, limit: int) -> Sequence[Message]:
        try:
            return _Writer(channel, format, limit, time.monotonic() + seconds).messages(events)
        except TemplateFailedError as error:
            if (channel.name, str(error)) not in _logged:
                _logged.add((channel.name, str(error)))
                _logger.warning("channel %s: its template failed, the built-in text is sent: %s", channel.name, error)
            return _instead(events, format, limit, f"The template of this channel failed: {error}.")

    return messages


def check_channel(channel: Channel) -> Iterator[tuple[Key, str]]:
    """Yield the options of a channel that hold a wrong template, each with its problem."""
    for key, given in _given(channel.template):
        try:
            problem = check_template(_source(channel.template, key), {*channel.rules.events, *UNASKED_KINDS})
        except TemplateFailedError as error:
            problem = str(error)
        if problem is not None:
            yield key, f"{given}: {problem}" if key == "body_template_file" else problem


def check_template(source: str, kinds: Collection[Kind] = KINDS) -> str | None:
    """Return the problem of a template with its line, or None.

    It is rendered in every format, over one event of each of the kinds it will get, together and one by one.
    """
    samples = [event for event in sample_events() if event.kind in kinds] or sample_events()
    try:
        for format in Format:
            if not _render(source, compose(samples, format), format, "check", time.monotonic() + SECONDS).strip():
                return "it gives no text"
        for event in samples:
            _render(source, compose([event], Format.TEXT), Format.TEXT, "check", time.monotonic() + SECONDS)
    except TemplateFailedError as error:
        return str(error)
    return None


def _given(template: Template) -> Iterator[tuple[Key, object]]:
    keys: tuple[Key, ...] = ("title_template", "body_template", "body_template_file")
    for key in keys:
        if (value := getattr(template, key)) is not None:
            yield key, value


def _source(template: Template, key: Key) -> str:
    """Return the text of the template. Raises TemplateFailedError if its file cannot be read."""
    if key != "body_template_file":
        return str(getattr(template, key))
    assert template.body_template_file is not None
    try:
        with template.body_template_file.open(encoding="utf-8-sig") as file:
            return file.read(_READ_CHARACTERS)
    except UnicodeDecodeError:
        raise TemplateFailedError("not UTF-8 text") from None
    except (OSError, ValueError) as error:
        raise TemplateFailedError(f"cannot be read: {getattr(error, 'strerror', None) or 'not a path'}") from None


class _Writer:
    """One sending in a channel's own words, until a deadline. Whatever goes wrong is a TemplateFailedError."""

    def __init__(self, channel: Channel, format: Format, limit: int, deadline: float) -> None:
        self._channel = channel
        self._format = format
        self._limit = limit
        self._deadline = deadline
        self._sources: dict[Key, str] = {}
        for key, _ in _given(channel.template):
            with _named(key):
                self._sources[key] = _source(channel.template, key)

    def messages(self, events: Sequence[Event]) -> Sequence[Message]:
        """Return the messages, split between events where they would be too long, and numbered."""
        parts = self._parts(in_order(events))
        if len(parts) > MOST_MESSAGES:
            raise _too_many()
        if len(parts) == 1:
            return parts
        return [with_title(part, f"{part.title} ({n}/{len(parts)})") for n, part in enumerate(parts, 1)]

    def _parts(self, events: Sequence[Event], number_room: int = 0) -> list[Message]:
        """Return messages that fit, not yet numbered."""
        message = self._message(events)
        size = size_of(message) + number_room
        if size <= self._limit:
            return [message]
        if len(events) == 1:
            return [self._short(message)]
        # As many parts as the size suggests. Events differ, so each part may have to be split again.
        count = min(max(-(-size // self._limit), 2), len(events))
        if count > MOST_MESSAGES:
            raise _too_many()
        ends = [len(events) * n // count for n in range(count + 1)]
        return [part for start, end in pairwise(ends) for part in self._parts(events[start:end], _NUMBER_ROOM)]

    def _short(self, message: Message) -> Message:
        """Return the message of one event that is too long; only the built-in words can be cut."""
        if self._sources.keys() != {"title_template"}:
            raise TemplateFailedError(f"one event in it is longer than the {self._limit:,} that the service takes")
        short = compose_within(message.events, self._format, self._limit - 2 * TITLE_LENGTH)[0]
        short = with_title(short, message.title)
        if size_of(short) > self._limit:
            raise TemplateFailedError(f"its title is longer than the {self._limit:,} that the service takes")
        return short

    def _message(self, events: Sequence[Event]) -> Message:
        """Return one message of any length."""
        message = plain = compose(events, self._format)
        for key, source in self._sources.items():
            with _named(key):
                if key == "title_template":
                    title = _render(source, plain, Format.TEXT, self._channel.name, self._deadline)
                    title = shorten(clean(title, 2 * TITLE_LENGTH), TITLE_LENGTH - len(_NUMBER))
                    message = with_title(message, title or message.title)
                else:
                    body = self._body(source, plain)
                    message = replace(message, body=body, text=body if self._format is Format.TEXT else message.text)
        return message

    def _body(self, source: str, plain: Message) -> str:
        body = _render(source, plain, self._format, self._channel.name, self._deadline)
        if not body.strip():
            raise TemplateFailedError("it gives no text")
        if self._format is Format.TELEGRAM and (problem := find_problem(body)):
            raise TemplateFailedError(problem)
        if body.lstrip()[:9].lower().startswith(("<!doctype", "<html")):
            return body
        return assemble((body.strip() if self._format is Format.HTML else body.strip("\n"),), self._format)


def _too_many() -> TemplateFailedError:
    return TemplateFailedError(f"so many events in it would be more than {MOST_MESSAGES} messages")


@contextmanager
def _named(key: Key) -> Iterator[None]:
    """Have a failure name the option that holds the template."""
    try:
        yield
    except TemplateFailedError as error:
        raise TemplateFailedError(f"{key}: {error}") from None


def _render(source: str, message: Message, format: Format, channel: str, deadline: float) -> str:
    """Return what a template gives for the events of a built-in message. Raises TemplateFailedError."""
    from markupsafe import Markup

    from watcher.messages.sandbox import TemplateProblemError, render

    variables: dict[str, Any] = {
        "events": tuple(map(view, message.events)),
        "title": message.title,
        "text": Markup(message.text if format is Format.TEXT else _unframed(message.body, format)),  # noqa: S704
        "channel": clean(channel),
        "count": len(message.events),
        "reference": reference(message.events),
    }
    try:
        return render(source, variables, format, deadline)
    except TemplateProblemError as error:
        raise TemplateFailedError(str(error)) from None


def _instead(events: Sequence[Event], format: Format, limit: int, sentence: str) -> list[Message]:
    """Return the built-in messages, the last of which ends with the sentence; a pager has no room for it."""
    notes = {wanted: write(Note(clean(sentence, 300)), wanted) for wanted in (format, Format.TEXT)}
    room = max(len(note.encode(errors="replace")) for note in notes.values()) + 2
    if room > limit // 4:
        return compose_within(events, format, limit)
    *first, last = compose_within(events, format, limit - room)
    body = _with_note(last.body, notes[format], format)
    text = body if format is Format.TEXT else _with_note(last.text, notes[Format.TEXT], Format.TEXT)
    return [*first, replace(last, body=body, text=text)]


def _with_note(body: str, note: str, format: Format) -> str:
    return assemble((_unframed(body, format), note), format)


def _unframed(body: str, format: Format) -> str:
    start, end = frame(format)
    return body.removeprefix(start).removesuffix(end)
