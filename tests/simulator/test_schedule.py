"""The price of a time-of-day model is that of the window that is in force."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from watcher.simulator.schedule import in_force

DAY = {"utc_start": 30, "utc_end": 1630, "prompt": "2"}
NIGHT = {"utc_start": 1630, "utc_end": 30, "prompt": "1"}
LONG = {"min_prompt_tokens": 200000, "prompt": "9"}


def at(hour: int, minute: int) -> datetime:
    return datetime(2026, 1, 14, hour, minute, tzinfo=UTC)


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
    "overrides",
    [
        [LONG],
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
