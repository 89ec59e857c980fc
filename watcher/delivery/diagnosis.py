"""Why a sending failed, without the channel's secrets. Apprise knows why, but logs it with them.

So what Apprise logs reaches no handler but ours, which drops every part of the channel's URL.
"""

import logging
import os
import re
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partial
from types import ModuleType
from typing import Any

from watcher import network
from watcher.delivery.statuses import TREATMENTS, Outcome, Treatment, after_status, requested_pause
from watcher.errors import ConfigError
from watcher.messages.text import visible
from watcher.redaction import HIDDEN, redact

_entered: ContextVar["LogCapture | None"] = ContextVar("entered", default=None)
"""The capture of this thread."""


class _Router(logging.Handler):
    """Passes the records of a thread to the `LogCapture` of that thread alone."""

    def emit(self, record: logging.LogRecord) -> None:
        capture = _entered.get()
        if capture is not None:
            with suppress(Exception):  # a record that cannot be formatted is not worth the alert
                capture.add_record(record)


_ROUTER = _Router()


def _silence() -> None:
    """Hide what Apprise and urllib3 log from every handler but ours.

    At DEBUG both log whole URLs, and Apprise logs an invalid Slack token even at WARNING. This is done before each
    sending, since other code may set a logger's level or add a handler.
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


def observe() -> None:
    """Let the `LogCapture` of a thread see the answers to the requests that a plugin makes in that thread.

    Plugins keep the answers to themselves, and with them how long a service wants them to wait. They send by the
    functions of `requests`, which their modules have imported under that name. From here on these use the network as
    `watcher.network` says.
    """
    from urllib3 import disable_warnings
    from urllib3.exceptions import InsecureRequestWarning

    # It names the host on stderr, at every sending to a channel whose URL says `verify=no`.
    disable_warnings(InsecureRequestWarning)
    for name, module in list(sys.modules.items()):
        requests = getattr(module, "requests", None) if name.startswith("apprise.plugins.") else None
        if isinstance(requests, ModuleType):
            setattr(module, "requests", _ObservedRequests(requests))  # noqa: B010 - no module declares it


class _ObservedRequests:
    """Replaces `requests` in the module of a plugin: does the same by our proxies, and shows the answers."""

    def __init__(self, requests: ModuleType) -> None:
        self._requests = requests

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._requests, name)
        sends = name in ("delete", "get", "patch", "post", "put", "request")
        return partial(_send, found, 1 if name == "request" else 0) if sends else found


def _send(send: Callable[..., Any], url_at: int, /, *arguments: Any, **options: Any) -> Any:
    from requests.exceptions import RequestException

    capture = _entered.get()
    try:
        own = network.requests_options(options.get("url") or arguments[url_at], os.environ)
    except ConfigError as error:
        if capture is not None:
            capture.reason = capture.reason or str(error)
        raise RequestException from None
    for key, value in own.items():
        if options.get(key) in (None, True):  # a plugin's own login, or `verify=no` in the channel's URL, goes before
            options[key] = value
    if capture is None:  # a plugin that logs out when it is collected, in any thread
        return send(*arguments, **options)
    try:
        return send(*arguments, hooks={"response": capture.add_answer}, **options)
    except Exception as error:
        capture.add_socket_error(str(error))
        raise


_BODY_SECONDS = 5.0
_MOST_BODY = 1 << 20
"""Seconds and bytes within which the body of an answer is read; its status has said what became of the message."""


def _read_body(answer: Any, deadline: float) -> None:
    """Read the body of an answer as far as it comes. A body that breaks or does not end is no error."""
    raw, body = answer.raw, bytearray()
    end = min(deadline, time.monotonic() + _BODY_SECONDS)
    with suppress(Exception):
        while len(body) < _MOST_BODY and (left := end - time.monotonic()) > 0:
            if (connection := raw.connection) is not None and connection.sock is not None:
                connection.sock.settimeout(left)
            if not (data := raw.read1(65_536, decode_content=True)):
                break
            body += data
    answer._content, answer._content_consumed = bytes(body), True
    answer.close()


_STATUS = re.compile(r"(?<![.,:\s])[.,:\s]*\berror=(\d{3})\b\.?")
_MAY_HAVE_ARRIVED = "it may have arrived"
_BROKE = f"the connection broke in the middle, {_MAY_HAVE_ARRIVED}"
_SOCKET_REASONS = {
    r"Connection refused": "connection refused",
    r"Name or service not known|name resolution|Failed to resolve|getaddrinfo|No address": "unknown host",
    r"read timed out": f"no answer in time, {_MAY_HAVE_ARRIVED}",
    r"timed? ?out": "could not be reached in time",
    r"certificate": "its TLS certificate was not accepted",
    r"\bSSL|\bTLS|WRONG_VERSION": "no TLS connection",
    r"reset by peer|Connection (aborted|broken)|RemoteDisconnected|unexpectedly closed|EOF": _BROKE,
    r"unreachable|No route": "unreachable",
}
"""Our words for the errors of sockets. The error itself is never quoted: it holds the whole URL."""


def socket_reason(text: str) -> str | None:
    """Return why there was no answer, in our words, from the text of an error; None if it does not say."""
    found = (reason for pattern, reason in _SOCKET_REASONS.items() if re.search(pattern, text, re.IGNORECASE))
    return next(found, None)


_QUOTED_VALUE = re.compile(r"\([^()]*\)|\"[^\"]*\"|'[^']*'")
LONGEST_REASON = 300
"""Characters of why a message was refused."""


class LogCapture:
    """What Apprise logs in this thread while it is entered, and how its requests are answered."""

    def __init__(self, url: str, deadline: float = float("inf")) -> None:
        self._url = url
        self._deadline = deadline
        self.begin()

    def begin(self) -> None:
        """Forget what was captured, before the next message."""
        self.lines: list[str] = []
        """What Apprise has warned of. It can hold secrets."""
        self.reason: str | None = None
        """Why the first request failed that got no answer, without a secret; empty if that is unknown."""
        self.status: int | None = None
        """The HTTP status of the last refusal, if it is known."""
        self._treatments: set[Treatment] = set()
        self.retry_after: float | None = None
        """Seconds that a service that refused wants us to wait."""
        self.redirected = False
        """Whether the last answer was a redirect."""

    def __enter__(self) -> "LogCapture":
        _silence()
        self._outer = _entered.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        _entered.reset(self._outer)

    def add_answer(self, answer: Any, **_: Any) -> None:
        """Note what an answer says. A redirect in it can no longer be followed, whatever the plugin allows."""
        _read_body(answer, self._deadline)
        status = int(answer.status_code)
        self.redirected = 300 <= status < 400
        if self.redirected:
            answer.headers.pop("Location", None)
        if status < 300:
            return
        self._note_status(status)
        body: Any = None
        if status == 429:  # too many requests
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
            self.lines.append(text)
            if match := _STATUS.search(text):
                self._note_status(int(match[1]))
        elif text.startswith("Socket Exception"):
            self.add_socket_error(text)

    def _note_status(self, status: int) -> None:
        self.status = status
        self._treatments.add(after_status(status))

    def add_socket_error(self, text: str) -> None:
        """Note why a request got no answer."""
        self._treatments.add("again")
        self.reason = self.reason or socket_reason(text) or ""

    def outcome(self, accepted: bool, reached: bool) -> Outcome:
        """Return what came of the message, if the plugin says so, and some of its targets have it or none.

        A final refusal by some targets is accepted: another attempt would gain nothing.
        """
        if accepted:
            return Outcome(True)
        uncertain = reached or (self.reason is not None and (self.reason or _BROKE).endswith(_MAY_HAVE_ARRIVED))
        other = f"HTTP {self.status}" if self.status else "the service did not accept it"
        return Outcome(
            accepted=reached and "again" not in self._treatments,
            treatment=min(self._treatments, key=TREATMENTS.index, default="again"),
            status=None if uncertain else self.status,
            reasons=self.reasons() or other,
        )

    def reasons(self) -> str:
        """Return what was logged as one line without any part of the URL."""
        reasons = [self.reason] if self.reason else []
        if self.status is not None:
            reasons.append(f"HTTP {self.status}")
        lines = (redact_line(_STATUS.sub("", line), self._url).rstrip(".: ") for line in self.lines)
        reasons += [line for line in dict.fromkeys(lines) if line]
        return visible(": ".join(reasons), LONGEST_REASON)


def redact_line(text: str, url: str) -> str:
    """Return a line by a service or Apprise without any part of the channel's URL.

    Values in quotes or parentheses go too: that is how Apprise shows what it refuses.
    """
    return visible(redact(_QUOTED_VALUE.sub(HIDDEN, text), url), LONGEST_REASON)
