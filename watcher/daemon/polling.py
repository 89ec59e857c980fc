"""The loop that polls: at its interval, when it is asked to, and when it is this machine's turn."""

from collections.abc import Callable
from datetime import timedelta
from logging import getLogger

from watcher.asking import LONGEST_ASKED
from watcher.config.settings import HealthSettings
from watcher.cycle import Report, check
from watcher.daemon.clock import Clock
from watcher.daemon.health_ping import Pings
from watcher.daemon.loop import Loop
from watcher.daemon.setup import Setup, Setups
from watcher.daemon.systemd import Notify
from watcher.errors import StoreTooNewError
from watcher.messages.headline import headline
from watcher.mine.beside import PathScanner

LEAST_INTERVAL = timedelta(seconds=60)
"""Politeness: the source is never asked more often."""
JITTER = 0.1
"""Each poll is early or late by up to this fraction of the interval, so that many watchers do not poll at once."""
TURN_CHECK = timedelta(seconds=10)
"""How soon to check again whether another machine, which polls at this moment, has finished."""

FAILED, UNREADABLE, REFUSED = "the poll failed", "the source cannot be read", "the source is not believed"
NO_FEED = "the RSS feed was not used"
_ENDS = {
    FAILED: "polls succeed again",
    UNREADABLE: "the source can be read again",
    REFUSED: "the source is believed again",
    NO_FEED: "the RSS feed is used again",
}

_log = getLogger("watcher")


class Polling(Loop):
    """Polls the source and stores what it shows. Calls `queued` when a poll has queued something to send."""

    name = "polling"

    def __init__(
        self,
        setups: Setups,
        clock: Clock,
        notify: Notify,
        fail: Callable[[StoreTooNewError], None],
        pings: Pings,
        dice: Callable[[], float],
        queued: Callable[[], None],
    ) -> None:
        super().__init__(setups, clock, notify, fail)
        self._pings = pings
        self._dice = dice
        self._queued = queued
        self._last_poll: object = None
        self._others_poll = False
        self._trouble: tuple[str, str] | None = None
        self._scanner = PathScanner()
        self._scan_problem: str | None = None

    def work(self, setup: Setup, *, wanted: bool) -> None:
        """Poll if it is this machine's turn: the machines of a shared database poll as often as one would alone."""
        self._due = self._clock.elapsed() + self._interval(setup)
        with setup.store.polling(wait=wanted) as ours:
            wait = timedelta() if wanted else self._until_turn(setup) if ours else TURN_CHECK
            if wait:
                self._due = self._clock.elapsed() + wait.total_seconds()
            else:
                self._poll(setup)

    def note_failure(self, error: str) -> None:
        """Log that the poll failed, and show it in the supervisor's status."""
        self._note_trouble(FAILED, error)

    def _interval(self, setup: Setup) -> float:
        interval = setup.config.source.interval.total_seconds()
        return max(interval * (1 + JITTER * (2 * self._dice() - 1)), LEAST_INTERVAL.total_seconds())

    def _until_turn(self, setup: Setup) -> timedelta:
        """Return the time until the source is to be polled again, whichever machine polled last."""
        shared = setup.store.shared
        if not shared and self._last_poll is not None:
            return timedelta()  # `_due` says it
        with setup.store.reading() as session:
            last = session.state.last_poll()
        if last is None:
            return timedelta()
        self._others_poll = shared and last.at != self._last_poll
        if self._others_poll and last.outcome == "good":
            self._notify.status(f"healthy: last checked {last.at:%Y-%m-%d %H:%M} UTC, by another machine")
        now = self._clock.now()
        interval = timedelta(seconds=self._interval(setup))
        if last.at > now + interval:
            return timedelta()  # a wrong clock wrote it
        again = last.not_before if last.not_before is not None and last.outcome == "failed" else last.at
        if shared:
            again = max(last.at + interval, again)
        return max(timedelta(), min(again - now, LONGEST_ASKED))

    def _poll(self, setup: Setup) -> None:
        with self._pings.around(setup.config.health) as ping:
            now = self._clock.now()
            report = check(setup.store, setup.upstream, setup.config, now=now, scanner=self._scanner)
            ping(report.poll)
        if setup.config.health != HealthSettings():
            setup.store.note_ping(self._pings.trouble, self._clock.now())  # it is told one poll later
        self._log_report(setup, report)
        if report.not_before is not None:
            self._due = max(self._due, self._clock.elapsed() + report.not_before)
        self._last_poll = report.poll.at
        if report.poll.outcome == "failed" and self._others_poll:  # the others go first
            self._due += 2 * JITTER * setup.config.source.interval.total_seconds()
        if report.decision.deliveries:
            self._queued()

    def _log_report(self, setup: Setup, report: Report) -> None:
        poll = report.poll
        models = "1 model" if poll.models == 1 else f"{poll.models or 'no'} models"
        for problem in report.decision.problems:
            _log.warning("%s", problem)
        if report.scan_problem not in (None, self._scan_problem):
            _log.warning("%s", report.scan_problem)
        self._scan_problem = report.scan_problem
        if self._trouble is not None and poll.outcome == "good" and (self._trouble[0] != NO_FEED or not poll.feed):
            _log.info("%s", _ENDS[self._trouble[0]])
            self._trouble = None
        if poll.reason:
            self._note_trouble(REFUSED if poll.outcome == "refused" else UNREADABLE, poll.reason)
        elif poll.feed:
            self._note_trouble(NO_FEED, poll.feed)
        if poll.outcome == "good":
            self._notify.status(f"healthy: last checked {poll.at:%Y-%m-%d %H:%M} UTC, {models}")
        if report.decision.baseline:
            setup.store.warn_if_found_empty(poll.models or 0)
            _log.info("%s taken in; from now on changes are announced", models)
        if report.events:
            _log.info("announced: %s", headline(report.events))
        _log.debug("polled: %s, %s models, %d ms", poll.outcome, poll.models, poll.milliseconds)

    def _note_trouble(self, what: str, why: str) -> None:
        """Log a trouble when it begins or changes, and show it in the supervisor's status."""
        if (what, why) != self._trouble:
            self._trouble = (what, why)
            _log.warning("%s: %s", what, why)
        if what != NO_FEED:
            self._notify.status(f"{what}: {why}")
