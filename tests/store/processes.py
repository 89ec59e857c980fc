"""Other processes that use a database: unprivileged ones, ones that start at the same moment, ones that are killed."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from testkit.command import TOGETHER

WRITE = """
import json, sys
from datetime import UTC, datetime
from watcher.errors import WatcherError
from watcher.store.store import Store
from watcher.store.records import Poll
try:
    with Store.open(sys.argv[1], busy_seconds=0.1) as store, store.writing() as session:
        session.state.add_poll(Poll(datetime(2026, 2, 1, tzinfo=UTC), "good", 1))
except WatcherError as error:
    print(json.dumps([type(error).__name__, error.exit_code, str(error)]))
else:
    print(json.dumps(["written"]))
"""
"""Adds a poll to the database of the URL that is its argument, and prints what came of it."""

_WITHOUT_ROOTS_PRIVILEGE = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
"""File modes mean nothing to root; they do to root without these two capabilities."""


def run(script: str, *arguments: str) -> Any:
    """Run a script as a process and return the JSON that it printed."""
    return _result([sys.executable, "-c", script, *arguments])


def run_unprivileged(script: str, *arguments: str) -> Any:
    """Do as `run` in a process for which the modes of files count."""
    if os.geteuid() != 0:
        return run(script, *arguments)
    if not _works([*_WITHOUT_ROOTS_PRIVILEGE, "true"]):
        pytest.skip("root cannot give up its privilege over file modes here")
    return _result([*_WITHOUT_ROOTS_PRIVILEGE, sys.executable, "-c", script, *arguments])


def run_on_small_disk(script: str, folder: str, size: str) -> Any:
    """Do as `run` with the folder on a file system of that size, which only this process sees."""
    mounted = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size="$1" small "$2" && shift 2 && exec "$@"', "sh"]
    if not _works([*mounted, size, folder, "true"]):
        pytest.skip("no small file system can be mounted here")
    return _result([*mounted, size, folder, sys.executable, "-c", script, folder])


def run_together(script: str, *arguments: str, times: int = 2) -> list[Any]:
    """Start a script several times and let all go on at one moment: each prints a line and then waits for one."""
    started = [start(script, *arguments) for _ in range(times)]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    results = [process.communicate(timeout=60) for process in started]
    assert [process.returncode for process in started] == [0] * times, results
    return [json.loads(out) for out, _ in results]


def start(script: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a script with pipes for its input and output."""
    return subprocess.Popen(
        [*TOGETHER, sys.executable, "-c", script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _works(command: Sequence[str]) -> bool:
    return (
        shutil.which(command[0]) is not None
        and subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0
    )


def _result(command: Sequence[str]) -> Any:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
