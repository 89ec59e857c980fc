"""Telegram and ntfy: priority and tags by kind, and a page to open.

Imported only when something is sent, since it imports Apprise.
"""

import html
from typing import Any

from apprise.plugins.ntfy import NotifyNtfy, NtfyPriority
from apprise.plugins.telegram import NotifyTelegram

from watcher.delivery.addressees import UnusableURLError
from watcher.delivery.kinds import LOOKS, address, kinds, priority
from watcher.messages.builder import Message

_SILENT = 2
_TAGS = "_NotifyNtfy__tags"
"""Where Apprise keeps the tags of ntfy; it has no public name for them."""
_NTFY_PRIORITIES = {2: NtfyPriority.LOW, 3: NtfyPriority.NORMAL, 4: NtfyPriority.HIGH}


class Telegram(NotifyTelegram):  # type: ignore[no-untyped-call]  # Apprise is typed in parts
    """A Telegram chat."""

    message: Message | None = None
    """What is sent next."""
    _always_silent: bool | None = None

    def __init__(self, **options: Any) -> None:
        """Raises UnusableURLError if the URL names no chat: Apprise would take whoever wrote to the bot."""
        super().__init__(**options)  # type: ignore[no-untyped-call]
        if not self.targets:
            raise UnusableURLError("it names no chat; write its id or @name behind the token")

    def prepare(self, message: Message) -> None:
        """Make no sound on a phone for little things."""
        if self._always_silent is None:
            self._always_silent = bool(self.silent)
        self.silent = self._always_silent or priority(message.events) <= _SILENT

    def send(self, body: str, *arguments: Any, **options: Any) -> Any:
        """Send the text, its title as a link and tags by kind at its end."""
        if self.message is not None:
            heading, link = self.message.heading, html.escape(address(self.message.events))
            body = body.replace(heading, f'<a href="{link}">{heading}</a>', 1)
            body += "\n\n" + " ".join(f"#{kind}" for kind in kinds(self.message.events))
        return super().send(body, *arguments, **options)  # type: ignore[no-untyped-call]


class Ntfy(NotifyNtfy):  # type: ignore[no-untyped-call]  # Apprise is typed in parts
    """An ntfy topic. What the URL sets itself wins."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]
        self._set_by_url = (self.priority, getattr(self, _TAGS), self.click)

    def prepare(self, message: Message) -> None:
        """Set priority, tags and page for what is sent next."""
        level, tags, click = self._set_by_url
        self.priority = level if level != NtfyPriority.NORMAL else _NTFY_PRIORITIES[priority(message.events)]
        names = kinds(message.events)
        setattr(self, _TAGS, tags or list(dict.fromkeys([*(LOOKS[kind].emoji for kind in names), *names])))
        self.click = click or address(message.events)
