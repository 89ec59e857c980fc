"""Sending to one channel within a deadline, and the result without the channel's secrets."""

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct

from watcher.catalog.model import Event
from watcher.delivery.diagnosis import LogCapture, silence
from watcher.delivery.services import Service, UnusableURLError, open_service
from watcher.delivery.statuses import HTTP, MAIL, SLOW_PAUSE, Treatment, treatment
from watcher.messages.builder import Composer, Message, built_in
from watcher.messages.document import Format
from watcher.messages.headline import shorten

DEFAULT_TIMEOUT = 20.0
"""Seconds for one channel, all parts of a message together."""


class Result(Struct, frozen=True):
    """The result of a sending. It holds no secret of the channel's URL."""

    ok: bool
    detail: str
    """One line for people: what the service said, or what was sent."""
    delivered: tuple[str, ...] = ()
    """Ids of the events that the service has accepted; with parts, some may be even if it is not `ok`."""
    status: int | None = None
    """The HTTP status that refused it, where there was one."""
    retry_after: float | None = None
    """Seconds to wait at least before trying again: what the service asked for, or an hour after some refusals."""
    permanent: bool = False
    """Whether trying again makes no sense; see `statuses`."""


def send(url: str, composer: Composer, *, timeout: float = DEFAULT_TIMEOUT) -> Result:
    """Send to the service behind an Apprise URL, and return the result after `timeout` seconds at most.

    Nothing that a service, a URL or a template does raises an error here. A sending that is cut off goes on in a daemon
    thread, which delays neither the caller nor the end of the process; the message may still arrive.
    """
    silence()
    sending = _Sending(url, composer, timeout)
    thread = threading.Thread(target=sending.run, name="watcher-send", daemon=True)
    thread.start()
    thread.join(timeout)
    return sending.result(timed_out=thread.is_alive())


def send_events(url: str, events: Sequence[Event], *, timeout: float = DEFAULT_TIMEOUT) -> Result:
    """Send the events in the built-in words; see `send`."""
    return send(url, built_in(events), timeout=timeout)


def check_url(url: str) -> str | None:
    """Return the problem of an Apprise URL, in a sentence without the URL, or None. Nothing is sent."""
    silence()
    with LogCapture() as log:
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
    """One run of `send` in its thread. Other threads can ask for the result at any time."""

    def __init__(self, url: str, composer: Composer, timeout: float) -> None:
        self._url = url
        self._composer = composer
        self._timeout = timeout
        self._lock = threading.Lock()
        self._log = LogCapture()
        self._delivered: list[str] = []
        self._remarks: list[str] = []
        self._sent = 0
        self._of = 0
        self._failure: str | None = None
        self._then: Treatment = "again"
        self._cut_off = False
        self._finished = False

    def run(self) -> None:
        with self._log as log:
            try:
                service = open_service(self._url, self._timeout)
                messages = self._composer(service.format, service.limit)
                self._of = len(messages)
                for message in messages:
                    if self._cut_off:
                        return
                    log.begin()
                    # A plugin may take a redirect for a success.
                    if not _deliver(service, message) or log.redirected:
                        self._refused(service, log)
                        return
                    with self._lock:
                        self._sent += 1
                        self._delivered += message.ids
                        if remark := service.is_mail and log.reasons(self._url):
                            self._remarks.append(remark)
                self._finished = True
            except UnusableURLError as error:
                self._fail(f"the channel's URL is unusable: {_unusable(error, log, self._url)}", "again")
            except Exception as error:  # a bug in a plugin is a failure of this channel alone
                # Only the kind of the error: its text may quote the URL.
                self._fail(f"sending broke off ({type(error).__name__})", "again")

    def _refused(self, service: Service, log: LogCapture) -> None:
        then = treatment(MAIL, service.plugin.reply) if service.is_mail else treatment(HTTP, log.status)
        # Where the plugin took it for a success, or gave no reason.
        reasons = log.reasons(self._url) or (f"HTTP {log.status}" if log.status else "the service did not accept it")
        self._fail(reasons, then)

    def _fail(self, detail: str, then: Treatment) -> None:
        with self._lock:
            self._failure, self._then = detail, then

    def result(self, timed_out: bool) -> Result:
        with self._lock:
            self._cut_off = timed_out
            failure = self._failure
            if failure is None and not self._finished:
                failure = (
                    f"no answer within {self._timeout:g} s; it may still arrive" if timed_out else "sending broke off"
                )
            if failure is not None:
                if self._sent:
                    failure = f"{failure} ({self._sent} of {self._of} parts were sent)"
                pause = self._log.asked
                if self._then == "slowly":
                    pause = max(SLOW_PAUSE, pause or 0.0)
                delivered = tuple(self._delivered)
                return Result(False, failure, delivered, self._log.status, pause, self._then == "never")
            parts = f" in {self._of} parts" if self._of > 1 else ""
            remarks = "".join(f"; {remark}" for remark in dict.fromkeys(self._remarks))
            return Result(True, f"sent{parts}{remarks}", tuple(self._delivered))


def _unusable(error: UnusableURLError, log: LogCapture, url: str) -> str:
    if re.split(r"[/?#]", url.partition("://")[2])[0].count("@") > 1:
        return "a @ in the user name or the password has to be written as %40"
    # What a plugin says about its own URL is more precise.
    return (error.refused and log.reasons(url)) or str(error)


def _deliver(service: Service, message: Message) -> bool:
    from apprise import NotifyFormat, NotifyType

    plugin: Any = service.plugin
    if service.is_mail:
        return bool(plugin.send_mail(message.title, message.text, message.body, message_id(message)))
    title = shorten(message.title, service.title_limit) if service.has_title else ""
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
    with _events_beside(plugin, message):
        return bool(plugin.notify(body=body, title=title, notify_type=NotifyType.INFO, body_format=declared))


@contextmanager
def _events_beside(plugin: Any, message: Message) -> Iterator[None]:
    """Have a web hook send the events beside its title and message, so that scripts get them in the one shape."""
    if type(plugin).__name__ != "NotifyJSON":
        yield
        return
    asked_for = plugin.payload_extras  # by the URL, which wins
    plugin.payload_extras = {"events": msgspec.to_builtins(message.events)} | asked_for
    try:
        yield
    finally:
        plugin.payload_extras = asked_for  # the next part of the message has events of its own
