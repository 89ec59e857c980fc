"""A scan of `[mine] paths` beside a poll: in a thread of its own, because a folder of the network can hang for ever."""

import threading
import time
from collections.abc import Sequence
from logging import getLogger
from pathlib import Path

from watcher.catalog.state import ModelStates

READING = 30.0
"""Seconds in which a scan reads files; it leaves out the rest."""
PATIENCE = 10.0
"""Seconds that a poll waits for its end."""

_log = getLogger("watcher")


class PathScanner:
    """Scans beside polls. A scan that hangs is left behind, and no other one is started on the same paths."""

    def __init__(self, reading: float = READING, patience: float = PATIENCE) -> None:
        self._reading = reading
        self._patience = patience
        self._until = 0.0
        self._paths: Sequence[Path] = ()
        self._thread: threading.Thread | None = None
        self._found: tuple[frozenset[str], Sequence[str]] | None = None

    def start(self, paths: Sequence[Path], states: ModelStates) -> None:
        """Begin a scan for these models, unless the last one on these paths still runs."""
        if paths == self._paths and self._thread is not None and self._thread.is_alive():
            return
        self._paths, self._found = paths, None
        self._until = time.monotonic() + self._patience
        self._thread = threading.Thread(target=self._scan, args=(paths, states), name="scan", daemon=True)
        self._thread.start()

    def found(self, before: frozenset[str]) -> frozenset[str]:
        """Return the ids in the paths; and those found `before`, unless the scan looked at everything."""
        ids, problems = self._wait() or (before, ())
        return ids | before if problems else ids

    def problem(self) -> str | None:
        """Return why the scan did not look at everything; None: it did."""
        late = f"the scan has not ended after {self._patience:g} s"
        _, problems = self._wait() or ((), (late,))
        more = f", and {len(problems) - 1} more like that" if problems[1:] else ""
        return f"[mine] paths: {problems[0]}{more}" if problems else None

    def _wait(self) -> tuple[frozenset[str], Sequence[str]] | None:
        assert self._thread is not None
        self._thread.join(max(0.0, self._until - time.monotonic()))
        return self._found

    def _scan(self, paths: Sequence[Path], states: ModelStates) -> None:
        from watcher.mine.scan import dictionary_of, scan

        found: tuple[frozenset[str], Sequence[str]]
        try:
            scanned = scan(paths, dictionary_of(states), seconds=self._reading)
            found = frozenset(hit.id for hit in scanned.hits if hit.id in states), scanned.problems
        except Exception as error:  # the poll must not fail with it
            _log.exception("this is a bug in openrouter-watcher")
            found = frozenset(), (f"a bug ended the scan: {type(error).__name__}",)
        if paths == self._paths:
            self._found = found
