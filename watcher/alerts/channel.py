"""Sending to one channel: what its service needs, how long it may take, and what may be said of the outcome."""

import logging
import re
import threading
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any
from urllib.parse import unquote

import msgspec
from msgspec import Struct

from watcher.alerts.message import Format, Message, compose_within
from watcher.alerts.services import Service, UnusableURLError, open_service, silence
from watcher.alerts.text import visible
from watcher.catalog.model import Event

DEFAULT_TIMEOUT = 20.0
"""Seconds for one channel, all parts of a message together."""

Composer = Callable[[Format, int], Sequence[Message]]
"""Given a format and the most characters of one message, what to send; see `telling`."""


class Result(Struct, frozen=True):
    """What became of a message. Nothing in it holds a secret of the channel's URL."""

    ok: bool
    detail: str
    """One line for people: what the service said, or what was sent."""
    delivered: tuple[str, ...] = ()
    """Ids of the events that the service has accepted; with parts, some may be even if it is not `ok`."""
    status: int | None = None
    """The HTTP status that refused it, where there was one."""


def telling(events: Sequence[Event]) -> Composer:
    """Return the composer that tells the events in the built-in words."""

    def messages(format: Format, limit: int) -> Sequence[Message]:
        return compose_within(events, format, limit)

    return messages


def send(url: str, composer: Composer, *, timeout: float = DEFAULT_TIMEOUT) -> Result:
    """Send to the service behind an Apprise URL, within `timeout` seconds whatever the service does.

    It never raises for what a service or a URL does. A sending that is cut off goes on in a daemon thread that
    holds up neither the caller nor the end of the process; the message may still arrive.
    """
    silence()
    sending = _Sending(url, composer, timeout)
    thread = threading.Thread(target=sending.run, name="watcher-send", daemon=True)
    thread.start()
    thread.join(timeout)
    return sending.result(timed_out=thread.is_alive())


def send_events(url: str, events: Sequence[Event], *, timeout: float = DEFAULT_TIMEOUT) -> Result:
    """Send the events in the built-in words; see `send`."""
    return send(url, telling(events), timeout=timeout)


def check_url(url: str) -> str | None:
    """Return what is wrong with an Apprise URL, in a sentence that does not hold it, or None. Nothing is sent."""
    silence()
    with _Capture() as log:
        try:
            open_service(url, DEFAULT_TIMEOUT)
        except UnusableURLError as error:
            return _unusable(error, log, url)
    return None


def message_id(message: Message) -> str:
    """Return the Message-ID of a mail: the same for the same events, by which mail programs recognise a repeat."""
    digest = blake2b("\n".join(sorted(message.ids)).encode(errors="replace"), digest_size=16)
    return f"<{digest.hexdigest()}@openrouter-watcher>"


class _Sending:
    """One run of `send`, in its thread; what it has reached can be read from outside at any time."""

    def __init__(self, url: str, composer: Composer, timeout: float) -> None:
        self._url = url
        self._composer = composer
        self._timeout = timeout
        self._lock = threading.Lock()
        self._delivered: list[str] = []
        self._sent = 0
        self._of = 0
        self._failure: str | None = None
        self._status: int | None = None
        self._cut_off = False
        self._finished = False

    def run(self) -> None:
        with _Capture() as log:
            try:
                service = open_service(self._url, self._timeout)
                messages = self._composer(service.format, service.limit)
                self._of = len(messages)
                for message in messages:
                    if self._cut_off:
                        return
                    if not _deliver(service, message):
                        self._fail(log.reasons(self._url) or "the service did not accept it", log.status)
                        return
                    with self._lock:
                        self._sent += 1
                        self._delivered += message.ids
                self._finished = True
            except UnusableURLError as error:
                self._fail(f"the channel's URL is unusable: {_unusable(error, log, self._url)}", None)
            except Exception as error:  # a plugin's bug is this channel's failure, not the watcher's
                # Only the kind of the error: its text may quote the URL.
                self._fail(f"sending broke off ({type(error).__name__})", None)

    def _fail(self, detail: str, status: int | None) -> None:
        with self._lock:
            self._failure, self._status = detail, status

    def result(self, timed_out: bool) -> Result:
        with self._lock:
            self._cut_off = timed_out
            failure, status = self._failure, self._status
            if failure is None and not self._finished:
                failure = (
                    f"no answer within {self._timeout:g} s; it may still arrive" if timed_out else "sending broke off"
                )
            if failure is not None:
                if self._sent:
                    failure = f"{failure} ({self._sent} of {self._of} parts were sent)"
                return Result(False, failure, tuple(self._delivered), status)
            parts = f" in {self._of} parts" if self._of > 1 else ""
            return Result(True, f"sent{parts}", tuple(self._delivered))


