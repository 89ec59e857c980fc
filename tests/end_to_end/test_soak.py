"""Days of the daemon in a minute or two: it holds no more at the end than at first, and tells all of it once."""

from itertools import islice
from pathlib import Path

import pytest

from testkit.soak import Expected, Story, soak


@pytest.mark.slow
@pytest.mark.parametrize("seed", [7])
def test_days_of_news_and_faults_leave_nothing_behind_and_lose_nothing(seed: int, tmp_path: Path) -> None:
    outcome = soak(tmp_path, 1_500, seed)
    assert outcome.mistakes == []
    assert outcome.growth < 5e6
    assert outcome.most_files <= 2
    assert max(reading.threads for reading in outcome.readings) <= 3
    assert outcome.polls.keys() == {"good", "failed", "refused"}
    assert outcome.events > 100
    assert outcome.refused > 20


def test_a_story_is_the_same_each_time_and_expects_something_of_each_kind() -> None:
    stories = [Story(3_000, 1) for _ in range(2)]
    scenes = [list(islice(story, 3_001)) for story in stories]
    assert scenes[0] == scenes[1]
    one, other = stories
    assert one.expected == other.expected
    assert {what.kind for what in one.expected} == {"new", "expired", "returned", "repriced", "changed"}
    assert all(isinstance(what, Expected) for what in one.expected)
