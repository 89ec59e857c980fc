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


_FORMS = {
    "discord://": "discord://WebhookID/WebhookToken",
    "https://discord.com/": "https://discord.com/api/webhooks/WebhookID/WebhookToken",
    "https://hooks.slack.com/": "https://hooks.slack.com/services/T…/B…/…",
    "slack://": "slack://TokenA/TokenB/TokenC/#channel",
    "tgram://": "tgram://BotToken/ChatID",
}
"""How the URLs of common services begin, and what they consist of."""


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
    sending.cut_off = True
    return sending.result or sending.failure(f"no answer within {timeout:g} s; it may still arrive")


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
    """One run of `send` in its thread. The caller's thread asks for the result at any time."""

    def __init__(self, url: str, composer: Composer, timeout: float) -> None:
        self._url = url
        self._composer = composer
        self._timeout = timeout
        self._log = LogCapture()
        self._delivered: tuple[str, ...] = ()
        self._sent = 0
        self._parts = 0
        self.cut_off = False
        self.result: Result | None = None

    def run(self) -> None:
        with self._log:
            try:
                self.result = self._send_all(open_service(self._url, self._timeout))
            except UnusableURLError as error:
                self.result = self.failure(f"the channel's URL is unusable: {_unusable(error, self._log, self._url)}")
            except Exception as error:  # a bug in a plugin is a failure of this channel alone
                # Only the kind of the error: its text may quote the URL.
                self.result = self.failure(f"sending broke off ({type(error).__name__})")

    def _send_all(self, service: Service) -> Result | None:
        messages = self._composer(service.format, service.limit)
        self._parts = len(messages)
        remarks: list[str] = []
        for message in messages:
            if self.cut_off:
                return None
            self._log.begin()
            accepted = service.post(message)
            reasons = self._log.reasons(self._url)
            if not accepted or self._log.redirected:  # a plugin may take a redirect for a success
                status = self._log.status
                treatment = after_reply(service.plugin.reply) if service.is_mail else after_status(status)
                other = f"HTTP {status}" if status else "the service did not accept it"
                return self.failure(reasons or other, treatment)
            self._delivered += message.ids
            self._sent += 1
            if service.is_mail and reasons:
                remarks.append(reasons)
        parts = f" in {self._parts} parts" if self._parts > 1 else ""
        return Result(True, "; ".join([f"sent{parts}", *dict.fromkeys(remarks)]), self._delivered)

    def failure(self, detail: str, treatment: Treatment = "again") -> Result:
        """Return the result if nothing more is sent."""
        if self._sent:
            detail = f"{detail} ({self._sent} of {self._parts} parts were sent)"
        pause = self._log.retry_after
        if treatment == "slowly":
            pause = max(SLOW_PAUSE, pause or 0.0)
        return Result(False, detail, self._delivered, self._log.status, pause, treatment == "never")


def _unusable(error: UnusableURLError, log: LogCapture, url: str) -> str:
    if re.split(r"[/?#]", url.partition("://")[2])[0].count("@") > 1:
        return "a @ in the user name or the password has to be written as %40"
    if re.match(r"[^:]+://[^/?#@]*:(?!\d+/)[^/?#@]*[/?#][^/?#@]+@", url):
        return "a /, ? or # in the user name or the password has to be written as %2F, %3F or %23"
    for start, form in _FORMS.items():
        if url.lower().startswith(start):
            return f"it is not complete, or a part of it is mistyped; expected {form}"
    # What a plugin says about its own URL is more precise.
    return (error.refused and log.reasons(url)) or str(error)
