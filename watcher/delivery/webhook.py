"""Web hooks (`json://`): the events go beside title and message, so that scripts get them in their one shape."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from apprise.plugins.custom_json import NotifyJSON

from watcher.catalog.model import Event
from watcher.messages.builder import Message, in_order


class WebHook(NotifyJSON):  # type: ignore[no-untyped-call]  # Apprise is typed in parts
    """A program that takes JSON."""

    message: Message
    most = 95_000
    """Bytes of a request; by default, Express takes 100 KiB, and others more."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]
        self._set_by_url = self.payload_extras

    def groups(self, events: Sequence[Event]) -> Iterator[Sequence[Event]]:
        """Yield the events in groups that leave a third of a request to their words."""
        group: list[Event] = []
        size = 0
        for event in in_order(events):
            more = len(json.dumps(msgspec.to_builtins(event)))
            if group and size + more > self.most * 2 // 3:
                yield group
                group, size = [], 0
            group.append(event)
            size += more
        yield group

    def size(self, message: Message) -> int:
        """Return the bytes of the request's body."""
        shown = {"title": message.title, "message": message.body, "events": msgspec.to_builtins(message.events)}
        return len(json.dumps({"version": "1.0", "attachments": [], "type": "info"} | self._set_by_url | shown))

    def send(self, *arguments: Any, **options: Any) -> Any:
        """Send the message with its events. What the URL sets itself wins."""
        self.payload_extras = {"events": msgspec.to_builtins(self.message.events)} | self._set_by_url
        return super().send(*arguments, **options)  # type: ignore[no-untyped-call]
