"""The `watcher` command, and `python -m watcher`."""

import os
import signal
import sys
from collections.abc import Sequence

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
"""What `watcher run` reacts to."""


def main() -> None:
    """Run the command line and exit."""
    try:
        _main()
    except (MemoryError, SystemError):  # where another is told of, or at its first import
        os.write(2, b"watcher: The machine has no memory left for this.\n")
        os._exit(71)  # what the interpreter does at its end needs memory, too


def _main() -> None:
    if _verb(sys.argv[1:]) == "run":
        # Hold them back until something reacts to them: what is imported until then takes a tenth of a second and more.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    from watcher import cli

    cli.main()


def _verb(arguments: Sequence[str]) -> str | None:
    words = iter(arguments)
    for word in words:
        if word == "--config":
            next(words, None)
        elif not word.startswith("-"):
            return word
    return None


if __name__ == "__main__":
    main()
