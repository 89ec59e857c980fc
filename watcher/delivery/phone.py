"""Telegram and ntfy: priority and tags by kind, and a page to open."""

import html
from typing import Any

from apprise.plugins.ntfy import NotifyNtfy, NtfyPriority
from apprise.plugins.telegram import NotifyTelegram

from watcher.delivery.addressees import UnusableURLError
from watcher.delivery.kinds import LOOKS, address, kinds, priority
from watcher.messages.builder import Message
from watcher.messages.document import Format

_SILENT = 2
_TAGS = "_NotifyNtfy__tags"
"""Where Apprise keeps the tags of ntfy; it has no public name for them."""
_NTFY_PRIORITIES = {2: NtfyPriority.LOW, 3: NtfyPriority.NORMAL, 4: NtfyPriority.HIGH}


class Telegram(NotifyTelegram):  # type: ignore[no-untyped-call]  # Apprise is typed in parts
    """A Telegram chat."""

    takes = Format.TELEGRAM
    body_maxlen = 3_700
    """Telegram takes 4,096 characters; tags and the link of the title come to our text."""
    message: Message

    def __init__(self, **options: Any) -> None:
        """Raises UnusableURLError if the URL names no chat: Apprise would take whoever wrote to the bot."""
        super().__init__(**options)  # type: ignore[no-untyped-call]
        if not self.targets:
            raise UnusableURLError("it names no chat; write its id or @name behind the token")
        self._always_silent = bool(self.silent)

    def send(self, body: str, *arguments: Any, **options: Any) -> Any:
        """Send the text, its title as a link and tags by kind at its end; little things make no sound."""
        events, heading = self.message.events, self.message.heading
        self.silent = self._always_silent or priority(events) <= _SILENT
        body = body.replace(heading, f'<a href="{html.escape(address(events))}">{heading}</a>', 1)
        body += "\n\n" + " ".join(f"#{kind}" for kind in kinds(events))
        return super().send(body, *arguments, **options)  # type: ignore[no-untyped-call]


class Ntfy(NotifyNtfy):  # type: ignore[no-untyped-call]  # Apprise is typed in parts
    """An ntfy topic. What the URL sets itself wins."""

    body_maxlen = 4_096
    """A longer message arrives as an attachment; ntfy counts bytes, and Apprise's 7,800 is not its limit."""
    message: Message

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]
        self._set_by_url = (self.priority, getattr(self, _TAGS), self.click)

    def send(self, *arguments: Any, **options: Any) -> Any:
        """Send the text with priority, tags and page."""
        events, (level, tags, click) = self.message.events, self._set_by_url
        self.priority = level if level != NtfyPriority.NORMAL else _NTFY_PRIORITIES[priority(events)]
        names = kinds(events)
        setattr(self, _TAGS, tags or list(dict.fromkeys([*(LOOKS[kind].emoji for kind in names), *names])))
        self.click = click or address(events)
        return super().send(*arguments, **options)  # type: ignore[no-untyped-call]
