"""A thread that works whenever something is due."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from logging import getLogger
from typing import ClassVar

from watcher.daemon.clock import Clock
from watcher.daemon.setup import Setup, Setups
from watcher.daemon.systemd import Notify
from watcher.errors import StoreTooNewError, WatcherError, machine_error

_log = getLogger("watcher")


class Loop(ABC):
    """A thread that does one piece of work at a time, when it is due or asked for. Late work is done once.

    Only the loop's own thread writes `_due`. Other threads raise flags, which it lowers. `fail` is called when a newer
    version has migrated the database, which ends the loop.
    """

    name: ClassVar[str]
    """What it does, as in "polling has not ended"."""

    def __init__(self, setups: Setups, clock: Clock, notify: Notify, fail: Callable[[StoreTooNewError], None]) -> None:
        self._setups = setups
        self._clock = clock
        self._notify = notify
        self._fail = fail
        self._due = clock.elapsed()
        self._wanted = self._stopping = False
        self._busy_since: float | None = None
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watcher-{self.name}", daemon=True)

    @abstractmethod
    def work(self, setup: Setup, *, wanted: bool) -> None:
        """Do what is due and set `_due` to the next time; `wanted`: it was asked for."""

    @abstractmethod
    def note_failure(self, error: str) -> None:
        """Report that the work failed."""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def want(self) -> None:
        """Ask for work as soon as possible. Requests while it works become one piece of work after it."""
        self._wanted = True
        self._woken.set()

    def stop(self) -> None:
        """End after the work in hand."""
        self._stopping = True
        self._woken.set()

    def join(self, seconds: float) -> bool:
        """Wait for the end, but no longer than this, and return whether it came."""
        if self._thread.ident is not None:
            self._thread.join(max(0.0, seconds))
        return not self._thread.is_alive()

    def busy_for(self) -> float:
        """Return the age of the work in hand in seconds, without those that the machine slept."""
        since = self._busy_since
        return 0.0 if since is None else self._clock.awake() - since

    def _run(self) -> None:
        while True:
            self._woken.clear()  # before the flags are read: a flag that is raised later sets it again
            if self._stopping:
                return
            wanted, wait = self._wanted, self._due - self._clock.elapsed()
            if not wanted and wait > 0:
                self._clock.wait(self._woken, wait)
                continue
            if wanted:
                self._wanted = False
            self._busy_since = self._clock.awake()
            try:
                with self._setups.use() as setup:
                    self.work(setup, wanted=wanted)
            except StoreTooNewError as error:
                self._fail(error)
                return
            except WatcherError as error:
                self.note_failure(str(error))
            except Exception as error:
                if machine := machine_error(error):
                    self.note_failure(str(machine))
                else:
                    _log.exception("this is a bug in openrouter-watcher")
            finally:
                self._busy_since = None
