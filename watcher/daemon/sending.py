"""The loop that sends: what is due, and what a poll has just queued."""

from collections.abc import Callable
from datetime import datetime, timedelta
from logging import getLogger

from watcher.daemon.clock import Clock
from watcher.daemon.loop import Loop
from watcher.daemon.setup import Setup, Setups
from watcher.daemon.systemd import Notify
from watcher.delivery.outbox import Attempt, drain
from watcher.errors import StoreTooNewError

LEAST_PAUSE = timedelta(seconds=5)
"""The least time between two sendings, however much seems due; new alerts do not wait for it."""
LONGEST_PAUSE = timedelta(minutes=1)
"""The longest: another process can make something due."""

_log = getLogger("watcher")


class Sending(Loop):
    """Sends what is due. Each time it asks the database first, so it also knows whether that answers."""

    name = "sending"

    def __init__(self, setups: Setups, clock: Clock, notify: Notify, fail: Callable[[StoreTooNewError], None]) -> None:
        super().__init__(setups, clock, notify, fail)
        self._asked: float | None = None
        self._trouble: str | None = None
        self._waiting: dict[str, datetime | None] = {}

    def unanswered_for(self) -> float:
        """Return for how many seconds the database has not answered; 0 if it has."""
        asked = self._asked
        return 0.0 if asked is None else self._clock.awake() - asked

    def work(self, setup: Setup, *, wanted: bool) -> None:
        """Send what is due."""
        self._due = self._clock.elapsed() + LONGEST_PAUSE.total_seconds()
        if self._asked is None:
            self._asked = self._clock.awake()
        with setup.store.reading() as session:
            session.outbox.next_due()
        self._asked = None
        began = self._clock.now()
        for attempt in drain(setup.store, setup.config, setup.send, clock=self._clock.now):
            self._log_attempt(attempt)
        with setup.store.reading() as session:
            due = session.outbox.next_due()
        if self._trouble is not None:
            self._trouble = None
            _log.info("the database answers again")
            self._notify.status("the database answers again")
        pause = LONGEST_PAUSE
        if due is not None and due > began:  # what was due before and not sent waits: its channel is quiet or removed
            pause = max(LEAST_PAUSE, min(LONGEST_PAUSE, due - self._clock.now()))
        self._due = self._clock.elapsed() + pause.total_seconds()

    def note_failure(self, error: str) -> None:
        """Log that the database does not answer, once, and show it in the supervisor's status."""
        self._due = self._clock.elapsed() + LONGEST_PAUSE.total_seconds()
        if error != self._trouble:
            self._trouble = error
            _log.error("%s", error)
        self._notify.status(error)

    def _log_attempt(self, attempt: Attempt) -> None:
        """Log the outcome of an attempt, but not again what still waits for the same time."""
        alerts = "1 alert" if len(attempt.events) == 1 else f"{len(attempt.events)} alerts"
        if attempt.state == "sent":
            _log.info("channel %s: %s: %s", attempt.channel, alerts, attempt.detail)
        elif attempt.state == "pending" and self._waiting.get(attempt.channel) != attempt.next_attempt:
            again = f"; tried again {attempt.next_attempt:%H:%M:%S} UTC" if attempt.next_attempt else ""
            _log.warning("channel %s: %s not delivered yet: %s%s", attempt.channel, alerts, attempt.detail, again)
        self._waiting[attempt.channel] = attempt.next_attempt
