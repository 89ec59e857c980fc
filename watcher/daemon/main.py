"""The main part of `watcher run`: it handles signals, reloads, feeds the watchdog, and ends in order.

    signals ─→ main ─┬─→ polling ─ queued ─→ sending     a thread each
                     └─→ loading                         a thread while a configuration and a database are opened

Whatever can wait for a network or a database happens in those threads, so the main part always answers.
"""

import os
import random
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from datetime import timedelta
from logging import getLogger
from typing import NoReturn

from msgspec.structs import replace

from watcher.__main__ import SIGNALS
from watcher.config.parse import render_duration
from watcher.daemon.clock import Clock
from watcher.daemon.health_ping import Pings
from watcher.daemon.polling import Polling
from watcher.daemon.sending import Sending
from watcher.daemon.setup import Setup, Setups
from watcher.daemon.systemd import Notify
from watcher.daemon.web import Web
from watcher.errors import StoreError, StoreTooNewError, WatcherError, machine_error

HANGS_AFTER = timedelta(minutes=30)
"""The watchdog is not fed while a poll or a sending takes longer. A poll takes 15 minutes at most."""
ANSWERS_WITHIN = timedelta(seconds=10)
"""Nor is it fed while the database takes longer to answer."""
GRACE = timedelta(seconds=25)
"""How long the end waits for work in hand. systemd kills after 90 s by default, containers after 10."""
INTERRUPTED = 130
"""Exit code after a second signal to stop, as of any interrupted program."""

_log = getLogger("watcher")


