"""The loop of `watcher run`: polls on time, sends what is due in between, and says that it is alive.

    wait ─→ signals ─→ poll due? → a thread of its own ─→ deliveries due? → another ─→ watchdog, status ─→ wait

The loop itself never waits for a network, so it answers while a poll is slow or a channel hangs. At most one poll and
one sending run at a time: what is late is not made up for, it is done once.
"""

import random
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from logging import getLogger
from typing import TYPE_CHECKING, Protocol

from watcher.alerts.headline import headline
from watcher.alerts.outbox import Attempt, drain
from watcher.config.settings import Channel, Config
from watcher.cycle import Report, Upstream, check
from watcher.errors import WatcherError
from watcher.store.store import Store
from watcher.systemd import Notify
from watcher.wake import Wake

if TYPE_CHECKING:
    from watcher.alerts.channel import Result
    from watcher.catalog.model import Event

LEAST_INTERVAL = timedelta(seconds=60)
"""Politeness: the source is never asked more often."""
JITTER = 0.1
"""Polls come this fraction of the interval sooner or later, so that many watchers do not come at once."""
BOUND = timedelta(minutes=10)
"""A poll or a sending that takes longer hangs for good: the watchdog is not fed any more."""
GRACE = timedelta(seconds=25)
"""How long the end waits for what is in hand. systemd kills after 90 s by default, containers after 30 or 10."""
RESEND = timedelta(seconds=15)
"""Two sendings are at least so far apart, however much seems due."""

_log = getLogger("watcher")

Send = Callable[[Channel, Sequence["Event"]], "Result"]


class Setting(Protocol):
    """What the daemon is given to work with, and may be given anew."""

    def load(self) -> Config:
        """Return the configuration, after trying all that can fail in it. Raises WatcherError."""

    def source(self, config: Config) -> Upstream:
        """Return the source of a configuration."""

    def sender(self, config: Config) -> Send:
        """Return what sends to its channels."""


