"""Teams: an adaptive card, in which headings have the colour of their kind and ids open their pages."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from apprise.plugins.workflows import NotifyWorkflows

from watcher.delivery.kinds import tone
from watcher.messages.builder import Message
from watcher.messages.document import Heading, Item, Line, Span
from watcher.messages.text import own_link

_LIMIT = 27_000
"""Bytes of JSON; Teams takes 28 KB. What is longer goes as plain text."""
_COLOURS = {"good": "Good", "bad": "Attention", "neutral": "Accent"}
_STYLES: dict[str, dict[str, Any]] = {
    "strong": {"weight": "Bolder"},
    "code": {"fontType": "Monospace"},
    "muted": {"isSubtle": True},
    "good": {"color": "Good"},
    "bad": {"color": "Attention"},
}


class Teams(NotifyWorkflows):  # type: ignore[no-untyped-call]  # Apprise is typed in parts
    """A Teams channel, by a workflow."""

    body_maxlen = 12_000
    """Apprise checks the size of a message against this; its own 1,000 is a third of a screen."""
    most = 26_000
    """Bytes of a request: Teams takes 28 KB of JSON, of which the frame of a card has about one."""
    message: Message

    def size(self, message: Message) -> int:
        """Return the bytes of title and body as Apprise writes them in JSON: six for a character beyond ASCII."""
        return len(json.dumps(message.title)) + len(json.dumps(message.body))

    def gen_payload(self, body: str, title: str = "", *arguments: Any, **options: Any) -> Any:
        """Return what is posted."""
        payload = super().gen_payload(body, title, *arguments, **options)  # type: ignore[no-untyped-call]
        message = self.message
        if not payload or message.own_words or not message.blocks or self.template:
            return payload
        card = payload["attachments"][0]["content"]
        plain, card["body"] = card["body"], [*_elements(title, message)]
        if len(json.dumps(payload)) > _LIMIT:
            card["body"] = plain
        return payload


def _elements(title: str, message: Message) -> Iterator[dict[str, Any]]:
    # Of a text block Markdown is read, of a run of text nothing.
    yield _rich([{"type": "TextRun", "text": title, "weight": "Bolder", "size": "Large"}])
    for block in message.blocks:
        if isinstance(block, Heading):
            run = {"type": "TextRun", "text": block.text, "weight": "Bolder"}
            yield _rich([run | {"color": _COLOURS[tone(block.kind, message.events)]}], spacing="Large")
        elif isinstance(block, Item):
            lines = [_rich(_runs(line), spacing="None") for line in (block.head, *block.lines)]
            yield {"type": "Container", "spacing": "Small", "separator": True, "items": lines}
        else:
            yield _rich(_runs((Span(block.text, "muted"),)), spacing="Large")


def _runs(line: Line) -> Iterator[dict[str, Any]]:
    for span in line:
        link = own_link(span.url)
        action = {"selectAction": {"type": "Action.OpenUrl", "url": link}} if link else {}
        yield {"type": "TextRun", "text": span.text} | _STYLES.get(span.style, {}) | action


def _rich(runs: Iterable[dict[str, Any]], **more: str) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": list(runs)} | more
