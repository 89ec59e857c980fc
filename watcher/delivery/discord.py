"""Discord: the headline as the text that phones show, the body in embeds coloured by kind."""

from typing import Any

from apprise.plugins.discord import NotifyDiscord

from watcher.catalog.model import Kind
from watcher.delivery.kinds import tone
from watcher.messages.builder import Message
from watcher.messages.document import Block, Format, Heading, Note, write_all

_MOST_EMBEDS = 10
_COLOURS = {"good": 0x2DA44E, "bad": 0xCF222E, "neutral": 0x3366CC}


class Discord(NotifyDiscord):  # type: ignore[no-untyped-call]  # Apprise is typed in parts
    """A Discord channel."""

    takes = Format.MARKDOWN
    body_maxlen = 4_000
    """An embed takes 4,096 characters, and all embeds of a message 6,000."""
    title_maxlen = 0
    message: Message

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # Embeds (format=markdown in the URL) make Apprise look for mentions in the text and add them as pings.
        self._format_override = None

    def _send(self, payload: dict[str, Any], *arguments: Any, **options: Any) -> bool:
        if "content" in payload:
            ping = payload["content"].removeprefix(f"{self.message.heading}\n\n{self.message.body}".rstrip())
            nobody: dict[str, Any] = {} if self.ping else {"allowed_mentions": {"parse": []}}
            payload = payload | nobody | {"content": self.message.heading + ping, "embeds": embeds(self.message)}
        # Asked to come back later, Apprise would sleep and try again; the outbox decides that.
        return bool(super()._send(payload, *arguments, **options | {"rate_limit": 0}))


def embeds(message: Message) -> list[dict[str, Any]]:
    """Return an embed for each kind of event, or one with the text of a template."""
    if message.own_words or not message.blocks:
        return [_embed(message, message.events[0].kind, "", message.body)]
    groups: list[tuple[Kind, str, list[Block]]] = []
    notes = []
    for block in message.blocks:
        if isinstance(block, Note):
            notes.append(block.text)
        elif isinstance(block, Heading) and len(groups) < _MOST_EMBEDS:
            groups.append((block.kind, block.text, []))
        elif groups:
            groups[-1][2].append(block)
        else:  # a summary comes before all headings
            groups.append((message.events[0].kind, "", [block]))
    found = [_embed(message, kind, title, write_all(blocks, Format.MARKDOWN)) for kind, title, blocks in groups]
    found[-1]["footer"] = {"text": "\n".join(notes)}
    return found


def _embed(message: Message, kind: Kind, title: str, text: str) -> dict[str, Any]:
    return {"title": title, "description": text.strip(), "color": _COLOURS[tone(kind, message.events)]}
