"""Run the real command, in this process or in a new one, with its own configuration."""

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from watcher.cli import main

ROOT = Path(__file__).parent.parent
SECONDS = 150
"""How long a test waits for something. The daemon looks for due work at least once a minute."""

TOGETHER = ("setpriv", "--pdeathsig", "KILL", "--") if shutil.which("setpriv") else ()
"""Words before a command that make it die with this process, even if this process is killed."""


class CommandResult(NamedTuple):
    """Exit code and output of one run of the command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def clean_environment() -> dict[str, str]:
    """Return this environment without the variables that configure a watcher, with this checkout on the path."""
    ours = ("WATCHER_", "OPENROUTER_", "XDG_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**clean, "PYTHONPATH": str(ROOT)}


def run_here(folder: Path, *arguments: str, env: Mapping[str, str]) -> CommandResult:
    """Run the command in this process. A new process takes most of a second to start."""
    out, err = (TextIOWrapper(BytesIO(), "utf-8", write_through=True) for _ in range(2))
    code: Any = None
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with chdir(folder), patch.dict(os.environ, env, clear=True), redirect_stdout(out), redirect_stderr(err):
        try:
            main(list(arguments))
        except SystemExit as end:
            code = end.code
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    assert isinstance(code, int), "it did not exit"
    return CommandResult(code, *(stream.buffer.getvalue().decode() for stream in (out, err)))  # type: ignore[attr-defined]


@dataclass
class Watcher:
    """A folder with a configuration and a database, where the command runs."""

    folder: Path

    def configure(self, text: str) -> None:
        (self.folder / "config.toml").write_text(text)

    def run_here(self, *arguments: str) -> CommandResult:
        return run_here(self.folder, *arguments, env=clean_environment())

    def run(self, *arguments: str, env: Mapping[str, str] | None = None) -> CommandResult:
        """Run the command in a new process."""
        done = subprocess.run(
            [*TOGETHER, sys.executable, "-m", "watcher", *arguments],
            cwd=self.folder,
            env={**clean_environment(), **(env or {})},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return CommandResult(done.returncode, done.stdout, done.stderr)


class Command(Watcher):
    """The command in this process, with the environment of the test."""

    def run(self, *arguments: str) -> CommandResult:  # type: ignore[override]
        return run_here(self.folder, *arguments, env=os.environ)


@contextmanager
def starting(watcher: Watcher) -> Iterator[Callable[..., "Running"]]:
    """Yield what starts `watcher --verbose OPTIONS…` as processes; they are gone at the end."""
    running: list[Running] = []

    def start(*options: str, env: dict[str, str] | None = None) -> Running:
        running.append(Running(watcher, "--verbose", *options, env=env))
        return running[-1]

    yield start
    for one in running:
        if one.process.poll() is None:
            one.process.kill()
        one.process.communicate()


class Running:
    """A running `watcher run` and its lines on stderr. `before` is a command that starts it."""

    def __init__(
        self, watcher: Watcher, *options: str, env: dict[str, str] | None = None, before: Sequence[str] = ()
    ) -> None:
        self.folder = watcher.folder
        self.process = subprocess.Popen(
            [*TOGETHER, *before, sys.executable, "-m", "watcher", *options],
            cwd=watcher.folder,
            env={**clean_environment(), **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stderr is not None
        self.stderr = self.process.stderr
        self.unread = b""
        self.lines: list[str] = []
        self.wrapped = bool(before)

    def says(self, pattern: str) -> str:
        """Wait for a line on stderr that matches the pattern, and return it."""
        end = time.monotonic() + SECONDS
        while True:
            while b"\n" in self.unread:
                line, _, self.unread = self.unread.partition(b"\n")
                self.lines.append(line.decode())
                if re.search(pattern, self.lines[-1]):
                    return self.lines[-1]
            ready, _, _ = select.select([self.stderr], [], [], max(0.0, end - time.monotonic()))
            piece = os.read(self.stderr.fileno(), 65536) if ready else b""
            assert piece, f"it never said {pattern!r}, but: {self.lines}"
            self.unread += piece

    def gets(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    @property
    def pid(self) -> int:
        """The id of the watcher's process, not of a command that started it."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        found = children.read_text().split() if self.wrapped else []
        return int(found[0]) if found else self.process.pid

    def polls(self) -> None:
        """Make it poll, and wait for the end of the poll."""
        self.gets(signal.SIGUSR1)
        self.says("polled: ")

    def ends(self) -> int:
        """Wait for its end, read the rest of its output and return its exit code."""
        _, rest = self.process.communicate(timeout=SECONDS)
        self.lines += (self.unread + rest).decode().splitlines()
        return self.process.returncode

    def stops(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.gets(number)
        return self.ends()
