"""What keeps the process of `watcher run` small."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from testkit.command import Watcher
from watcher import memory

ROOT = Path(__file__).parent.parent.parent


def run(code: str, folder: Path) -> str:
    """Run a program of its own, and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


def test_another_process_makes_the_database_so_that_alembic_does_not_stay_in_this_one(watcher: Watcher) -> None:
    printed = run(
        """
import sys
from pathlib import Path
from watcher.cli.run import _prepare_apart
from watcher.config.settings import Config, SourceSettings, StoreSettings
from watcher.config.secret import DatabaseURL
from watcher.store.store import Store
config = Config(None, SourceSettings(), StoreSettings(DatabaseURL("sqlite:///w.db")))
_prepare_apart(config)
assert Path("w.db").exists()
with Store(config.store.url.reveal()).reading() as session:
    print(session.state.last_poll(), [name for name in sys.modules if name.startswith("alembic")])
""",
        watcher.folder,
    )
    assert printed == "None []\n"


def test_a_database_that_cannot_be_made_is_told_of_by_this_process(watcher: Watcher) -> None:
    (watcher.folder / "w.db").mkdir()
    watcher.configure('[store]\nurl = "sqlite:///w.db"\n')
    ran = watcher.run("run")
    assert (ran.code, ran.err.count("is a folder")) == (74, 1)


def test_without_the_c_librarys_help_memory_is_collected_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_libc", None)
    collected: list[Any] = []
    monkeypatch.setattr(memory.gc, "collect", lambda: collected.append("collected"))
    monkeypatch.setattr(memory.gc, "freeze", lambda: collected.append("frozen"))
    memory.settle_in()
    memory.give_back()
    assert collected == ["collected", "frozen", "collected"]
