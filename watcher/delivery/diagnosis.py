"""Why a sending failed, without the channel's secrets. Apprise knows why, but logs it with them.

So what Apprise logs reaches no handler but ours, which drops every part of the channel's URL.
"""

import logging
import re
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from types import ModuleType
from typing import Any

from watcher.delivery.statuses import requested_pause
from watcher.messages.text import visible
from watcher.redaction import HIDDEN, redact


class _Router(logging.Handler):
    """Passes the records of a thread to the `LogCapture` of that thread alone."""

    def emit(self, record: logging.LogRecord) -> None:
        capture = _captures.get(record.thread or 0)
        if capture is not None:
            with suppress(Exception):  # a record that cannot be formatted is not worth the alert
                capture.add_record(record)


_captures: dict[int, "LogCapture"] = {}
_ROUTER = _Router()


def silence() -> None:
    """Hide what Apprise and urllib3 log from every handler but ours.

    At DEBUG both log whole URLs, and Apprise logs an invalid Slack token even at WARNING. Call it before each sending,
    since other code may set a logger's level or add a handler.
    """
    for name, level in (("apprise", logging.DEBUG), ("urllib3", logging.WARNING)):
        for child in [other for other in list(logging.root.manager.loggerDict) if other.startswith(f"{name}.")]:
            _set(child, logging.NOTSET, propagate=True)
        _set(name, level, _ROUTER)


def _set(name: str, level: int, *handlers: logging.Handler, propagate: bool = False) -> None:
    logger = logging.getLogger(name)
    logger.setLevel(level)
    logger.propagate = propagate
    logger.handlers = list(handlers)


def observe(plugin: Any) -> None:
    """Let the `LogCapture` of a thread see the answers to the requests that the plugin makes in that thread.

    Plugins keep the answers to themselves, and with them how long a service wants them to wait. They send by the
    functions of `requests`, which their modules have imported under that name.
    """
    from urllib3 import disable_warnings
    from urllib3.exceptions import InsecureRequestWarning

    # It names the host on stderr, at every sending to a channel whose URL says `verify=no`.
    disable_warnings(InsecureRequestWarning)
    for kind in type(plugin).__mro__:
        module: Any = sys.modules[kind.__module__]
        if kind.__module__.startswith("apprise.plugins.") and isinstance(getattr(module, "requests", None), ModuleType):
            module.requests = _ObservedRequests(module.requests)


class _ObservedRequests:
    """Replaces `requests` in the module of a plugin: does the same, and shows the answers to `LogCapture`."""

    def __init__(self, requests: ModuleType) -> None:
        self._requests = requests

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._requests, name)
        return partial(_send, found) if name in ("delete", "get", "patch", "post", "put", "request") else found


def _send(send: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    capture = _captures.get(threading.get_ident())
    if capture is None:
        return send(*arguments, **options)
    try:
        return send(*arguments, hooks={"response": capture.add_answer}, **options)
    except Exception as error:
        capture.add_socket_error(str(error))
        raise


_TOO_MANY = 429
_STATUS = re.compile(r"(?<![.,:\s])[.,:\s]*\berror=(\d{3})\b\.?")
_SOCKET_REASONS = {
    r"Connection refused": "connection refused",
    r"Name or service not known|name resolution|Failed to resolve|getaddrinfo|No address": "unknown host",
    r"timed? ?out": "timed out",
    r"certificate": "its TLS certificate was not accepted",
    r"\bSSL|\bTLS|WRONG_VERSION": "no TLS connection",
    r"reset by peer|Connection (aborted|broken)|RemoteDisconnected|unexpectedly closed|EOF": "connection lost",
    r"unreachable|No route": "unreachable",
}
"""Our words for the errors of sockets. The error itself is never quoted: it holds the whole URL."""
_QUOTED_VALUE = re.compile(r"\([^()]*\)|\"[^\"]*\"|'[^']*'")
_LONGEST = 300


class LogCapture:
    """What Apprise logs in this thread while it is entered, and how its requests are answered."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forget what was captured, before the next message."""
        self._lines: list[str] = []
        self._socket: str | None = None
        self.status: int | None = None
        """The HTTP status of a refusal, if it is known."""
        self.retry_after: float | None = None
        """Seconds that a service that refused wants us to wait."""
        self.redirected = False
        """Whether the last answer was a redirect."""

    def __enter__(self) -> "LogCapture":
        _captures[threading.get_ident()] = self
        return self

    def __exit__(self, *_: object) -> None:
        _captures.pop(threading.get_ident(), None)

    def add_answer(self, answer: Any, **_: Any) -> None:
        """Note what an answer says. A redirect in it can no longer be followed, whatever the plugin allows."""
        status = int(answer.status_code)
        self.redirected = 300 <= status < 400
        if self.redirected:
            answer.headers.pop("Location", None)
        if status < 300:
            return
        self.status = status
        body: Any = None
        if status == _TOO_MANY:
            with suppress(Exception):  # anything can be sent instead of JSON
                body = answer.json()
        pause = requested_pause(answer.headers, body, datetime.now(UTC))
        if pause is not None:
            self.retry_after = max(pause, self.retry_after or 0.0)

    def add_record(self, record: logging.LogRecord) -> None:
        """Note what a record says about the failure."""
        text = record.getMessage()
        if text.startswith("Could not load"):
            return  # says nothing but the URL again
        if record.levelno >= logging.WARNING:
            self._lines.append(text)
            if match := _STATUS.search(text):
                self.status = int(match[1])
        elif text.startswith("Socket Exception"):
            self.add_socket_error(text)

    def add_socket_error(self, text: str) -> None:
        """Note why a request got no answer. The first reason counts."""
        for pattern, reason in _SOCKET_REASONS.items():
            if self._socket is None and re.search(pattern, text, re.IGNORECASE):
                self._socket = reason

    def reasons(self, url: str) -> str:
        """Return what was logged as one line without any part of the URL."""
        reasons = [self._socket] if self._socket else []
        if self.status is not None:
            reasons.append(f"HTTP {self.status}")
        # Apprise shows what it refuses in quotes or parentheses.
        texts = (_QUOTED_VALUE.sub(HIDDEN, _STATUS.sub("", line)) for line in self._lines)
        lines = (visible(redact(text, url), _LONGEST).rstrip(".: ") for text in texts)
        reasons += [line for line in dict.fromkeys(lines) if line]
        return visible(": ".join(reasons), _LONGEST)