class Daemon:
    """One watcher that runs until it is told to stop. `stop`, `reload` and `poll_now` may be called from any thread.

    `load` reads and checks the configuration, at the start and for each reload, and returns a setup whose store is not
    open yet; it raises WatcherError. `dice` returns a number from 0 to 1. The end waits for work in hand for `grace`.
    """

    def __init__(
        self,
        load: Callable[[], Setup],
        notify: Notify,
        pings: Pings,
        clock: Clock,
        *,
        dice: Callable[[], float] = random.random,
        grace: timedelta = GRACE,
    ) -> None:
        self._load = load
        self._notify = notify
        self._pings = pings
        self._clock = clock
        self._grace = grace
        self._setups = Setups()
        self._web = Web()
        self._sending = Sending(self._setups, clock, notify, self._fail)
        self._polling = Polling(self._setups, clock, notify, self._fail, pings, dice, self._sending.want)
        self._loops = (self._polling, self._sending)
        self._loading: Future[Setup] | None = None
        self._hanging: list[str] = []
        self._failure: StoreTooNewError | None = None
        self._reload_wanted = False
        self.stopping = False
        """Whether it was told to stop."""
        self._woken = threading.Event()

    def stop(self) -> None:
        """End when the work in hand is done."""
        self.stopping = True
        self._woken.set()

    def reload(self) -> None:
        """Read the configuration anew."""
        self._reload_wanted = True
        self._woken.set()

    def poll_now(self) -> None:
        """Poll without waiting for the interval to end."""
        self._polling.want()

    def run(self) -> bool:
        """Watch until told to stop, and return whether all work in hand has ended.

        Raises WatcherError if the configuration or the database cannot be used at the start, and StoreError if a newer
        version has migrated the database since: the supervisor then starts that version.
        """
        self._begin_to_load()
        while not self.stopping and self._failure is None:
            if self._loading is not None and self._loading.done():
                loaded, self._loading = self._loading, None
                if self._setups.current is None:
                    self._start(loaded.result())
                else:
                    self._finish_reload(loaded)
            if self._reload_wanted and self._loading is None:
                self._reload_wanted = False
                self._notify.reloading()
                self._begin_to_load()
            self._feed_watchdog()
            self._clock.wait(self._woken, float("inf") if self._notify.watchdog is None else self._notify.watchdog / 3)
            self._woken.clear()
        ended = self._end()
        if self._failure is not None:
            raise StoreError(str(self._failure)) from self._failure
        return ended

    def _fail(self, error: StoreTooNewError) -> None:
        self._failure = error
        self._woken.set()

    # Loading

    def _begin_to_load(self) -> None:
        loading = self._loading = Future[Setup]()

        def load() -> None:
            try:
                loading.set_result(self._open())
            except BaseException as error:
                loading.set_exception(error)
            self._woken.set()

        threading.Thread(target=load, name="watcher-loading", daemon=True).start()

    def _open(self) -> Setup:
        setup, current = self._load(), self._setups.current
        if current is not None and current.config.store == setup.config.store:
            return replace(setup, store=current.store)
        try:
            if not self.stopping:  # a database is not created any more at the end
                with setup.store.reading():
                    pass  # it is opened, created and migrated before the supervisor hears that all is well
        except BaseException:
            setup.upstream.close()
            raise
        return setup

    def _start(self, setup: Setup) -> None:
        self._web.use(setup.config)
        self._use(setup, "started")
        source = setup.config.source
        _log.info("watching %s every %s", source.url, render_duration(source.interval))
        self._polling.start()
        self._sending.start()

    def _use(self, setup: Setup, status: str) -> None:
        self._setups.replace(setup)
        for line in setup.config.warnings:
            _log.warning("%s", line)
        self._notify.ready(status)

    def _finish_reload(self, loaded: "Future[Setup]") -> None:
        try:
            setup = loaded.result()
            self._web.use(setup.config)
        except Exception as error:
            known = error if isinstance(error, WatcherError) else machine_error(error)
            if known is not None:
                for line in str(known).splitlines():
                    _log.error("the configuration was not reloaded: %s", line)
            else:
                _log.exception("the configuration was not reloaded: this is a bug in openrouter-watcher")
            if loaded.exception() is None:  # only its address cannot be used
                loaded.result().upstream.close()
            self._notify.ready("the configuration was not reloaded, the old one stays")
            return
        assert self._setups.current is not None
        before, config = self._setups.current.config, setup.config
        self._use(setup, "the configuration was reloaded")
        _log.info("the configuration was reloaded")
        if (config.source, config.announce, config.store) != (before.source, before.announce, before.store):
            self._polling.want()  # the interval may be shorter, or the news different
        self._sending.want()  # a channel may have been repaired

    # The watchdog and the end

    def _feed_watchdog(self) -> None:
        if self._notify.watchdog is None:
            return
        hanging = [loop.name for loop in self._loops if loop.busy_for() > HANGS_AFTER.total_seconds()]
        if hanging and hanging != self._hanging:
            _log.error("%s has not ended for %s", " and ".join(hanging), render_duration(HANGS_AFTER))
        self._hanging = hanging
        if not hanging and self._sending.unanswered_for() < ANSWERS_WITHIN.total_seconds():
            self._notify.feed_watchdog()

    def _end(self) -> bool:
        self._notify.stopping()
        _log.info("stopping")
        self._web.stop()
        for loop in self._loops:
            loop.stop()
        until = self._clock.elapsed() + self._grace.total_seconds()
        left = [loop.name for loop in self._loops if not loop.join(until - self._clock.elapsed())]
        if self._loading is not None:
            if not wait([self._loading], max(0.0, until - self._clock.elapsed())).done:
                left.append("opening the database")
            elif self._loading.exception() is None:
                self._setups.replace(self._loading.result())
        self._setups.close()
        if left:
            names, grace = " and ".join(left), render_duration(self._grace)
            _log.warning("%s was not done within %s; it is done again next time", names, grace)
            return False
        self._pings.close(2.0)
        return True


def handle_signals(daemon: Daemon) -> None:
    """Let signals stop, reload and poll from now on. A second signal to stop ends the process at once."""

    def stop() -> None:
        if daemon.stopping:
            leave(INTERRUPTED)
        daemon.stop()

    reactions = dict(zip(SIGNALS, (stop, stop, daemon.reload, daemon.poll_now), strict=True))

    def listen() -> None:
        while True:
            reactions[signal.Signals(signal.sigwait(reactions))]()

    # They are blocked here and in every thread that is started later, so only `sigwait` gets them, and none is missed.
    signal.pthread_sigmask(signal.SIG_BLOCK, reactions)
    threading.Thread(target=listen, name="watcher-signals", daemon=True).start()


def leave(code: int) -> NoReturn:
    """End the process now: the interpreter's own end would wait for the threads that send."""
    os._exit(code)
