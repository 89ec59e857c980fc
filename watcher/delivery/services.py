"""What each service takes: the format, the lengths, and how a message gets to it."""

import time
from collections.abc import Iterable, Sequence
from math import inf
from typing import Any

from msgspec import Struct

from watcher.catalog.model import Event
from watcher.delivery.plugins import open_plugin
from watcher.delivery.smtp import CONNECT_SECONDS
from watcher.messages.builder import Message
from watcher.messages.document import Format
from watcher.messages.headline import shorten

_MAX_PAUSE = 1.0
"""Seconds between two parts of one message; Apprise would wait 5.5 for most services."""
_LEAST_SECONDS = 0.01
_LEAST_HTML = 4_000
"""A service that takes less gets text, which Apprise turns into HTML: the frame of our documents alone has 1,800."""


class Service(Struct, frozen=True):
    """A plugin that is ready to send, and what its service takes."""

    plugin: Any
    """An Apprise `NotifyBase`. One of ours sends its `message`: unchanged in the format that it `takes`, if it says so,
    and by its own `post`, if it has one."""
    format: Format
    limit: int
    """Bytes of title and body together in one message."""
    title_limit: int
    """Characters of a title; 0: the title is the first line of the body."""
    raw: bool = False
    """Whether the service gets our text unchanged; else Apprise converts it from the declared format."""

    most: float = inf
    """Bytes of the whole request as it is posted, where the service counts those."""

    def groups(self, events: Sequence[Event]) -> Iterable[Sequence[Event]]:
        """Return the events as they go together, before they are worded."""
        return self.plugin.groups(events) if hasattr(self.plugin, "groups") else [events]

    def size(self, message: Message) -> int:
        """Return the bytes of the request for a message, as far as they depend on it."""
        return int(self.plugin.size(message)) if hasattr(self.plugin, "size") else message.size

    def post(self, message: Message, deadline: float) -> bool:
        """Send a message by the deadline, and return whether the plugin says that the service accepted it."""
        from apprise import NotifyFormat, NotifyType

        self.plugin.message, self.plugin.deadline = message, deadline
        self.plugin.socket_read_timeout = max(deadline - time.monotonic(), _LEAST_SECONDS)
        if hasattr(self.plugin, "post"):
            return bool(self.plugin.post())
        title, body = "", f"{message.heading}\n\n{message.body}"
        if self.title_limit:
            title, body = shorten(message.title, self.title_limit), message.body
        as_html = message.format in (Format.HTML, Format.TELEGRAM)
        as_text = NotifyFormat.TEXT if message.format is Format.TEXT else NotifyFormat.MARKDOWN
        declared = NotifyFormat.HTML if as_html else as_text
        options = {"title": title, "notify_type": NotifyType.INFO, "body_format": declared}
        if self.raw:
            return bool(self.plugin.send(body=body.rstrip(), body_passthrough=False, **options))
        return bool(self.plugin.notify(body=body, **options))


def open_service(url: str, timeout: float) -> Service:
    """Return the service behind the URL, to be reached in `timeout` seconds, 15 at most. Raises UnusableURLError."""
    plugin = open_plugin(url)
    plugin.redirects = False
    plugin.socket_connect_timeout = min(CONNECT_SECONDS, timeout)
    plugin.request_rate_per_sec = min(plugin.request_rate_per_sec, _MAX_PAUSE)
    limit, title = int(plugin.body_maxlen), int(plugin.title_maxlen)
    if hasattr(plugin, "takes"):
        return Service(plugin, plugin.takes, limit, title, raw=True)
    if type(plugin).__name__ == "NotifyMattermost":  # says that it takes text, and shows it as Markdown
        return Service(plugin, Format.MARKDOWN, limit, title, raw=True)
    return Service(plugin, _generic_format(plugin, limit), limit, title, most=getattr(plugin, "most", inf))


def _generic_format(plugin: Any, limit: int) -> Format:
    """Return the format that the plugin passes on unchanged; text, which Apprise escapes, where there is a choice."""
    from apprise import NotifyFormat

    resolved = plugin.resolve_format(NotifyFormat.TEXT)
    if resolved == NotifyFormat.HTML and limit >= _LEAST_HTML:
        return Format.HTML
    return Format.MARKDOWN if resolved == NotifyFormat.MARKDOWN else Format.TEXT