def _unusable(error: UnusableURLError, log: "_Capture", url: str) -> str:
    # What a plugin says on its own URL is more to the point than what we know.
    return (error.refused and log.reasons(url)) or str(error)


def _deliver(service: Service, message: Message) -> bool:
    from apprise import NotifyFormat, NotifyType

    plugin: Any = service.plugin
    if hasattr(plugin, "send_mail"):
        return bool(plugin.send_mail(message.title, message.text, message.body, message_id(message)))
    if type(plugin).__name__ == "NotifyJSON":
        # Apprise puts these beside its title and message, so that scripts get the events in the one shape.
        events = msgspec.to_builtins(message.events)
        plugin.payload_extras = {"events": events} | plugin.payload_extras
    title = message.title if service.has_title else ""
    body = message.body if service.has_title else f"{message.heading}\n\n{message.body}"
    declared = {Format.HTML: NotifyFormat.HTML, Format.TELEGRAM: NotifyFormat.HTML, Format.TEXT: NotifyFormat.TEXT}.get(
        message.format, NotifyFormat.MARKDOWN
    )
    if service.raw:
        return bool(
            plugin.send(
                body=body.rstrip(),
                title=title,
                notify_type=NotifyType.INFO,
                body_format=declared,
                body_passthrough=False,
            )
        )
    return bool(plugin.notify(body=body, title=title, notify_type=NotifyType.INFO, body_format=declared))


# --- what may be said of a failure -----------------------------------------------------------------------------------

_STATUS = re.compile(r"\berror=(\d{3})\b")
_STATUS_SAID = re.compile(r"[.,:]*\s*\berror=\d{3}\b\.?")
_SOCKET_REASONS = tuple(
    (re.compile(pattern, re.IGNORECASE), reason)
    for pattern, reason in (
        (r"Connection refused", "connection refused"),
        (r"Name or service not known|name resolution|Failed to resolve|getaddrinfo|No address", "unknown host"),
        (r"timed? ?out", "timed out"),
        (r"CERTIFICATE_VERIFY_FAILED|certificate", "its TLS certificate was not accepted"),
        (r"\bSSL|\bTLS|WRONG_VERSION", "no TLS connection"),
        (r"reset by peer|Connection aborted|RemoteDisconnected|unexpectedly closed|EOF", "connection lost"),
        (r"unreachable|No route", "unreachable"),
    )
)
"""What a socket's error may be called. The error itself is never quoted: it holds the whole URL."""
_QUOTED_VALUE = re.compile(r"\([^()]*\)|\"[^\"]*\"|'[^']*'")
_URL_PARTS = re.compile(r"[/?&=:@#;,+\s]+")
_LONGEST = 300


class _Capture(logging.Handler):
    """Collects what Apprise logs in this thread while it is entered."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._thread = threading.get_ident()
        self._lines: list[str] = []
        self._socket: str | None = None
        self.status: int | None = None

    def __enter__(self) -> "_Capture":
        logging.getLogger("apprise").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("apprise").removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread != self._thread:
            return
        text = record.getMessage()
        if record.levelno >= logging.WARNING:
            self._lines.append(text)
            if match := _STATUS.search(text):
                self.status = int(match[1])
        elif text.startswith("Socket Exception") and self._socket is None:
            self._socket = next((reason for pattern, reason in _SOCKET_REASONS if pattern.search(text)), None)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        """Drop a record that cannot be formatted; logging would print it, with all that is in it."""

    def reasons(self, url: str) -> str:
        """Return what was logged as one line without any part of the URL."""
        reasons = [self._socket] if self._socket else []
        if self.status is not None:
            reasons.append(f"HTTP {self.status}")
        lines = (redact(_STATUS_SAID.sub("", line), url).rstrip(".") for line in self._lines)
        reasons += [line for line in dict.fromkeys(lines) if line]
        return visible(": ".join(reasons), _LONGEST)


def redact(text: str, url: str) -> str:
    """Return a line that a service or Apprise wrote about a channel, without any part of the channel's URL in it.

    Values that it quotes or puts in parentheses go too: that is how Apprise shows what it found wrong.
    """
    text = _QUOTED_VALUE.sub("***", text)
    rest = url.partition("://")[2] or url
    parts = {url, rest, unquote(rest)}
    for piece in (*_URL_PARTS.split(rest), *_URL_PARTS.split(unquote(rest)), *rest.partition("@")[0].split(":")):
        parts |= {piece, unquote(piece)}
    secrets = sorted((part for part in parts if len(part) > 2), key=len, reverse=True)
    for secret in secrets:
        text = re.sub(re.escape(secret), "***", text, flags=re.IGNORECASE)
    return visible(text, _LONGEST)


__all__ = ["Composer", "Result", "check_url", "message_id", "redact", "send", "send_events", "telling"]
