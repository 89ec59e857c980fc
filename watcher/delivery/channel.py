"""Sending to one channel within a deadline, and the result without the channel's secrets."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import inf

from msgspec import Struct

from watcher.catalog.model import Event
from watcher.delivery.addressees import UnusableURLError
from watcher.delivery.diagnosis import LogCapture, redact_line
from watcher.delivery.reached import tracked
from watcher.delivery.services import Service, open_service
from watcher.delivery.statuses import SLOW_PAUSE, Outcome, Treatment
from watcher.messages.builder import Message
from watcher.messages.document import Format

DEFAULT_TIMEOUT = 20.0
"""Seconds for one channel, all parts of a message together."""
_RESERVE = 1.0
"""Seconds before their end after which no answer is waited for, so that the sending itself can say what was missing."""
_MOST_IN_VAIN = 16
"""Refusals after which events are no longer sent apart if none was accepted: then it is not about single events."""

Composer = Callable[[Sequence[Event], Format, int], Sequence[Message]]
"""Returns the messages for events in a format, given the most bytes of one message."""


class Result(Struct, frozen=True):
    """The result of a sending. It holds no secret of the channel's URL."""

    ok: bool
    detail: str
    """One line for people: what the service said, or what was sent."""
    delivered: tuple[str, ...] = ()
    """Ids of the events that the service has accepted; some may be even if it is not `ok`."""
    status: int | None = None
    """The HTTP status or SMTP reply of a refusal; None if there was none, or the message may have arrived."""
    retry_after: float | None = None
    """Seconds to wait at least before trying again: what the service asked for, or an hour after some refusals."""
    refused: tuple[str, ...] = ()
    """Ids of the events for which trying again makes no sense; see `statuses`."""


def send(url: str, compose: Composer, events: Sequence[Event], *, timeout: float = DEFAULT_TIMEOUT) -> Result:
    """Send events to the service behind an Apprise URL, and return the result after `timeout` seconds at most.

    Nothing that a service, a URL or a template does raises an error here. A sending that is cut off goes on in a daemon
    thread, which delays neither the caller nor the end of the process; the message may still arrive.
    """
    sending = _Sending(url, compose, events, timeout)
    thread = threading.Thread(target=sending.run, name="watcher-send", daemon=True)
    thread.start()
    thread.join(timeout)
    sending.cut_off = True
    return sending.result or sending.failure(f"no answer within {timeout:g} s; it may still arrive")


def check_url(url: str) -> str | None:
    """Return the problem of an Apprise URL, in a sentence without the URL, or None. Nothing is sent."""
    try:
        open_service(url, DEFAULT_TIMEOUT)
    except UnusableURLError as error:
        return str(error)
    return None


class _Sending:
    """One run of `send` in its thread. The caller's thread asks for the result at any time."""

    def __init__(self, url: str, composer: Composer, events: Sequence[Event], timeout: float) -> None:
        self._url = url
        self._composer = composer
        self._events = events
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout - min(_RESERVE, timeout / 4)
        self._log = LogCapture(url, self._deadline)
        self._delivered: tuple[str, ...] = ()
        self._sent = 0
        self._took = 0.0
        """Seconds that the last message took."""
        self._waiting: deque[Message] = deque()
        self._in_vain = 0
        self._most = inf
        """Bytes of a request; the service has refused a larger one."""
        self._refused: list[str] = []
        self._suspect: list[str] = []
        """Events that were refused alone, which says nothing until others are accepted."""
        self._remarks: list[str] = []
        self.cut_off = False
        self.result: Result | None = None

    def run(self) -> None:
        with self._log:
            try:
                self.result = self._send_all(open_service(self._url, self._timeout))
            except UnusableURLError as error:
                self.result = self.failure(f"the channel's URL is unusable: {error}")
            except Exception as error:  # a bug in a plugin is a failure of this channel alone
                # Only the kind of the error: its text may quote the URL.
                self.result = self.failure(f"sending broke off ({type(error).__name__})")

    def _send_all(self, service: Service) -> Result | None:
        self._waiting.extend(self._compose(service, service.groups(self._events)))
        while self._waiting:
            if self.cut_off:
                return None
            if self._sent and self._deadline - time.monotonic() < self._took:  # cut off, a message would come twice
                return self.failure("there was no time for more")
            message = self._waiting[0]
            if len(message.events) > 1 and service.size(message) > min(service.most, self._most):
                self._waiting.popleft()
                self._waiting.extendleft(reversed(self._compose(service, _halves(message))))
                continue
            outcome = self._post(service, message)
            if outcome.accepted:
                self._delivered += message.ids
                self._sent += 1
                self._remarks += [outcome.reasons] if outcome.reasons else []
            elif outcome.treatment == "never":
                self._refused += [event for each in self._waiting for event in each.ids]
                return self.failure(outcome.reasons, outcome)
            elif outcome.treatment not in ("apart", "halve") or not self._go_on(service, message, outcome):
                return self.failure(outcome.reasons, outcome)
            self._waiting.popleft()
        reasons = "; ".join(dict.fromkeys(self._remarks))
        if self._refused or self._suspect:
            return self.failure(reasons, outcome)
        parts = f"sent in {self._sent} parts" if self._sent > 1 else "sent"
        return Result(True, f"{parts}; {reasons}" if reasons else parts, self._delivered)

    def _go_on(self, service: Service, message: Message, outcome: Outcome) -> bool:
        """Take a refused message apart, and return whether it makes sense to go on."""
        self._remarks.append(outcome.reasons)
        too_large = outcome.treatment == "halve"
        if len(message.events) == 1:
            (self._refused if too_large else self._suspect).extend(message.ids)
        else:
            # The larger parts first: if most events are fine, something is accepted soon.
            self._waiting.extend(self._compose(service, _halves(message)))
            if too_large:
                self._most = service.size(message) - 1
        self._in_vain += 1
        return bool(self._delivered) or self._in_vain < _MOST_IN_VAIN

    def _compose(self, service: Service, groups: Iterable[Sequence[Event]]) -> list[Message]:
        return [part for group in groups for part in self._composer(group, service.format, service.limit)]

    def _post(self, service: Service, message: Message) -> Outcome:
        self._log.begin()
        began = time.monotonic()
        with tracked(self._url, message.ids) as reached:
            accepted = service.post(message, self._deadline)
            if self._log.redirected and accepted:  # a plugin may take a redirect for a success
                accepted = False
                reached.clear()
            if hasattr(service.plugin, "outcome"):  # a mail's
                outcome: Outcome = service.plugin.outcome(bool(reached), partial(redact_line, url=self._url))
            else:
                outcome = self._log.outcome(accepted, bool(reached))
            if outcome.accepted:
                reached.clear()
        self._took = time.monotonic() - began
        return outcome

    def failure(self, detail: str, outcome: Outcome | None = None) -> Result:
        """Return the result if nothing more is sent."""
        if self._waiting and self._sent:
            detail = f"{detail} ({self._sent} of {self._sent + len(self._waiting)} parts were sent)"
        pause = self._log.retry_after
        treatment: Treatment = outcome.treatment if outcome else "again"
        refused = (*self._refused, *(self._suspect if self._delivered else ()))
        if treatment in ("slowly", "apart", "halve") and len(refused) < len(self._events) - len(self._delivered):
            pause = max(SLOW_PAUSE, pause or 0.0)
        status = outcome.status if outcome else self._log.status
        return Result(False, detail, self._delivered, status, pause, refused)


def _halves(message: Message) -> tuple[Sequence[Event], Sequence[Event]]:
    middle = len(message.events) // 2
    return message.events[:middle], message.events[middle:]
