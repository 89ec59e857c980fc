"""The judgement on recorded captures, against figures worked out from the raw JSON alone."""

from datetime import timedelta
from pathlib import Path

import pytest

from testkit import lasting
from testkit.archive import model_archives
from testkit.judgement import Judged, differences_by_cadence, judge

ARCHIVES = model_archives()

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ARCHIVES, reason="no recorded captures: set WATCHER_DATA to their folder"),
]
ONE_WORKER_EACH = [pytest.param(path, marks=pytest.mark.xdist_group(path.name), id=path.name) for path in ARCHIVES]
"""Judging an archive takes seconds: one worker does it for all its tests."""


@pytest.fixture(scope="module", params=ONE_WORKER_EACH)
def archive(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture(scope="module")
def judged(archive: Path) -> Judged:
    return judge(archive)


def test_nearly_all_reprices_are_of_states_that_hold(judged: Judged) -> None:
    half_day, day = judged.held_12_hours, judged.held_24_hours
    assert half_day.repriced > 50
    assert half_day.lasted >= (0.98 if judged.is_hourly else 0.975), half_day.not_lasting
    assert day.lasted >= 0.9, day.not_lasting


def test_every_price_that_holds_three_days_and_differs_by_a_tenth_is_announced(judged: Judged) -> None:
    assert judged.held_72_hours.changes > 20
    assert judged.held_72_hours.missed == []


def test_of_hourly_captures_every_price_that_holds_half_a_day_is_announced(judged: Judged) -> None:
    if judged.is_hourly:
        assert judged.held_12_hours.changes > 50
        assert judged.held_12_hours.missed == []


def test_nothing_is_announced_twice(judged: Judged) -> None:
    assert judged.held_12_hours.twice == []


def test_prices_are_announced_soon(judged: Judged) -> None:
    assert judged.median_delay < timedelta(hours=9)


def test_no_model_is_repriced_again_and_again(judged: Judged) -> None:
    model, times = judged.most_repriced("model")
    assert times <= 12, model


def test_tiers_that_many_models_begin_to_state_at_once_are_no_reprices(judged: Judged) -> None:
    assert lasting.measure_rollouts(judged.captures, judged.said) == []


def test_absences_of_two_captures_are_announced_and_those_of_one_are_not(judged: Judged) -> None:
    assert lasting.measure_presence(judged.captures, judged.said) == []


def test_an_hourly_archive_makes_few_events(judged: Judged) -> None:
    if judged.is_hourly:
        assert judged.default_events <= 111
        assert len(judged.events) < 250


def test_every_recorded_capture_is_believed(judged: Judged) -> None:
    assert judged.outcomes.keys() == {"good"}


def test_polling_more_often_does_not_change_what_is_announced(archive: Path, judged: Judged) -> None:
    if judged.is_hourly:
        assert differences_by_cadence(archive) == []
