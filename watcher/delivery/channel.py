"""Sending to one channel within a deadline, and the result without the channel's secrets."""

import re
import threading

from msgspec import Struct

from watcher.delivery.diagnosis import LogCapture, silence
from watcher.delivery.plugins import UnusableURLError
from watcher.delivery.services import Service, open_service
from watcher.delivery.statuses import SLOW_PAUSE, Treatment, after_reply, after_status
from watcher.messages.builder import Composer

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
    """The HTTP status of a refusal, if there was one."""
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


def check_url(url: str) -> str | None:
    """Return the problem of an Apprise URL, in a sentence without the URL, or None. Nothing is sent."""
    silence()
    with LogCapture() as log:
        try:
            open_service(url, DEFAULT_TIMEOUT)
        except UnusableURLError as error:
            return _unusable(error, log, url)
    return None


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
        self._parts = 0
        self._failure: str | None = None
        self._treatment: Treatment = "again"
        self._cut_off = False
        self._finished = False

    def run(self) -> None:
        with self._log as log:
            try:
                self._send_all(open_service(self._url, self._timeout), log)
            except UnusableURLError as error:
                self._fail(f"the channel's URL is unusable: {_unusable(error, log, self._url)}", "again")
            except Exception as error:  # a bug in a plugin is a failure of this channel alone
                # Only the kind of the error: its text may quote the URL.
                self._fail(f"sending broke off ({type(error).__name__})", "again")

    def _send_all(self, service: Service, log: LogCapture) -> None:
        messages = self._composer(service.format, service.limit)
        self._parts = len(messages)
        for message in messages:
            if self._cut_off:
                return
            log.begin()
            accepted = service.post(message)
            if not accepted or log.redirected:  # a plugin may take a redirect for a success
                reasons = log.reasons(self._url)
                status = f"HTTP {log.status}" if log.status else "the service did not accept it"
                treatment = after_reply(service.plugin.reply) if service.is_mail else after_status(log.status)
                self._fail(reasons or status, treatment)
                return
            with self._lock:
                self._sent += 1
                self._delivered += message.ids
                if service.is_mail and (remark := log.reasons(self._url)):
                    self._remarks.append(remark)
        self._finished = True

    def _fail(self, detail: str, treatment: Treatment) -> None:
        with self._lock:
            self._failure, self._treatment = detail, treatment

    def result(self, timed_out: bool) -> Result:
        with self._lock:
            self._cut_off = timed_out
            delivered = tuple(self._delivered)
            if self._finished:
                parts = f" in {self._parts} parts" if self._parts > 1 else ""
                return Result(True, "; ".join([f"sent{parts}", *dict.fromkeys(self._remarks)]), delivered)
            failure = self._failure or f"no answer within {self._timeout:g} s; it may still arrive"
            if self._sent:
                failure = f"{failure} ({self._sent} of {self._parts} parts were sent)"
            pause = self._log.retry_after
            if self._treatment == "slowly":
                pause = max(SLOW_PAUSE, pause or 0.0)
            return Result(False, failure, delivered, self._log.status, pause, self._treatment == "never")


def _unusable(error: UnusableURLError, log: LogCapture, url: str) -> str:
    if re.split(r"[/?#]", url.partition("://")[2])[0].count("@") > 1:
        return "a @ in the user name or the password has to be written as %40"
    # What a plugin says about its own URL is more precise.
    return (error.refused and log.reasons(url)) or str(error)
