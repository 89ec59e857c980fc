"""`watcher run` in a hurry: a script to run in place of the command.

python hurried.py FACTOR START ARGUMENTS…: since START (seconds of the real clock) time has passed so many times faster.
Only what waits for other machines keeps its own pace, and a database that is shared gets impatient.
"""

import sys
import time
from datetime import UTC, datetime, tzinfo
from pathlib import Path

sys.path[0] = str(Path(__file__).parent.parent.parent)

from watcher.cli import main, run  # noqa: E402
from watcher.daemon import wake  # noqa: E402
from watcher.store import turn  # noqa: E402

FACTOR, START = float(sys.argv[1]), float(sys.argv[2])

wait = wake.Wake.wait


class Hurried(datetime):
    """What `run` takes the time from."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.fromtimestamp(START + (time.time() - START) * FACTOR, tz or UTC)


run.datetime = Hurried  # type: ignore[attr-defined]
wake.seconds_awake_or_not = lambda: time.monotonic() * FACTOR  # type: ignore[assignment]
wake.Wake.wait = lambda self, seconds: wait(self, seconds / FACTOR)  # type: ignore[method-assign]
turn.BEAT, turn.SILENCE = 0.2, 1
main(sys.argv[3:])
