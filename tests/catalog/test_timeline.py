"""The history of one model as turns: appeared, repriced, changed, gone, back."""

import json
from decimal import Decimal

from tests.catalog.history import DAY, clock, model, moment
from watcher.catalog.model import Facets, FieldChange, PriceChange
from watcher.catalog.reading import normalise
from watcher.catalog.timeline import Happening, Period, price_series, step_lines, timeline


def facets(prompt: str, **fields: object) -> Facets:

    return normalise(json.dumps(model("a/b", prompt=prompt, **fields)).encode(), DAY).model.facets


def period(start: str, end: str | None, prompt: str, **fields: object) -> Period:
    return Period(moment(start), None if end is None else moment(end), facets(prompt, **fields))


APPEARED = Happening(
    moment("00:00"), "appeared", {"prompt": PriceChange(None, "3"), "completion": PriceChange(None, "15")}
)


def test_no_periods_are_no_turns() -> None:
    assert timeline([]) == []


def test_a_model_that_is_there_appeared_with_all_its_prices() -> None:
    assert timeline([period("00:00", None, "3")]) == [APPEARED]


def test_every_price_change_counts_and_so_do_watched_fields() -> None:
    turns = timeline(
        [
            period("00:00", "01:00", "3"),
            period("01:00", "02:00", "3.0001"),
            period("02:00", "03:00", "3.0001", context_length=5, alias_target={"slug": "a/c"}, description="Other."),
            period("03:00", "04:00", "0", context_length=5, alias_target={"slug": "a/c"}, description="Another."),
            period("04:00", None, "0", context_length=5, alias_target={"slug": "a/c"}, description="A third."),
        ]
    )
    assert turns == [
        APPEARED,
        Happening(moment("01:00"), "repriced", {"prompt": PriceChange("3", "3.0001", "+0.00%")}),
        Happening(
            moment("02:00"),
            "changed",
            {},
            {"alias_target": FieldChange(None, "a/c"), "context_length": FieldChange(1000, 5)},
        ),
        Happening(moment("03:00"), "repriced", {"prompt": PriceChange("3.0001", "0")}),
    ]


def test_a_model_that_went_and_came_back_says_what_is_different_then() -> None:
    turns = timeline([period("00:00", "01:00", "3"), period("05:00", "06:00", "4"), period("07:00", None, "4")])
    assert turns == [
        APPEARED,
        Happening(moment("01:00"), "gone", {}),
        Happening(moment("05:00"), "back", {"prompt": PriceChange("3", "4", "+33.33%")}),
        Happening(moment("06:00"), "gone", {}),
        Happening(moment("07:00"), "back", {}),
    ]


def test_a_model_that_is_gone_ends_so() -> None:
    assert timeline([period("00:00", "01:00", "3")]) == [APPEARED, Happening(moment("01:00"), "gone", {})]


def prices(*periods: Period, since: str | None = None, until: str = "12:00") -> list[tuple[str, str | None]]:
    start = None if since is None else moment(since)
    return [(clock(at), value) for at, value in price_series(periods, "prompt", since=start, until=moment(until))]


HISTORY = (
    period("00:00", "01:00", "3"),
    period("01:00", "02:00", "4"),
    period("02:00", "03:00", "4", context_length=5),
    period("05:00", None, "4"),
)


def test_a_series_has_a_point_where_the_price_became_another_one_and_one_at_the_end() -> None:
    assert prices(*HISTORY) == [("00:00", "3"), ("01:00", "4"), ("03:00", None), ("05:00", "4"), ("12:00", "4")]


def test_a_series_ends_with_the_absence_of_a_model_that_is_gone() -> None:
    assert prices(HISTORY[0]) == [("00:00", "3"), ("01:00", None), ("12:00", None)]


def test_a_series_since_some_time_starts_there_with_the_price_it_was() -> None:
    assert prices(*HISTORY, since="00:30") == [("00:30", "3"), *prices(*HISTORY)[1:]]
    assert prices(*HISTORY, since="04:00") == [("04:00", None), ("05:00", "4"), ("12:00", "4")]
    assert prices(*HISTORY, since="06:00") == [("06:00", "4"), ("12:00", "4")]


def test_a_series_since_before_the_model_starts_with_the_model() -> None:
    assert prices(period("01:00", None, "3"), since="00:00") == [("01:00", "3"), ("12:00", "3")]


def test_a_series_of_nothing_is_empty() -> None:
    assert prices() == []


def test_a_series_is_drawn_as_lines_of_corners_that_end_where_there_is_no_number() -> None:
    at = [moment(f"0{hour}:00") for hour in range(6)]
    one, two, four = (Decimal(number) for number in (1, 2, 4))
    found = step_lines([(at[0], "1"), (at[1], "2"), (at[2], None), (at[3], "varies"), (at[4], "4"), (at[5], "4")])
    assert found == [
        [(at[0], one), (at[1], one), (at[1], two), (at[2], two)],
        [(at[4], four), (at[5], four), (at[5], four), (at[5], four)],
    ]
    assert step_lines([]) == [] and step_lines([(at[0], "?"), (at[1], "?")]) == []


def test_a_price_by_time_of_day_has_a_line_for_each_of_its_prices() -> None:
    at = [moment(f"0{hour}:00") for hour in range(3)]
    low, high = step_lines([(at[0], "2"), (at[1], "00:30=1 16:30=4"), (at[2], "00:30=1 16:30=4")])
    assert [price for _, price in low][:4] == [2, 2, 1, 1]
    assert [price for _, price in high][:4] == [2, 2, 4, 4]
