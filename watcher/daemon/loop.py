"""The loop of `watcher run`: polls on time, sends what is due in between, and says that it is alive.

    wait ─→ signals ─→ poll due? → a thread of its own ─→ deliveries due? → another ─→ watchdog, status ─→ wait

The loop itself never waits for a network, so it answers while a poll is slow or a channel hangs. At most one poll and
one sending run at a time: what is late is not made up for, it is done once.

Threads and signal handlers share no number: the loop sets a due time before it starts the work, the work sets it anew,
and whoever wants either sooner raises a flag that the loop takes down.
"""

import os
import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from logging import getLogger
from typing import TYPE_CHECKING, Protocol

from watcher.config.parse import render_duration
from watcher.config.settings import Channel, Config
from watcher.cycle import LONGEST_ASKED, Report, Upstream, check
from watcher.daemon.health_ping import Pings
from watcher.daemon.systemd import Notify
from watcher.daemon.wake import Wake
from watcher.daemon.worker import Worker
from watcher.delivery.outbox import Attempt, drain
from watcher.errors import StoreError, StoreTooNewError, WatcherError
from watcher.memory import give_back
from watcher.messages.headline import headline
from watcher.store.store import Store

if TYPE_CHECKING:
    from watcher.catalog.model import Event
    from watcher.delivery.channel import Result

LEAST_INTERVAL = timedelta(seconds=60)
"""Politeness: the source is never asked more often."""
JITTER = 0.1
"""Polls come this fraction of the interval sooner or later, so that many watchers do not come at once."""
BOUND = timedelta(minutes=30)
"""A poll or a sending that takes longer hangs for good: the watchdog is not fed any more. A poll with all its retries
takes a quarter of an hour at most."""
GRACE = timedelta(seconds=25)
"""How long the end waits for what is in hand. systemd kills after 90 s by default, containers after 10."""
RESEND = timedelta(seconds=5)
"""Two sendings are at least so far apart, however much seems due; new alerts do not wait for it."""
LOOK = timedelta(minutes=1)
"""Two looks at what is due are at most so far apart: another process can make something due."""
SOON = timedelta(seconds=10)
"""How soon it is looked at again whether another machine, which polls at this moment, has done so."""

FAILURE, SILENCE, DISBELIEF, NO_FEED = (
    "the poll failed",
    "the source cannot be read",
    "the source is not believed",
    "the RSS feed was not used",
)
_ENDS = {
    FAILURE: "polls succeed again",
    SILENCE: "the source can be read again",
    DISBELIEF: "the source is believed again",
    NO_FEED: "the RSS feed is used again",
}

_log = getLogger("watcher")

Send = Callable[[Channel, Sequence["Event"]], "Result"]


class Source(Upstream, Protocol):
    """An upstream that is given back."""

    def close(self) -> None:
        """Give up its connections."""


class Setting(Protocol):
    """What the daemon is given to work with, and may be given anew."""

    def load(self) -> Config:
        """Return the configuration, after trying all that can fail in it. Raises WatcherError."""

    def source(self, config: Config) -> Source:
        """Return the source of a configuration. Raises WatcherError."""

    def sender(self, config: Config) -> Send:
        """Return what sends to its channels."""


