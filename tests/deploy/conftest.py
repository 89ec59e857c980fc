"""What the tests of the real command have, for what runs it."""

from collections.abc import Iterator

import pytest

from tests.end_to_end.conftest import watcher
from tests.end_to_end.test_check import story
from watcher.simulator import Simulator, story_scenes

__all__ = ["simulator", "watcher"]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(story_scenes(story())) as simulator:
        yield simulator
