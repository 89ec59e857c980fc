"""The official SDK accepts every answer about the built-in story."""

import pytest

pytest.importorskip("openrouter")

from tests.sdk import call_all
from watcher.simulator import Simulator, built_in, story_by_name, story_scenes


def test_the_sdk_accepts_every_answer_over_the_built_in_story():
    with Simulator(story_scenes(story_by_name("demo"))) as simulator:
        answers = list(call_all(simulator.url))
        assert {name for name, found in answers if found} == {name for name, _ in answers} - {"videos"}
        assert dict(answers)["count"] == len(built_in()) - 1
        assert sum(name == "endpoints" for name, _ in answers) == len(built_in()) - 1
