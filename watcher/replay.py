"""Deciding about recorded snapshots, each at its own time: what would have been announced, and when."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from watcher.catalog.decision import Decision, Fetched, Known
from watcher.catalog.reading import UnreadableError, read
from watcher.config.settings import Config
from watcher.decide import after, decide

if TYPE_CHECKING:
    from watcher.upstream.archive.members import Capture


class Replay:
    """Decides about one capture after the other, with a memory in place of a store."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.known = Known()

    def run(self, captures: Iterable["Capture"]) -> Iterator[tuple[datetime, Decision]]:
        """Yield the time of each capture and its decision; the first that is believed is the baseline."""
        for capture in captures:
            try:
                fetched = Fetched(read([capture.body]))
            except UnreadableError as error:
                fetched = Fetched(error=str(error))
            yield capture.at, self.decide(capture.at, fetched)

    def decide(self, at: datetime, fetched: Fetched) -> Decision:
        """Return the decision about one answer, and remember it."""
        decision = decide(self.known, fetched, self.config, at)
        self.known = after(self.known, decision, at)
        return decision
