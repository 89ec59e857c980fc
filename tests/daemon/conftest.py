"""A world for each test of the daemon."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.world import World


@pytest.fixture
def world(
    tmp_path: Path, database: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    monkeypatch.setattr(logging.getLogger("watcher"), "propagate", True)
    caplog.set_level(logging.DEBUG, "watcher")
    world = World(tmp_path, database)
    yield world
    world.close()
