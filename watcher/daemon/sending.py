"""The loop that sends: what is due, and what a poll has just queued."""

from collections.abc import Callable
from datetime import datetime, timedelta
from logging import getLogger

from watcher.daemon.clock import Clock
from watcher.daemon.loop import Loop
from watcher.daemon.setup import Setup, Setups
from watcher.daemon.systemd import Notify
from watcher.delivery.outbox import Attempt, drain
from watcher.errors import StoreTooNewError, WatcherError
from watcher.store.store import Store

LEAST_PAUSE = timedelta(seconds=5)
"""Two sendings are at least so far apart, however much seems due; new alerts do not wait for it."""
LONGEST_PAUSE = timedelta(minutes=1)
"""And at most so far: another process can make something due."""

_log = getLogger("watcher")


class Sending(Loop):
    """Sends what is due. Each time it asks the database first, so it also knows whether that answers.

    Args:
        setups: the database, the channels and the configuration.
        clock: the time.
        fail: see `Loop`.
        notify: the supervisor.
    """

    def __init__(self, setups: Setups, clock: Clock, fail: Callable[[StoreTooNewError], None], notify: Notify) -> None:
        super().__init__("sending", clock, fail)
        self._setups = setups
        self._notify = notify
        self._asked: float | None = None
        self._trouble: str | None = None
        self._waiting: dict[str, datetime | None] = {}

    def unanswered_for(self) -> float:
        """Return for how many seconds the database has not answered; 0 if it has."""
        asked = self._asked
        return 0.0 if asked is None else self._clock.awake() - asked

    def work(self, *, wanted: bool) -> None:
        """Send what is due."""
        with self._setups.use() as setup:
            pause = LONGEST_PAUSE
            self._due = self._clock.elapsed() + pause.total_seconds()
            try:
                self._ask(setup.store)
                pause = self._send(setup)
            except StoreTooNewError:
                raise
            except WatcherError as error:
                self._note_trouble(str(error))
            self._due = self._clock.elapsed() + pause.total_seconds()

    def _ask(self, store: Store) -> None:
        """Ask the database anything, and note that it answers."""
        if self._asked is None:
            self._asked = self._clock.awake()
        with store.reading() as session:
            session.outbox.next_due()
        self._asked = None

    def _send(self, setup: Setup) -> timedelta:
        """Send what is due, and return how long nothing else will be."""
        began = self._clock.now()
        for attempt in drain(setup.store, setup.config, setup.send, clock=self._clock.now):
            self._log_attempt(attempt)
        with setup.store.reading() as session:
            due = session.outbox.next_due()
        if self._trouble is not None:
            self._trouble = None
            _log.info("the database answers again")
            self._notify.status("the database answers again")
        if due is None or due <= began:  # nothing waits, or it was due and not sent: its channel is quiet, or is gone
            return LONGEST_PAUSE
        return max(LEAST_PAUSE, min(LONGEST_PAUSE, due - self._clock.now()))

    def _note_trouble(self, error: str) -> None:
        if error != self._trouble:
            self._trouble = error
            _log.error("%s", error)
        self._notify.status(error)

    def _log_attempt(self, attempt: Attempt) -> None:
        """Log what became of a message, but not again what waits as it did when it was last logged."""
        alerts = "1 alert" if len(attempt.events) == 1 else f"{len(attempt.events)} alerts"
        if attempt.state == "sent":
            _log.info("channel %s: %s: %s", attempt.channel, alerts, attempt.detail)
        elif attempt.state == "pending" and self._waiting.get(attempt.channel) != attempt.next_attempt:
            again = f"; tried again {attempt.next_attempt:%H:%M:%S} UTC" if attempt.next_attempt else ""
            _log.warning("channel %s: %s not delivered yet: %s%s", attempt.channel, alerts, attempt.detail, again)
        self._waiting[attempt.channel] = attempt.next_attempt
