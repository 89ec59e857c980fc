"""Web hooks (`json://`): the events go beside title and message, so that scripts get them in their one shape.

Imported only when something is sent, since it imports Apprise.
"""

from typing import Any

import msgspec
from apprise.plugins.custom_json import NotifyJSON

from watcher.messages.builder import Message


class WebHook(NotifyJSON):  # type: ignore[no-untyped-call]  # Apprise is typed in parts
    """A program that takes JSON."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]
        self._set_by_url = self.payload_extras

    def prepare(self, message: Message) -> None:
        """Add the events of the message to what is sent next. What the URL sets itself wins."""
        self.payload_extras = {"events": msgspec.to_builtins(message.events)} | self._set_by_url
