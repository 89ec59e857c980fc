"""The watcher's command by a clock that is wrong: a script to run in its place, not a module.

python at_time.py SECONDS ARGUMENTS…: so many are added to the time.
"""

import sys
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

sys.path[0] = str(Path(__file__).parent.parent.parent)

from watcher.cli import check, main  # noqa: E402

OFF = timedelta(seconds=float(sys.argv[1]))


class Wrong(datetime):
    """What `check` takes the time from."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + OFF


check.datetime = Wrong  # type: ignore[attr-defined]
main(sys.argv[2:])
