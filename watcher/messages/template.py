"""A channel's own title and body, as Jinja2 templates: checked, rendered within bounds, and replaced when they fail.

    events → parts that fit the service → variables → title and body → messages
                     └ whatever goes wrong → the built-in messages, whose end says so

`sandbox` keeps a template in bounds, `variables` is what it can name; `docs/templates.md` describes both.
"""

import logging
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any, Literal

from msgspec.structs import replace

from watcher.catalog.model import KINDS, UNASKED_KINDS, Event, Kind
from watcher.config.settings import Channel, Template
from watcher.delivery.channel import Composer, built_in
from watcher.messages.builder import MOST_MESSAGES, Message, MessageBuilder, compose, compose_within, reference
from watcher.messages.document import Format, Note, assemble, title_line, write
from watcher.messages.headline import TITLE_LENGTH, shorten
from watcher.messages.sample import sample_events
from watcher.messages.text import clean
from watcher.messages.variables import Told, told

SECONDS = 2.0
"""Of the processor, for all messages of one sending."""
LARGEST = 64 * 1024
"""Characters of a template."""

_NUMBER = f" ({MOST_MESSAGES}/{MOST_MESSAGES})"
_NUMBER_ROOM = len(_NUMBER) + 4
"""A format may escape it."""

_logger = logging.getLogger("watcher")

Key = Literal["title_template", "body_template", "body_template_file"]


class TemplateFailedError(Exception):
    """A template cannot be used for these events; the message names its option and says why."""


def composer(channel: Channel, events: Sequence[Event], *, seconds: float = SECONDS) -> Composer:
    """Return the composer that tells the events in the words of the channel, or in the built-in ones if it has none.

    It never raises for what a template does: the built-in messages are sent instead, and their end says so.
    """
    if channel.template == Template():
        return built_in(events)

    def messages(format: Format, limit: int) -> Sequence[Message]:
        try:
            return _Writing(channel, format, limit, seconds).messages(events)
        except TemplateFailedError as error:
            _log_once(channel.name, str(error))
            return _instead(events, format, limit, f"The template of this channel failed: {error}.")

    return messages


def check_template(source: str, kinds: Collection[Kind] = KINDS) -> str | None:
    """Return what is wrong with a template in a sentence, with its line where there is one, or None.

    It is rendered in every format, over one event of each of the kinds it will get, together and one by one.
    """
    from watcher.messages.sandbox import TemplateProblemError

    samples = [event for event in sample_events() if event.kind in kinds] or sample_events()
    try:
        _check_length(source)
        outputs = [_rendered_sample(source, samples, format) for format in Format]
        for event in samples:
            _rendered_sample(source, [event], Format.TEXT)
    except TemplateProblemError as error:
        return str(error)
    return None if all(map(str.strip, outputs)) else "it gives no text"


def _rendered_sample(source: str, events: Sequence[Event], format: Format) -> str:
    return _render(source, _variables(compose(events, format), format, "check"), format)[0]


def check_channel(channel: Channel) -> Iterator[tuple[Key, str]]:
    """Yield each option of a channel that holds a wrong template, and what is wrong with it."""
    for key, given in _given(channel.template):
        try:
            problem = check_template(_source(channel.template, key), {*channel.rules.events, *UNASKED_KINDS})
        except TemplateFailedError as error:
            problem = str(error)
        if problem is not None:
            yield key, f"{given}: {problem}" if key == "body_template_file" else problem


def _given(template: Template) -> Iterator[tuple[Key, object]]:
    keys: tuple[Key, ...] = ("title_template", "body_template", "body_template_file")
    for key in keys:
        if (value := getattr(template, key)) is not None:
            yield key, value


def _source(template: Template, key: Key) -> str:
    """Return the text of the template. Raises TemplateFailedError, saying why its file cannot be read."""
    if key != "body_template_file":
        return str(getattr(template, key))
    assert template.body_template_file is not None
    try:
        with template.body_template_file.open("rb") as file:
            return file.read(4 * LARGEST + 1).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise TemplateFailedError("not UTF-8 text") from None
    except (OSError, ValueError) as error:
        raise TemplateFailedError(f"cannot be read: {getattr(error, 'strerror', None) or 'not a path'}") from None


