"""A scan of `[mine] paths` beside a poll: in a thread of its own, because a folder of the network can hang for ever."""

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from logging import getLogger
from pathlib import Path

READING = 30.0
"""Seconds in which a scan reads files; it leaves out the rest."""
PATIENCE = 10.0
"""Seconds that a poll waits for its end."""

_Found = tuple[frozenset[str], Sequence[str]]
"""Ids of models, and why the scan did not look at everything."""

_log = getLogger("watcher")


class PathScanner:
    """Scans beside polls. A scan that hangs is left behind, and no other one is started on the same paths."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._until = 0.0
        self._paths: Sequence[Path] = ()
        self._scan: Future[_Found] = Future()

    def start(self, paths: Sequence[Path], models: Mapping[str, str | None]) -> None:
        """Begin a scan, unless the last one on these paths still runs. `models` is as for a `Dictionary`."""
        if paths == self._paths and not self._scan.done():
            return
        self._paths, self._scan = paths, Future()
        self._until = time.monotonic() + self._patience
        threading.Thread(target=_scan, args=(self._scan, paths, models), name="scan", daemon=True).start()

    def found(self, before: frozenset[str]) -> frozenset[str]:
        """Return the ids in the paths; and those found `before`, unless the scan looked at everything."""
        ids, problems = self._wait()
        return ids | before if problems else ids

    def problem(self) -> str | None:
        """Return why the scan did not look at everything; None: it did."""
        _, problems = self._wait()
        more = f", and {len(problems) - 1} more like that" if problems[1:] else ""
        return f"[mine] paths: {problems[0]}{more}" if problems else None

    def _wait(self) -> _Found:
        try:
            return self._scan.result(max(0.0, self._until - time.monotonic()))
        except TimeoutError:
            return frozenset(), (f"the scan has not ended after {self._patience:g} s",)


def _scan(done: "Future[_Found]", paths: Sequence[Path], models: Mapping[str, str | None]) -> None:
    from watcher.mine.ids import Dictionary
    from watcher.mine.scan import scan

    try:
        scanned = scan(paths, Dictionary(models), seconds=READING)
        done.set_result((frozenset(hit.id for hit in scanned.hits if hit.id in models), scanned.problems))
    except Exception as error:  # the poll must not fail with it
        _log.exception("this is a bug in openrouter-watcher")
        done.set_result((frozenset(), (f"a bug ended the scan: {type(error).__name__}",)))
