"""Slack: the headline as the text that phones show, the body in blocks that do not collapse."""

import re
from collections.abc import Iterator
from typing import Any

from apprise.plugins.slack import NotifySlack

from watcher.messages.builder import Message
from watcher.messages.document import Format, escape

_SECTION = 3_000
"""Characters of a section, and below of a header, by Slack's documentation of Block Kit."""
_WORDS = re.compile(rf"[\s\S]{{1,{_SECTION}}}(?!\S)|[\s\S]{{1,{_SECTION}}}")
"""As much of a text as a section takes: a cut in the middle of a word could be one in the middle of `&amp;`."""
_HEADER = 150


class Slack(NotifySlack):  # type: ignore[no-untyped-call]  # Apprise is typed in parts
    """A Slack channel."""

    takes = Format.SLACK
    message: Message

    def _send(self, url: Any, payload: dict[str, Any], *arguments: Any, **options: Any) -> Any:
        if "attachments" in payload and not self.template:
            kept = {key: value for key, value in payload.items() if key not in ("attachments", "mrkdwn")}
            payload = kept | content(self.message)
        return super()._send(url, payload, *arguments, **options)  # type: ignore[no-untyped-call]


def content(message: Message) -> dict[str, Any]:
    """Return the part of Slack's document that says the message."""
    title = escape(message.title, Format.SLACK)
    header = {"type": "header", "text": {"type": "plain_text", "text": message.title[:_HEADER]}}
    # Without `expand` Slack hides the end of a long section behind "Show more".
    sections = [
        {"type": "section", "expand": True, "text": {"type": "mrkdwn", "text": text}}
        for text in _sections(message.body)
    ]
    return {"text": title, "blocks": [header, *sections], "unfurl_links": False}


def _sections(body: str) -> Iterator[str]:
    """Yield the body in pieces for sections, cut between paragraphs, or lines where one is too long."""
    piece = ""
    for part in re.findall(r".*?(?:\n\n|\Z)", body.strip() + "\n\n", re.DOTALL):
        lines = [part] if len(part) <= _SECTION else part.splitlines(keepends=True)
        for text in (text for line in lines for text in _WORDS.findall(line)):
            if piece and len(piece) + len(text) > _SECTION:
                yield piece.rstrip()
                piece = ""
            piece += text
    if piece.strip():
        yield piece.rstrip()
