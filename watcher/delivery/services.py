"""What each service takes: the format, the lengths, and how a message gets to it."""

from functools import partial
from typing import Any

from msgspec import Struct

from watcher.delivery.plugins import UnusableURLError, open_plugin
from watcher.messages.builder import Message
from watcher.messages.document import Format
from watcher.messages.headline import shorten

_MAX_PAUSE = 1.0
"""Seconds between two parts of one message; Apprise would wait 5.5 for most services."""
_MAIL_LIMIT = 95_000
"""Gmail hides what of a mail comes after 102 KB."""
_NTFY_LIMIT = 4_096
"""A longer message arrives as an attachment; ntfy counts bytes, and Apprise's 7,800 is not its limit."""
_TEAMS_LIMIT = 12_000
"""Teams takes 28 KB of JSON, in which a character can be twice as long; Apprise's 1,000 is a third of a screen."""
_LEAST_HTML = 4_000
"""A service that takes less gets text, which Apprise turns into HTML: the frame of our documents alone has 1,100."""
_SLACK_LIMIT = 35_000
_SLACK_BLOCK_LIMIT = 3_000
"""Characters of one section block, by Slack's documentation of Block Kit."""


class Service(Struct, frozen=True):
    """A plugin that is ready to send, and what its service takes."""

    plugin: Any
    """An Apprise `NotifyBase`. One of ours can have `post(message)`, which sends it, or `prepare(message)`."""
    format: Format
    limit: int
    """Bytes of title and body together in one message."""
    title_limit: int
    """Characters of a title; 0: the title is the first line of the body."""
    raw: bool = False
    """Whether the service gets our text unchanged; else Apprise converts it from the declared format."""

    @property
    def is_mail(self) -> bool:
        """Whether refusals are SMTP replies, as the plugin's `reply` has them."""
        return hasattr(self.plugin, "reply")

    def post(self, message: Message) -> bool:
        """Send a message, and return whether the plugin says that the service accepted it."""
        from apprise import NotifyFormat, NotifyType

        if hasattr(self.plugin, "post"):
            return bool(self.plugin.post(message))
        if hasattr(self.plugin, "prepare"):
            self.plugin.prepare(message)
        title, body = "", f"{message.heading}\n\n{message.body}"
        if self.title_limit:
            title, body = shorten(message.title, self.title_limit), message.body
        declared = {
            Format.TEXT: NotifyFormat.TEXT,
            Format.HTML: NotifyFormat.HTML,
            Format.TELEGRAM: NotifyFormat.HTML,
        }.get(message.format, NotifyFormat.MARKDOWN)
        options = {"title": title, "notify_type": NotifyType.INFO, "body_format": declared}
        if self.raw:
            return bool(self.plugin.send(body=body.rstrip(), body_passthrough=False, **options))
        return bool(self.plugin.notify(body=body, **options))


def open_service(url: str, timeout: float) -> Service:
    """Return the service behind the URL, with its socket timeouts (seconds) at most `timeout`.

    Raises:
        UnusableURLError: there is none.
    """
    plugin = open_plugin(url)
    plugin.redirects = False
    plugin.socket_connect_timeout = min(plugin.socket_connect_timeout or timeout, timeout)
    plugin.socket_read_timeout = timeout
    plugin.request_rate_per_sec = min(plugin.request_rate_per_sec, _MAX_PAUSE)
    limit, title = int(plugin.body_maxlen), int(plugin.title_maxlen)
    match type(plugin).__name__:
        case "NotifySlack":
            limit = _SLACK_BLOCK_LIMIT if plugin.use_blocks else _SLACK_LIMIT
            return Service(plugin, Format.SLACK, limit, title, raw=True)
        case "NotifyDiscord":
            # Embeds (format=markdown in the URL) make Apprise look for mentions in the text and add them as pings.
            plugin._format_override = None
            # Asked to come back later, Apprise would sleep and try again; the outbox decides that.
            plugin._send = partial(plugin._send, rate_limit=0)
            return Service(plugin, Format.MARKDOWN, limit, 0, raw=True)
        case "NotifyMattermost":  # says that it takes text, and shows it as Markdown
            return Service(plugin, Format.MARKDOWN, limit, 0, raw=True)
        case "NotifyTelegram":
            return Service(plugin, Format.TELEGRAM, limit, 0, raw=True)
        case "NotifyNtfy":
            return Service(plugin, _generic_format(plugin, limit), min(limit, _NTFY_LIMIT), title)
        case "NotifyWorkflows":
            # Apprise checks the size of a message against this.
            plugin.body_maxlen = limit = max(limit, _TEAMS_LIMIT)
            return Service(plugin, _generic_format(plugin, limit), limit, title)
        case "Mail":
            if plugin.wants_pgp:  # better no mail than one in the clear
                raise UnusableURLError("mail encrypted or signed with PGP (pgp=, wkd=) is not supported")
            return Service(plugin, Format.HTML, _MAIL_LIMIT, title, raw=True)
        case _:
            return Service(plugin, _generic_format(plugin, limit), limit, title)


def _generic_format(plugin: Any, limit: int) -> Format:
    """Return the format that the plugin passes on unchanged; text, which Apprise escapes, where there is a choice."""
    from apprise import NotifyFormat

    resolved = plugin.resolve_format(NotifyFormat.TEXT)
    if resolved == NotifyFormat.HTML and limit >= _LEAST_HTML:
        return Format.HTML
    return Format.MARKDOWN if resolved == NotifyFormat.MARKDOWN else Format.TEXT
