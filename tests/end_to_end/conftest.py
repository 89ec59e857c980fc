"""The real command, in this process or as one of its own, with a configuration of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest

from watcher.cli import main


@dataclass
class Ran:
    """What a run of the command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def clean_environment() -> dict[str, str]:
    """Return this process's environment without what configures a watcher."""
    ours = ("WATCHER_", "OPENROUTER_", "XDG_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def run_here(folder: Path, *arguments: str, env: Mapping[str, str]) -> Ran:
    """Run the command in this process: a new one takes most of a second to start."""
    out, err = StringIO(), StringIO()
    with chdir(folder), patch.dict(os.environ, env, clear=True), redirect_stdout(out), redirect_stderr(err):
        try:
            main(list(arguments))
        except SystemExit as end:
            return Ran(int(end.code or 0), out.getvalue(), err.getvalue())
    raise AssertionError("the command did not exit")


@dataclass
class Watcher:
    """A folder with a configuration and a database, and the command to run there."""

    folder: Path

    def configure(self, text: str) -> None:
        (self.folder / "config.toml").write_text(text)

    def run_here(self, *arguments: str) -> Ran:
        return run_here(self.folder, *arguments, env=clean_environment())

    def run(self, *arguments: str, env: dict[str, str] | None = None) -> Ran:
        """Run the command as a process."""
        done = subprocess.run(
            [sys.executable, "-m", "watcher", *arguments],
            cwd=self.folder,
            env={**clean_environment(), "PYTHONPATH": str(Path(__file__).parent.parent.parent), **(env or {})},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)


class Said(NamedTuple):
    """What a command in this process came to."""

    code: int
    out: str
    err: str


@dataclass
class Command:
    """The same in this process, which is faster."""

    folder: Path
    capture: pytest.CaptureFixture[str]

    def configure(self, text: str) -> None:
        (self.folder / "config.toml").write_text(text)

    def run(self, *arguments: str) -> Said:
        self.capture.readouterr()
        try:
            main(list(arguments))
        except SystemExit as end:
            return Said(int(end.code or 0), *self.capture.readouterr())
        raise AssertionError("the command did not exit")


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("WATCHER_", "OPENROUTER_", "XDG_"))]:
        monkeypatch.delenv(name)
    return Command(tmp_path, capsys)


@pytest.fixture
def watcher(tmp_path: Path) -> Watcher:
    return Watcher(tmp_path)
