"""The price of a model that is priced by time or weekday is the one that holds now."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from watcher.api.schedule import in_force

DAY = {"utc_start": 30, "utc_end": 1630, "prompt": "2"}
NIGHT = {"utc_start": 1630, "utc_end": 30, "prompt": "1"}
LONG = {"min_prompt_tokens": 200000, "prompt": "9"}


WEEKEND = {"utc_days": ["saturday", "sunday"], "prompt": "3"}
PEAK = {"utc_days": ["monday", "tuesday", "wednesday", "thursday", "friday"], "utc_start": 100, "utc_end": 400}


def at(hour: int, minute: int, day: int = 14) -> datetime:
    """That time of a day in January 2026; the 14th is a Wednesday."""
    return datetime(2026, 1, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "price"),
    [
        (at(0, 29), "1"),
        (at(0, 30), "2"),
        (at(16, 29), "2"),
        (at(16, 30), "1"),
        (at(23, 59), "1"),
        (at(0, 0), "1"),
        (at(16, 30).astimezone(timezone(timedelta(hours=9))), "1"),
    ],
)
def test_the_window_that_holds_now_gives_the_price(now, price):
    pricing = {"prompt": "5", "completion": "7", "overrides": [DAY, NIGHT]}
    assert in_force(pricing, now) == {**pricing, "prompt": price}


@pytest.mark.parametrize(
    ("entry", "now", "holds"),
    [
        (WEEKEND, at(23, 59, day=16), False),
        (WEEKEND, at(0, 0, day=17), True),
        (WEEKEND, at(23, 59, day=18), True),
        (WEEKEND, at(0, 0, day=19), False),
        (WEEKEND, at(8, 59, day=17).astimezone(timezone(timedelta(hours=-9))), True),  # still Friday there
        (PEAK, at(0, 59), False),
        (PEAK, at(1, 0), True),
        (PEAK, at(3, 59), True),
        (PEAK, at(4, 0), False),
        (PEAK, at(2, 0, day=17), False),
        ({**NIGHT, "utc_days": ["wednesday"]}, at(0, 29), True),
        ({**NIGHT, "utc_days": ["wednesday"]}, at(12, 0), False),
        ({**NIGHT, "utc_days": ["wednesday"]}, at(16, 30), True),
        ({**NIGHT, "utc_days": ["wednesday"]}, at(0, 29, day=15), False),
        ({**WEEKEND, "utc_days": []}, at(12, 0, day=17), False),
    ],
)
def test_weekdays_narrow_a_price_to_those_utc_days(entry, now, holds):
    pricing = {"prompt": "5", "overrides": [{**entry, "prompt": "4"}]}
    assert in_force(pricing, now)["prompt"] == ("4" if holds else "5")


@pytest.mark.parametrize(
    "overrides",
    [
        [LONG],
        [{"prompt": "4"}],
        [{"utc_start": 0, "prompt": "4"}],
        [{"utc_days": ["wednesday"], "utc_end": 2400, "prompt": "4"}],
        [{"utc_days": ["wednesday"], "min_prompt_tokens": 1, "prompt": "4"}],
        [{"utc_days": "wednesday", "prompt": "4"}],
        [{"utc_days": ["Wednesday"], "prompt": "4"}],
        [{"utc_days": ["wednesday", "holiday"], "prompt": "4"}],
        [{"utc_days": ["wednesday", ["thursday"]], "prompt": "4"}],
        [{"utc_days": None, "prompt": "4"}],
        [{**DAY, "weekday": 3}],
        [{**DAY, "min_prompt_tokens": 1}],
        [{**DAY, "utc_start": 2561}],
        [{**DAY, "utc_end": "1630"}],
        [{**DAY, "utc_end": -1}],
        [None, 3, []],
        "free after midnight",
        None,
    ],
)
def test_what_is_no_schedule_leaves_the_base_price(overrides):
    pricing = {"prompt": "5", "overrides": overrides}
    assert in_force(pricing, at(12, 0)) is pricing


def test_a_later_entry_wins_for_the_keys_it_gives():
    pricing = {"prompt": "5", "overrides": [{**DAY, "image": "3"}, {**DAY, "prompt": "4"}]}
    assert in_force(pricing, at(12, 0)) == {**pricing, "prompt": "4", "image": "3"}


def test_a_window_may_be_the_whole_day():
    pricing = {"prompt": "5", "overrides": [{"utc_start": 0, "utc_end": 2400, "prompt": "4"}]}
    assert in_force(pricing, at(23, 59))["prompt"] == "4"
