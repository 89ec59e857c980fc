"""The real command as a process, with a configuration of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.receivers import MailServer, Sink


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


@pytest.fixture
def watcher(tmp_path: Path) -> Watcher:
    return Watcher(tmp_path)


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    yield sink
    sink.close()


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    server = MailServer()
    yield server
    server.close()
