"""The real command as a process, with a configuration of its own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

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


@dataclass
class Watcher:
    """A folder with a configuration and a database, and the command to run there."""

    folder: Path

    def configure(self, text: str) -> None:
        (self.folder / "config.toml").write_text(text)

    def run(self, *arguments: str, env: dict[str, str] | None = None) -> Ran:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("WATCHER_", "OPENROUTER_", "XDG_"))}
        done = subprocess.run(
            [sys.executable, "-m", "watcher", *arguments],
            cwd=self.folder,
            env={**clean, "PYTHONPATH": str(Path(__file__).parent.parent.parent), **(env or {})},
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