def _check_length(source: str) -> None:
    from watcher.messages.sandbox import TemplateProblemError

    if len(source) > LARGEST:
        raise TemplateProblemError(f"it is longer than {LARGEST // 1024} KiB")


class _Writing:
    """One sending in a channel's own words. Whatever goes wrong is a TemplateFailedError."""

    def __init__(self, channel: Channel, format: Format, limit: int, seconds: float) -> None:
        self._channel = channel.name
        self._format = format
        self._limit = limit
        self._seconds = seconds
        self._sources: dict[Key, str] = {}
        for key, _ in _given(channel.template):
            try:
                self._sources[key] = _source(channel.template, key)
            except TemplateFailedError as error:
                raise TemplateFailedError(f"{key}: {error}") from None

    def messages(self, events: Sequence[Event]) -> Sequence[Message]:
        """Return the messages, split between events where they would be too long, and numbered."""
        parts = self._parts(MessageBuilder(events).whole(self._format).events)
        if len(parts) == 1:
            return parts
        of = len(parts)
        return [_titled(part, f"{part.title} ({n}/{of})") for n, part in enumerate(parts, 1)]

    def _parts(self, events: Sequence[Event]) -> list[Message]:
        """Return messages that fit, unnumbered."""
        waiting: list[Sequence[Event]] = [events]
        done: list[Message] = []
        while waiting:
            part = waiting.pop()
            message = self._message(part)
            # The number of the part comes to its title when all are known.
            length = _length(message) + (0 if part is events else _NUMBER_ROOM)
            if length <= self._limit:
                done.append(message)
            elif len(part) == 1:
                done.append(self._short(message))
            else:
                # As many parts as its length suggests; each is looked at again, since events differ.
                pieces = min(max(-(-length // self._limit), 2), len(part))
                ends = [len(part) * n // pieces for n in range(pieces + 1)]
                waiting += [part[start:end] for start, end in pairwise(ends)][::-1]
            if len(done) + len(waiting) > MOST_MESSAGES:
                raise TemplateFailedError(f"so many events in it would be more than {MOST_MESSAGES} messages")
        return done

    def _short(self, message: Message) -> Message:
        """Return the message of one event that is too long; only the built-in words can be cut."""
        if self._has_body:
            raise TemplateFailedError(f"one event in it is longer than the {self._limit:,} that the service takes")
        short = compose_within(message.events, self._format, self._limit - 2 * TITLE_LENGTH)[0]
        short = _titled(short, message.title)
        if _length(short) > self._limit:
            raise TemplateFailedError(f"its title is longer than the {self._limit:,} that the service takes")
        return short

    @property
    def _has_body(self) -> bool:
        return self._sources.keys() != {"title_template"}

    def _message(self, events: Sequence[Event]) -> Message:
        """Return one message, however long."""
        built_in = message = compose(events, self._format)
        for key, source in self._sources.items():
            if key == "title_template":
                title = self._render(key, source, built_in, Format.TEXT)
                title = shorten(clean(title, 2 * TITLE_LENGTH), TITLE_LENGTH - len(_NUMBER))
                message = _titled(message, title or message.title)
            else:
                body = self._render(key, source, built_in, self._format)
                if not body.strip():
                    raise TemplateFailedError(f"{key}: it gives no text")
                if self._format is Format.TELEGRAM and (problem := _Tags.problem(body)):
                    raise TemplateFailedError(f"{key}: {problem}")
                body = _framed(body, self._format)
                message = replace(message, body=body, text=body if self._format is Format.TEXT else message.text)
        return message

    def _render(self, key: Key, source: str, message: Message, format: Format) -> str:
        from watcher.messages.sandbox import TemplateProblemError

        try:
            _check_length(source)
            output, seconds = _render(source, _variables(message, format, self._channel), format, self._seconds)
        except TemplateProblemError as error:
            raise TemplateFailedError(f"{key}: {error}") from None
        self._seconds -= seconds  # what remains is for the other parts
        return output


def _render(source: str, variables: Mapping[str, Any], format: Format, seconds: float = SECONDS) -> tuple[str, float]:
    """Return what the template gives, and the seconds it took. Raises TemplateProblemError."""
    from markupsafe import Markup

    from watcher.messages.sandbox import Environment, Meter, within

    def work(meter: Meter) -> str:
        text = Markup(variables["text"])  # noqa: S704 - the built-in text, which is escaped
        return Environment(format, meter).render(source, {**variables, "text": text})

    output, took = within(seconds, work)
    return output.encode(errors="replace").decode(), took


def _variables(message: Message, format: Format, channel: str) -> dict[str, Any]:
    """Return what a template in `format` can name about a built-in message, see `docs/templates.md`."""
    views: tuple[Told, ...] = tuple(map(told, message.events))
    return {
        "events": views,
        "title": message.title,
        "text": message.text if format is Format.TEXT else _unframed(message.body, format),
        "channel": clean(channel),
        "count": len(views),
        "reference": reference(message.events),
    }


def _titled(message: Message, title: str) -> Message:
    return replace(message, title=title, heading=title_line(title, message.format))


def _length(message: Message) -> int:
    # Bytes, as in `MessageBuilder.messages`.
    return len(f"{message.heading}{message.body}".encode(errors="replace")) + 2


class _Tags(HTMLParser):
    """Telegram refuses a whole message for one tag that it does not know, or that is not closed."""

    KNOWN = frozenset(
        {
            *("a", "b", "blockquote", "code", "del", "em", "i", "ins", "pre", "s", "span", "strike", "strong"),
            *("tg-emoji", "tg-spoiler", "u"),
        }
    )

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.open: list[str] = []
        self.found: str | None = None

    @classmethod
    def problem(cls, body: str) -> str | None:
        """Return what Telegram would refuse, or None."""
        tags = cls()
        tags.feed(body)
        tags.close()
        return tags.found or (f"the tag {tags.open[-1]} is not closed" if tags.open else None)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.KNOWN:
            self.found = self.found or f"Telegram knows no tag {clean(tag, 20)}"
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.found = self.found or f"the end of the tag {clean(tag, 20)} is out of place"

    def handle_data(self, data: str) -> None:
        if "<" in data:
            self.found = self.found or "a < that begins no tag must be written as &lt;"

    def handle_comment(self, data: str) -> None:
        self.found = self.found or "Telegram knows no comments"

    def handle_decl(self, decl: str) -> None:
        self.found = self.found or "Telegram knows no declarations"


# What a mail has around its body: a template gives what is inside, and gets the built-in text without it.


def _frame(format: Format) -> tuple[str, str]:
    begin, _, end = assemble(("\0",), format).partition("\0")
    return begin, end


def _framed(body: str, format: Format) -> str:
    if body.lstrip()[:9].lower().startswith(("<!doctype", "<html")):
        return body
    begin, end = _frame(format)
    return f"{begin}{body.strip() if format is Format.HTML else body.strip(chr(10))}{end}"


def _unframed(body: str, format: Format) -> str:
    begin, end = _frame(format)
    return body.removeprefix(begin).removesuffix(end)


# Failures

_logged: set[tuple[str, str]] = set()
_lock = threading.Lock()


def _log_once(channel: str, problem: str) -> None:
    with _lock:
        if (channel, problem) in _logged:
            return
        _logged.add((channel, problem))
    _logger.warning("channel %s: its template failed, the built-in text is sent: %s", channel, problem)


def _instead(events: Sequence[Event], format: Format, limit: int, sentence: str) -> list[Message]:
    """Return the built-in messages, the last of which ends with the sentence; a pager has no room for it."""
    notes = {wanted: write(Note(clean(sentence, 300)), wanted) for wanted in (format, Format.TEXT)}
    room = max(len(note.encode(errors="replace")) for note in notes.values()) + 2
    if room > limit // 4:
        return compose_within(events, format, limit)
    messages = compose_within(events, format, limit - room)
    last = messages[-1]
    body = _with_note(last.body, notes[format], format)
    text = body if format is Format.TEXT else _with_note(last.text, notes[Format.TEXT], Format.TEXT)
    return [*messages[:-1], replace(last, body=body, text=text)]


def _with_note(body: str, note: str, format: Format) -> str:
    return assemble((_unframed(body, format), note), format)