class Daemon:
    """One watcher that runs until it is told to stop. Its public methods may be called from signal handlers.

    Args:
        setting: the outside world.
        config: the configuration to start with.
        wake: ends the loop's wait.
        notify: the supervisor.
        clock: the time (UTC).
        elapsed: seconds, counting the time that the machine slept.
        dice: a number from 0 to 1.
    """

    def __init__(
        self,
        setting: Setting,
        config: Config,
        wake: Wake,
        notify: Notify,
        *,
        clock: Callable[[], datetime],
        elapsed: Callable[[], float],
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._setting = setting
        self._config = config
        self._wake = wake
        self._notify = notify
        self._clock = clock
        self._elapsed = elapsed
        self._dice = dice
        self._store = Store(config.store.url)
        self._source: Upstream | None = None
        self._poller = _Worker("watcher-poll", wake, elapsed)
        self._postman = _Worker("watcher-send", wake, elapsed)
        self._next_poll = elapsed()
        self._next_sending = elapsed()
        self._trouble: str | None = None
        self._stop = self._reload = False

    def stop(self) -> None:
        """End as soon as what is in hand is done; at a second call, at once."""
        if self._stop:
            raise SystemExit(1)
        self._stop = True

    def reload(self) -> None:
        """Read the configuration anew."""
        self._reload = True

    def poll_now(self) -> None:
        """Poll without waiting for the interval to end."""
        self._next_poll = self._elapsed()

    def run(self) -> None:
        """Watch until told to stop. Raises StoreError when the database cannot be used at the start."""
        with self._store.reading():
            pass  # opened, created and migrated before anybody is told that all is well
        self._notify.ready("started")
        _log.info("watching %s every %s", self._config.source.url, _told(self._config.source.interval))
        while not self._stop:
            if self._reload:
                self._reload = False
                self._read_configuration()
            self._supervise()
            self._feed_watchdog()
            self._wake.wait(self._seconds_to_wait())
        self._end()

    def _supervise(self) -> None:
        now = self._elapsed()
        if now >= self._next_poll and not self._poller.busy:
            self._next_poll = now + self._interval()
            self._poller.start(self._poll)
        if now >= self._next_sending and not self._postman.busy:
            self._next_sending = float("inf")  # until it is done and knows better, or a poll brings more
            self._postman.start(self._drain)

    def _interval(self) -> float:
        interval = max(self._config.source.interval, LEAST_INTERVAL).total_seconds()
        return max(interval * (1 + JITTER * (2 * self._dice() - 1)), LEAST_INTERVAL.total_seconds())

    def _seconds_to_wait(self) -> float:
        until = min(
            self._next_poll if not self._poller.busy else float("inf"),
            self._next_sending if not self._postman.busy else float("inf"),
        )
        seconds = until - self._elapsed()
        return seconds if self._notify.watchdog is None else min(seconds, self._notify.watchdog / 3)

    def _feed_watchdog(self) -> None:
        if self._notify.watchdog is None:
            return
        hangs = [worker.name for worker in (self._poller, self._postman) if worker.hangs(BOUND)]
        if hangs:
            _log.error("%s has not ended for %s", " and ".join(hangs), _told(BOUND))
        elif self._answers():
            self._notify.alive()

    def _answers(self) -> bool:
        if self._store.glance(self._clock()) is not None:
            return True
        try:
            with self._store.reading() as session:
                session.state.source("list")
        except WatcherError as error:
            _log.error("%s", error)
            return False
        return True

    # In threads of their own

    def _poll(self) -> None:
        try:
            config = self._config
            if self._source is None:
                self._source = self._setting.source(config)
            report = check(self._store, self._source, config, now=self._clock())
        except WatcherError as error:
            _log.error("%s", error)
            self._notify.status(str(error))
            return
        self._tell(report)
        if report.not_before is not None:
            self._next_poll = max(self._next_poll, self._elapsed() + report.not_before)
        if report.events:
            self._next_sending = self._elapsed()

    def _tell(self, report: Report) -> None:
        poll = report.poll
        for problem in report.problems:
            _log.warning("%s", problem)
        trouble = poll.reason or poll.feed
        if trouble and trouble != self._trouble:
            _log.warning("%s", trouble if poll.reason else f"the RSS feed was not used: {trouble}")
        elif self._trouble and not trouble:
            _log.info("the source can be read again")
        self._trouble = trouble
        if report.events:
            _log.info("announced: %s", headline(report.events))
        _log.debug("polled: %s, %s models, %d ms", poll.outcome, poll.models, poll.milliseconds)
        state = "watching" if poll.outcome == "good" else "the source is not believed or cannot be read"
        self._notify.status(f"{state}: {poll.models or 'no'} models at {poll.at:%H:%M} UTC")

    def _drain(self) -> None:
        try:
            config = self._config
            for attempt in drain(self._store, config, self._setting.sender(config), clock=self._clock):
                _log_attempt(attempt)
        except WatcherError as error:
            _log.error("%s", error)
        later = self._elapsed() + max(RESEND, self._until_due()).total_seconds()
        self._next_sending = min(self._next_sending, later)

    def _until_due(self) -> timedelta:
        """Return how long it is until something is to be sent."""
        try:
            with self._store.reading() as session:
                due = session.outbox.next_due()
        except WatcherError:
            return timedelta(minutes=1)
        return timedelta(days=1) if due is None else due - self._clock()

    # Changes of state

    def _read_configuration(self) -> None:
        self._notify.reloading()
        try:
            config = self._setting.load()
            store = self._store if config.store == self._config.store else Store.open(config.store.url)
        except WatcherError as error:
            _log.error("the configuration was not reloaded, the old one stays: %s", error)
            self._notify.ready("the configuration was not reloaded")
            return
        if config.source != self._config.source:
            self._source = None
        self._config, self._store = config, store
        _log.info("the configuration was reloaded")
        self._notify.ready("the configuration was reloaded")

    def _end(self) -> None:
        self._notify.stopping()
        _log.info("stopping")
        until = self._elapsed() + GRACE.total_seconds()
        for worker in (self._poller, self._postman):
            worker.join(max(0.0, until - self._elapsed()))
        self._store.close()


class _Worker:
    """One thing at a time, in a thread that pokes the loop when it is done."""

    def __init__(self, name: str, wake: Wake, elapsed: Callable[[], float]) -> None:
        self.name = name
        self._wake = wake
        self._elapsed = elapsed
        self._thread: threading.Thread | None = None
        self._started = 0.0

    @property
    def busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def hangs(self, bound: timedelta) -> bool:
        return self.busy and self._elapsed() - self._started > bound.total_seconds()

    def start(self, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            except Exception:
                _log.exception("this is a bug in openrouter-watcher")
            finally:
                self._wake.poke()

        self._started = self._elapsed()
        self._thread = threading.Thread(target=run, name=self.name, daemon=True)
        self._thread.start()

    def join(self, seconds: float) -> None:
        if self._thread is not None:
            self._thread.join(seconds)


def _log_attempt(attempt: Attempt) -> None:
    alerts = f"{len(attempt.events)} alert{'' if len(attempt.events) == 1 else 's'}"
    if attempt.state == "sent":
        _log.info("channel %s: %s: %s", attempt.channel, alerts, attempt.detail)
    elif attempt.state == "pending":
        _log.warning("channel %s: %s not delivered yet: %s", attempt.channel, alerts, attempt.detail)


def _told(span: timedelta) -> str:
    minutes, seconds = divmod(round(span.total_seconds()), 60)
    return f"{minutes} min" if not seconds else f"{minutes * 60 + seconds} s"
