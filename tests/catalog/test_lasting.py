"""The measure of what should have been announced, on histories small enough to see through."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

import pytest

from testkit.lasting import (
    Absence,
    Announcement,
    Capture,
    Prices,
    absences,
    cadence,
    capture,
    measure_presence,
    measure_prices,
    measure_rollouts,
    states,
)
from tests.catalog.history import DAY, HOUR, body, model


def hourly(*prompts: str | None) -> list[Capture]:
    """Captures of one model an hour apart (None: it is missing), beside one that is always there."""
    return [capture(at(hour), _body(prompt)) for hour, prompt in enumerate(prompts)]


def _body(prompt: str | None) -> bytes:
    return body(model("always/there"), *([] if prompt is None else [model("a/b", prompt=prompt)]))


def at(hour: int) -> datetime:
    return DAY + hour * HOUR


def said(hour: int, prompt: str, kind: str = "repriced") -> Announcement:
    return Announcement(at(hour), kind, "a/b", {"prompt": Decimal(prompt)})


def changes(*prompts: str | None) -> int:
    return measure_prices(hourly(*prompts), []).changes


def test_a_capture_has_the_prices_without_the_rounding_of_doubles() -> None:
    shot = capture(DAY, body(model("a/b", prompt="8.333333333333334e-8", completion="-1")))
    assert shot == Capture(DAY, {"a/b": (Decimal("8.33333333333333e-8"), Decimal(-1))})


@pytest.mark.parametrize(
    ("prompts", "lasting"),
    [
        (["3"] * 30, 0),
        (["3"] * 5 + ["2"] * 13, 1),
        (["3"] * 5 + ["2"] * 12 + ["3"] * 20, 0),  # 11 hours from the first to the last capture
        (["3"] * 5 + ["2"] * 12, 0),  # not decided
        (["3"] * 5 + ["2"] * 13 + ["3"] * 13, 2),
        (["3"] * 5 + ["2", "4", "2", "4"] + ["3"] * 13, 0),
        (["3"] + ["2"] * 13, 1),  # the first shown is where it starts, however short
        (["100"] * 13 + ["100.5"] * 13 + ["101"] * 13, 1),
        (["100"] * 13 + ["100.9"] * 13, 0),
        (["0.001"] * 13 + ["0"] * 13 + ["-1"] * 13, 2),
        (["3"] * 5 + ["2"] * 5 + [None] * 3 + ["2"] * 5, 1),
        ([None] * 5 + ["3"] * 2 + ["2"] * 13, 1),
    ],
)
def test_a_lasting_change_is_a_state_of_twelve_hours_that_is_not_the_lasting_one_before(
    prompts: list[str | None], lasting: int
) -> None:
    assert changes(*prompts) == lasting


def test_a_state_begins_with_a_material_move_and_is_undecided_while_the_archive_is_too_short() -> None:
    _, runs = states(hourly(*["3"] * 13, "2", "2.001", "5"))
    assert [(state.price[0], state.first, state.last, state.lasts(12 * HOUR)) for state in runs] == [
        (Decimal(3), at(0), at(12), True),
        (Decimal(2), at(13), at(14), False),
        (Decimal(5), at(15), at(15), None),
    ]


HISTORY = hourly(*["3"] * 5, *["2"] * 20, *["4"] * 3, *["2"] * 3)


def test_what_is_said_of_a_state_that_lasts_lasted_and_is_announced() -> None:
    figures = measure_prices(HISTORY, [said(8, "2")])
    assert (figures.repriced, figures.lasted, figures.changes, figures.announced) == (1, 1.0, 1, 1.0)
    assert figures.delays == [3 * HOUR]


def test_it_can_be_asked_to_last_longer() -> None:
    assert measure_prices(HISTORY, [said(8, "2")], lasts=19 * HOUR).lasted == 1.0
    assert measure_prices(HISTORY, [said(8, "2")], lasts=20 * HOUR).lasted == 0.0
    assert measure_prices(HISTORY, [], lasts=20 * HOUR).changes == 0


def test_it_can_be_asked_to_differ_more() -> None:
    history = hourly(*["100"] * 13, *["108"] * 13, *["115"] * 13)
    assert measure_prices(history, [], share=Decimal("0.1")).changes == 1
    assert measure_prices(history, [], share=Decimal("0.16")).changes == 0


def test_what_is_said_of_a_state_that_does_not_last_or_was_not_shown_did_not_last() -> None:
    figures = measure_prices(HISTORY, [said(8, "2"), said(9, "7"), said(26, "4")])
    assert (figures.repriced, len(figures.not_lasting)) == (3, 2)
    assert figures.lasted == pytest.approx(1 / 3)


def test_what_is_said_of_an_undecided_state_counts_neither_way() -> None:
    assert measure_prices(HISTORY, [said(30, "2")]).repriced == 0


def test_a_lasting_change_that_is_not_known_when_it_ends_is_missed_and_nothing_said_is_no_mistake() -> None:
    figures = measure_prices(HISTORY, [said(25, "2")])
    assert (len(figures.missed), figures.announced) == (1, 0.0)
    assert len(measure_prices(HISTORY, [said(8, "2"), said(9, "7")]).missed) == 1
    assert measure_prices(HISTORY, []).lasted == 1.0
    assert measure_prices(hourly("3"), []).announced == 1.0


def test_a_price_that_is_known_since_an_earlier_state_needs_no_second_event() -> None:
    history = hourly(*["3"] * 13, *["2"] * 5, *["5"] * 2, *["2"] * 13)
    assert measure_prices(history, [said(16, "2")]).missed == []


def test_a_return_can_announce_a_change_and_is_no_reprice() -> None:
    figures = measure_prices(HISTORY, [said(8, "2", "returned")])
    assert (figures.repriced, figures.announced) == (0, 1.0)


def test_a_reprice_that_says_what_is_known_is_named() -> None:
    assert len(measure_prices(HISTORY, [said(8, "2"), said(9, "2")]).twice) == 1
    assert len(measure_prices(HISTORY, [said(3, "3")]).twice) == 1
    assert measure_prices(HISTORY, [said(8, "2"), said(26, "4"), said(29, "2")]).twice == []


def test_a_pair_may_be_said_in_two_parts_and_is_missed_with_one_of_them() -> None:
    def both(prompt: str, completion: str) -> Mapping[str, Prices]:
        return {"a/b": (Decimal(prompt), Decimal(completion))}

    history = [Capture(at(hour), both("3", "15") if hour < 5 else both("2", "10")) for hour in range(30)]
    parts = [said(8, "2"), Announcement(at(9), "repriced", "a/b", {"completion": Decimal(10)})]
    figures = measure_prices(history, parts)
    assert (figures.changes, figures.missed, figures.twice, figures.not_lasting) == (1, [], [], [])
    assert len(measure_prices(history, parts[:1]).missed) == 1


def test_the_cadence_is_the_usual_gap() -> None:
    assert cadence([Capture(at(hour), {}) for hour in (0, 1, 2, 3, 9)]) == HOUR


TIERS = {"overrides": [{"min_prompt_tokens": 200000, "prompt": "6"}]}


@pytest.mark.parametrize(
    ("begin", "of", "named"),
    [(20, 200, True), (19, 100, False), (20, 201, False)],
)
def test_a_rollout_is_when_many_models_begin_to_state_prices_under_conditions(begin: int, of: int, named: bool) -> None:
    plain = [model(f"m/{number}") for number in range(of)]
    after = [model(f"m/{number}", pricing=TIERS if number < begin else None) for number in range(of)]
    history = [capture(at(hour), body(*documents)) for hour, documents in enumerate([plain, after, after])]
    assert bool(measure_rollouts(history, [Announcement(at(2), "repriced", "m/0")])) is named


def test_of_a_rollout_only_reprices_of_what_it_began_to_state_are_mistakes() -> None:
    plain = [model(f"m/{number}") for number in range(30)]
    after = [model(f"m/{number}", pricing=TIERS) for number in range(25)] + plain[25:]
    history = [capture(at(hour), body(*documents)) for hour, documents in enumerate([plain, after, plain, after])]
    fine = [
        Announcement(at(1), "repriced", "m/0", {"prompt": Decimal(2)}),
        Announcement(at(1), "changed", "m/1"),
        Announcement(at(1), "repriced", "m/29"),
        Announcement(at(26), "repriced", "m/2"),
    ]
    assert measure_rollouts(history, fine) == []
    assert measure_rollouts(history, [Announcement(at(25), "repriced", "m/3")]) == [f"{at(25)} m/3"]


def test_absences_are_runs_of_captures_after_the_first_that_had_the_model() -> None:
    assert absences(hourly(None, "3", None, "3", None, None)) == [
        Absence("a/b", 1, at(2), at(1), at(3)),
        Absence("a/b", 2, at(4), at(3), None),
    ]


def test_presence_is_new_once_expired_and_returned_for_two_captures_and_nothing_for_one() -> None:
    history = hourly(None, "3", None, "3", None, None, "3")
    right = [Announcement(at(hour), kind, "a/b") for hour, kind in ((1, "new"), (5, "expired"), (6, "returned"))]
    assert measure_presence(history, right) == []
    assert measure_presence(history, right[1:]) == ["new a/b: 0, should be 1"]
    assert measure_presence(history, [*right, right[1]]) == ["expired a/b: 2, should be 1"]


def test_an_absence_of_one_capture_must_be_announced_after_more_than_six_hours_without_one() -> None:
    there, away = {"a/b": (Decimal(3),) * 2}, {}
    for gap, wanted in ((6, []), (7, ["expired a/b: 0, should be 1", "returned a/b: 0, should be 1"])):
        history = [Capture(at(0), there), Capture(at(gap), away), Capture(at(gap + 1), there)]
        assert measure_presence(history, []) == wanted
