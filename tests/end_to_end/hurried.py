"""`watcher run` in a hurry: a script to run in place of the command.

python hurried.py FACTOR START ARGUMENTS…: since START (seconds of the real clock) time has passed so many times faster.
Only what waits for other machines keeps its own pace, and a database that is shared gets impatient.
"""

import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

sys.path[0] = str(Path(__file__).parent.parent.parent)

from watcher.cli import main  # noqa: E402
from watcher.daemon import clock  # noqa: E402
from watcher.store import turn  # noqa: E402

FACTOR, START = float(sys.argv[1]), float(sys.argv[2])


class HurriedClock(clock.Clock):
    """What `run` takes the time from."""

    def now(self) -> datetime:
        return datetime.fromtimestamp(START + (time.time() - START) * FACTOR, UTC)

    def elapsed(self) -> float:
        return time.monotonic() * FACTOR

    def wait(self, event: threading.Event, seconds: float) -> None:
        super().wait(event, seconds / FACTOR)


clock.Clock = HurriedClock  # type: ignore[misc]
turn.BEAT, turn.SILENCE = 0.2, 1
main(sys.argv[3:])
