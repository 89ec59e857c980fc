"""The command in this process, and as one of its own."""

import os
from pathlib import Path

import pytest

from testkit.command import Command, Watcher


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("WATCHER_", "OPENROUTER_", "XDG_"))]:
        monkeypatch.delenv(name)
    return Command(tmp_path)


@pytest.fixture
def watcher(tmp_path: Path) -> Watcher:
    return Watcher(tmp_path)