class Daemon:
    """One watcher that runs until it is told to stop.

    `stop`, `reload` and `poll_now` may be called from signal handlers; the caller pokes `wake`.

    Args:
        setting: the outside world.
        config: the configuration to start with.
        wake: ends the loop's wait.
        notify: the supervisor.
        clock: the time (UTC).
        elapsed: seconds, counting the time that the machine slept.
        awake: seconds, not counting it: what hangs does so only while the machine runs. Default: `elapsed`.
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
        awake: Callable[[], float] | None = None,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._setting = setting
        self._config = config
        self._wake = wake
        self._notify = notify
        self._clock = clock
        self._elapsed = elapsed
        self._dice = dice
        self._store = Store(config.store.url.reveal())
        self._left_stores: list[Store] = []
        self._pings = Pings(os.environ, _log.warning)
        self._source: Source | None = None
        self._source_of: Config | None = None
        self._poller = Worker("polling", wake, awake or elapsed)
        self._postman = Worker("sending", wake, awake or elapsed)
        self._next_poll = elapsed()
        self._next_sending = elapsed()
        self._polled_at: datetime | None = None
        self._others = False
        self._trouble: tuple[str, str] | None = None
        self._complaints: dict[str, str] = {}
        self._waiting: dict[str, datetime | None] = {}
        self._hanging: list[str] = []
        self._outdated: StoreTooNewError | None = None
        self._stop = self._reload = self._poll_wanted = self._sending_wanted = False

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop."""
        return self._stop

    def stop(self) -> None:
        """End as soon as what is in hand is done."""
        self._stop = True

    def reload(self) -> None:
        """Read the configuration anew."""
        self._reload = True

    def poll_now(self) -> None:
        """Poll without waiting for the interval to end."""
        self._poll_wanted = True

    def run(self) -> bool:
        """Watch until told to stop, and return whether all that was in hand has ended.

        Raises StoreError when the database cannot be used at the start, or was migrated by a newer version since: who
        starts it anew then starts that one, or is told that it is not there.
        """
        with self._store.reading():
            pass  # opened, created and migrated before anybody is told that all is well
        for line in self._config.warnings:
            _log.warning("%s", line)
        self._notify.ready("started")
        source = self._config.source
        _log.info("watching %s every %s", source.url, render_duration(source.interval))
        while not self._stop and self._outdated is None:
            if self._reload:
                self._reload = False
                self._read_configuration()
            self._supervise()
            self._feed_watchdog()
            self._wake.wait(self._seconds_to_wait())
        ended = self._end()
        if self._outdated is not None:
            raise StoreError(str(self._outdated)) from self._outdated
        return ended

    def _supervise(self) -> None:
        now = self._elapsed()
        if (self._poll_wanted or now >= self._next_poll) and not self._poller.busy:
            wanted, self._poll_wanted = self._poll_wanted, False
            self._next_poll = now + self._interval()
            self._poller.start(lambda: self._take_turn(wanted))
        if (self._sending_wanted or now >= self._next_sending) and not self._postman.busy:
            self._sending_wanted = False
            self._next_sending = now + LOOK.total_seconds()
            self._postman.start(self._drain)
        if self._left_stores and not self._poller.busy and not self._postman.busy:
            for store in self._left_stores:
                store.close()
            self._left_stores.clear()

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
        hanging = [worker.name for worker in (self._poller, self._postman) if worker.hangs(BOUND)]
        if hanging != self._hanging:
            self._hanging = hanging
            if hanging:
                _log.error("%s has not ended for %s", " and ".join(hanging), render_duration(BOUND))
        if not hanging and self._answers():
            self._notify.alive()

    def _answers(self) -> bool:
        try:
            if self._store.glance(self._clock()) is None:
                with self._store.reading() as session:
                    session.state.source("list")
        except WatcherError as error:
            self._complain("answering", error)
            self._notify.status(str(error))
            return False
        if self._complaints.pop("answering", None) is not None:
            _log.info("the database answers again")
            self._notify.status("the database answers again")
        return True

    def _complain(self, work: str, error: WatcherError) -> None:
        """Log what hinders a work when it begins, or is another thing, and not each time."""
        if self._complaints.get(work) != str(error):
            self._complaints[work] = str(error)
            _log.error("%s", error)

    # In threads of their own

    def _take_turn(self, wanted: bool) -> None:
        """Poll, where it is this machine's turn: the others of a shared database poll as often as one would alone."""
        try:
            with self._store.polling(wait=wanted) as ours:
                wait = timedelta() if wanted else self._until_turn() if ours else SOON
                if not wait:
                    self._poll()
                    return
        except StoreTooNewError as error:
            self._outdated = error
            return
        except WatcherError as error:
            self._note_trouble(FAILURE, str(error))
            return
        self._next_poll = self._elapsed() + wait.total_seconds()

    def _until_turn(self) -> timedelta:
        """Return how long it is until the source is to be polled again, whoever did so last."""
        if not self._store.shared and self._polled_at is not None:
            return timedelta()  # the loop knows
        with self._store.reading() as session:
            last = session.state.last_poll()
        if last is None:
            return timedelta()
        self._others = self._store.shared and last.at != self._polled_at
        if self._others and last.outcome == "good":
            self._notify.status(f"healthy: last checked {last.at:%Y-%m-%d %H:%M} UTC, by another machine")
        now = self._clock()
        interval = timedelta(seconds=self._interval())
        if last.at > now + interval:
            return timedelta()  # by a clock that was wrong
        again = last.not_before if last.not_before is not None and last.outcome == "failed" else last.at
        if self._store.shared:
            again = max(last.at + interval, again)
        return max(timedelta(), min(again - now, LONGEST_ASKED))

    def _poll(self) -> None:
        config = self._config
        with self._pings.around(config.health) as ping:
            source = self._source_for(config)
            report = check(self._store, source, config, now=self._clock())
            ping(report.poll)
        self._tell(report)
        if report.baseline or report.events:
            give_back()
        if report.not_before is not None:
            self._next_poll = max(self._next_poll, self._elapsed() + report.not_before)
        self._polled_at = report.poll.at
        if report.poll.outcome == "failed" and self._others:  # it may be this machine's network: they go first
            self._next_poll += 2 * JITTER * self._config.source.interval.total_seconds()
        if report.events or report.heartbeats:
            self._sending_wanted = True

    def _source_for(self, config: Config) -> Source:
        """Return the source of this very configuration: a reload reads the key anew."""
        if self._source is None or self._source_of is not config:
            self._close_source()
            self._source, self._source_of = self._setting.source(config), config
        return self._source

    def _close_source(self) -> None:
        if self._source is not None:
            self._source.close()
            self._source = None

    def _tell(self, report: Report) -> None:
        poll = report.poll
        for problem in report.problems:
            _log.warning("%s", problem)
        if self._trouble is not None and poll.outcome == "good" and (self._trouble[0] != NO_FEED or not poll.feed):
            _log.info("%s", _ENDS[self._trouble[0]])
            self._trouble = None
        if poll.reason:
            self._note_trouble(DISBELIEF if poll.outcome == "refused" else SILENCE, poll.reason)
        elif poll.feed:
            self._note_trouble(NO_FEED, poll.feed)
        if poll.outcome == "good":
            self._notify.status(f"healthy: last checked {poll.at:%Y-%m-%d %H:%M} UTC, {_counted(poll.models, 'model')}")
        if report.baseline:
            self._store.warn_if_found_empty(poll.models or 0)
            _log.info("%s taken in; from now on changes are announced", _counted(poll.models, "model"))
        if report.events:
            _log.info("announced: %s", headline(report.events))
        _log.debug("polled: %s, %s models, %d ms", poll.outcome, poll.models, poll.milliseconds)

    def _note_trouble(self, what: str, why: str) -> None:
        """Log a trouble when it begins or becomes another one, and keep the supervisor's status at it."""
        if (what, why) != self._trouble:
            self._trouble = (what, why)
            _log.warning("%s: %s", what, why)
        if what != NO_FEED:
            self._notify.status(f"{what}: {why}")

    def _drain(self) -> None:
        config = self._config
        attempts: list[Attempt] = []
        began = self._clock()
        try:
            attempts = drain(self._store, config, self._setting.sender(config), clock=self._clock)
            for attempt in attempts:
                self._tell_attempt(attempt)
            wait = max(RESEND, min(LOOK, self._until_due(began)))
            self._complaints.pop("sending", None)
        except StoreTooNewError as error:
            self._outdated = error
            return
        except WatcherError as error:
            self._complain("sending", error)
            wait = LOOK
        if attempts:
            give_back()
        self._next_sending = self._elapsed() + wait.total_seconds()

    def _tell_attempt(self, attempt: Attempt) -> None:
        """Log what became of a message; what still waits as it did when it was last told is not told again."""
        alerts = _counted(len(attempt.events), "alert")
        if attempt.state == "sent":
            _log.info("channel %s: %s: %s", attempt.channel, alerts, attempt.detail)
        elif attempt.state == "pending" and self._waiting.get(attempt.channel) != attempt.next_attempt:
            again = f"; tried again {attempt.next_attempt:%H:%M:%S} UTC" if attempt.next_attempt else ""
            _log.warning("channel %s: %s not delivered yet: %s%s", attempt.channel, alerts, attempt.detail, again)
        self._waiting[attempt.channel] = attempt.next_attempt

    def _until_due(self, began: datetime) -> timedelta:
        """Return how long it is until something is to be sent, after a sending that began at that time."""
        with self._store.reading() as session:
            due = session.outbox.next_due()
        if due is None or due <= began:
            return LOOK  # nothing waits, or it was due and not sent: its channel is quiet, or is no more
        return due - self._clock()

    # Changes of state

    def _read_configuration(self) -> None:
        self._notify.reloading()
        try:
            config = self._setting.load()
            store = self._store if config.store == self._config.store else Store.open(config.store.url.reveal())
        except WatcherError as error:
            for line in str(error).splitlines():
                _log.error("the configuration was not reloaded: %s", line)
            self._notify.ready("the configuration was not reloaded, the old one stays")
            return
        except Exception:
            _log.exception("the configuration was not reloaded: this is a bug in openrouter-watcher")
            self._notify.ready("the configuration was not reloaded, the old one stays")
            return
        if store is not self._store:
            self._left_stores.append(self._store)
        if (config.source, config.announce, config.store) != (
            self._config.source,
            self._config.announce,
            self._config.store,
        ):
            self._poll_wanted = True  # the interval may be a shorter one, the news another
        self._config, self._store = config, store
        self._sending_wanted = True  # a channel may have been mended
        for line in config.warnings:
            _log.warning("%s", line)
        _log.info("the configuration was reloaded")
        self._notify.ready("the configuration was reloaded")

    def _end(self) -> bool:
        self._notify.stopping()
        _log.info("stopping")
        until = self._elapsed() + GRACE.total_seconds()
        workers = (self._poller, self._postman)
        for worker in workers:
            worker.join(max(0.0, until - self._elapsed()))
        left = [worker.name for worker in workers if worker.busy]
        for store in (*self._left_stores, self._store):  # what hangs waits for a network, and holds none of these
            store.close()
        if left:
            names = " and ".join(left)
            _log.warning("%s was not done within %s; it is done again next time", names, render_duration(GRACE))
            return False
        self._pings.finish(2.0)
        self._close_source()
        return True


def _counted(number: int | None, thing: str) -> str:
    return f"{number or 'no'} {thing}{'' if number == 1 else 's'}"
