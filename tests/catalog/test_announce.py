"""When a difference becomes news: what settles, what adds up, what is told in parts, and what a rare poll does."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.catalog.history import HOUR, World, clock, many, model, moment
from watcher.catalog.model import FieldChange, PriceChange
from watcher.catalog.policy import Policy
from watcher.catalog.settle import next_due

REST = model("c/d")
MINUTE = timedelta(minutes=1)


# Settling


def test_a_reprice_is_announced_when_it_has_held_still_for_three_hours_with_when_it_was_seen() -> None:
    world = World().poll("00:00", model("a/b", prompt="0.000003")).poll("01:00", model("a/b", prompt="0.0000025"))
    assert world.hold("03:50", every=10 * MINUTE).news == []
    world = world.hold("1 00:00", every=10 * MINUTE)
    (event,) = world.events
    assert (event.kind, event.at, event.since) == ("repriced", moment("04:00"), moment("01:00"))
    assert event.prices == {"prompt": PriceChange("0.000003", "0.0000025", "-16.67%")}
    assert event.direction == "down"
    assert (event.model, event.name) == ("a/b", "Name of a/b")
    assert event.url == "https://openrouter.ai/a/b"
    assert event.offer is not None
    assert event.offer.prices == {"prompt": "0.0000025", "completion": "15"}


def test_three_steps_in_a_row_are_one_event() -> None:
    world = World().poll("00:00", model("a/b", prompt="4"))
    for hour, prompt in ((1, "3"), (3, "2"), (5, "1")):
        world = world.poll(f"0{hour}:00", model("a/b", prompt=prompt)).hold(f"0{hour + 1}:00")
    assert world.hold("1 00:00").news == ["08:00 repriced a/b prompt 4→1"]


def test_a_change_that_is_undone_and_redone_is_one_event_from_when_it_was_redone() -> None:
    cheap, dear = model("a/b", prompt="2"), model("a/b", prompt="3")
    world = World().poll("00:00", dear).poll("01:00", cheap).poll("02:00", dear).poll("03:00", cheap)
    world = world.hold("1 00:00")
    assert world.news == ["06:00 repriced a/b prompt 3→2"]
    assert world.events[0].since == moment("03:00")


def test_an_event_about_two_prices_is_since_both_were_so() -> None:
    world = World().poll("00:00", model("a/b")).poll("01:00", model("a/b", prompt="2"))
    world = world.poll("02:30", model("a/b", prompt="2", completion="10")).poll(
        "05:30", model("a/b", prompt="2", completion="10")
    )
    assert world.news == ["05:30 repriced a/b completion 15→10 prompt 3→2"]
    assert world.events[0].since == moment("02:30")


def test_other_fields_settle_too_and_are_announced_together() -> None:
    world = World().poll("00:00", model("a/b", context_length=1000, top_provider={"is_moderated": False}))
    world = world.poll("01:00", model("a/b", context_length=2000, top_provider={"is_moderated": True})).hold("1 00:00")
    (event,) = world.events
    assert (event.kind, event.at) == ("changed", moment("04:00"))
    assert event.fields == {
        "context_length": FieldChange(1000, 2000),
        "top_provider.is_moderated": FieldChange(False, True),
    }


@pytest.mark.parametrize("field", ["reasoning", "per_request_limits"])
def test_groups_of_fields_are_watched(field: str) -> None:
    world = World().poll("00:00", model("a/b")).poll("01:00", model("a/b", **{field: {"x": 1}})).hold("1 00:00")
    assert world.news == [f"04:00 changed a/b {field}.x None→1"]


@pytest.mark.parametrize(
    ("policy", "hour"),
    [(Policy(settle=timedelta()), 1), (Policy(settle=HOUR), 2), (Policy(settle=12 * HOUR), 13)],
)
def test_the_settling_time_is_a_setting(policy: Policy, hour: int) -> None:
    world = World(policy).poll("00:00", model("a/b", prompt="3")).poll("01:00", model("a/b", prompt="2"))
    assert world.hold("1 00:00").news == [f"{hour:02}:00 repriced a/b prompt 3→2"]


def test_every_kind_has_a_settling_time() -> None:
    later = Policy(settle_new=2 * HOUR, settle_returned=2 * HOUR, settle_expiring=2 * HOUR, settle_retargeted=2 * HOUR)
    world = World(later).poll("00:00", model("a/b", canonical_slug="a/1"), REST)
    moved = model("a/b", canonical_slug="a/2", expiration_date="2026-09-01")
    world = world.poll("01:00", moved, REST, model("new/one")).hold("05:00")
    world = world.poll("06:00", moved, model("new/one")).hold("08:00").poll("09:00", moved, model("new/one"), REST)
    assert world.hold("1 00:00").news == [
        "03:00 expiring a/b expiration_date None→2026-09-01",
        "03:00 retargeted a/b canonical_slug a/1→a/2",
        "03:00 new new/one",
        "07:00 expired c/d",
        "11:00 returned c/d",
    ]


def test_a_model_that_goes_before_its_arrival_settled_was_never_news() -> None:
    later = Policy(settle_new=2 * HOUR)
    world = World(later).poll("00:00", REST).poll("01:00", REST, model("a/b")).poll("02:00", REST).hold("12:00")
    assert world.news == []
    changed = world.poll("13:00", REST, model("a/b")).poll("14:00", REST, model("a/b", prompt="9")).hold("1 00:00")
    assert changed.news == ["15:00 new a/b"]
    assert changed.events[0].prices == {}


# Material


def test_a_move_of_less_than_one_percent_is_no_news_and_drift_adds_up() -> None:
    world = World().poll("00:00", model("a/b", prompt="1000"))
    for day in range(1, 8):
        world = world.poll(f"{day} 00:00", model("a/b", prompt=str(1000 + 4 * day))).hold(f"{day} 23:00")
    assert world.news == ["3 03:00 repriced a/b prompt 1000→1012", "6 03:00 repriced a/b prompt 1012→1024"]


def test_a_glitch_that_makes_a_settled_drift_material_is_no_news() -> None:
    world = World().poll("00:00", model("a/b", prompt="1000")).poll("01:00", model("a/b", prompt="1006")).hold("12:00")
    world = world.poll("13:00", model("a/b", prompt="1012")).poll("14:00", model("a/b", prompt="1006")).hold("1 00:00")
    assert world.news == []
    assert due(world) is None


def test_a_drift_and_a_step_together_are_measured_against_what_was_announced() -> None:
    world = (
        World().poll("00:00", model("a/b", prompt="1000")).poll("01:00", model("a/b", prompt="1009")).hold("1 00:00")
    )
    world = world.poll("1 01:00", model("a/b", prompt="1020")).hold("2 00:00")
    assert world.news == ["1 04:00 repriced a/b prompt 1000→1020"]


def test_an_immaterial_move_does_not_start_the_clock_anew() -> None:
    world = World().poll("00:00", model("a/b", prompt="1000")).poll("01:00", model("a/b", prompt="2000"))
    world = world.poll("02:00", model("a/b", prompt="2001")).poll("03:00", model("a/b", prompt="2002")).hold("1 00:00")
    assert world.news == ["04:00 repriced a/b prompt 1000→2002"]


def test_every_price_drifts_on_its_own_account() -> None:
    world = World().poll("00:00", model("a/b", prompt="1000", completion="1000"))
    world = world.poll("01:00", model("a/b", prompt="1005", completion="2000")).hold("1 00:00")
    world = world.poll("1 01:00", model("a/b", prompt="1011", completion="2000")).hold("2 00:00")
    assert world.news == ["04:00 repriced a/b completion 1000→2000", "1 04:00 repriced a/b prompt 1000→1011"]


def test_min_change_is_a_setting() -> None:
    policy = Policy(min_change=Decimal("0.5"))
    world = World(policy).poll("00:00", model("a/b", prompt="3")).poll("01:00", model("a/b", prompt="4")).hold("12:00")
    assert world.news == []
    assert world.poll("13:00", model("a/b", prompt="9")).hold("1 00:00").news == ["16:00 repriced a/b prompt 3→9"]


def test_a_price_up_and_one_down_are_mixed() -> None:
    world = World().poll("00:00", model("a/b")).poll("01:00", model("a/b", prompt="4", completion="10")).hold("06:00")
    assert world.events[0].direction == "mixed"


def test_only_the_headline_prices_are_announced_and_others_when_asked_for() -> None:
    def cached(read: str, write: str) -> dict[str, object]:
        return model("a/b", pricing={"input_cache_read": read, "input_cache_write": write})

    def told(*prices: str) -> list[str]:
        world = World(Policy(prices=prices)).poll("00:00", cached("1", "1"))
        return world.poll("01:00", cached("2", "2")).hold("06:00").news

    assert told("prompt", "completion") == []
    assert told("input_cache_read") == ["04:00 repriced a/b input_cache_read 1→2"]
    assert told("*") == ["04:00 repriced a/b input_cache_read 1→2 input_cache_write 1→2"]


# In parts


def test_each_facet_is_announced_when_it_has_settled_and_moves_nothing_else() -> None:
    world = World().poll("00:00", model("a/b", prompt="3", completion="15", context_length=1000))
    world = world.poll("01:00", model("a/b", prompt="2", completion="15", context_length=1000))
    world = world.poll("02:00", model("a/b", prompt="2", completion="10", context_length=1000))
    world = world.poll("03:00", model("a/b", prompt="2", completion="10", context_length=2000)).hold("1 00:00")
    assert world.news == [
        "04:00 repriced a/b prompt 3→2",
        "05:00 repriced a/b completion 15→10",
        "06:00 changed a/b context_length 1000→2000",
    ]


def test_a_flapping_price_does_not_hold_the_other_back() -> None:
    world = World().poll("00:00", model("a/b", prompt="3", completion="15"))
    for hour in range(1, 10):
        world = world.poll(f"0{hour}:00", model("a/b", prompt="2", completion="10" if hour % 2 else "12"))
    assert world.news == ["04:00 repriced a/b prompt 3→2"]


def test_free_in_parts_is_marked_when_both_prices_are() -> None:
    world = World().poll("00:00", model("a/b")).poll("01:00", model("a/b", prompt="0"))
    world = world.poll("02:00", model("a/b", prompt="0", completion="0")).hold("1 00:00")
    assert world.news == ["04:00 repriced a/b prompt 3→0", "05:00 repriced a/b completion 15→0 became_free"]


def test_a_pending_difference_survives_an_absence_and_is_announced_with_the_return() -> None:
    world = World().poll("00:00", model("a/b"), REST).poll("01:00", model("a/b", prompt="2"), REST)
    world = world.poll("02:00", REST).hold("12:00").poll("13:00", model("a/b", prompt="2"), REST).hold("1 00:00")
    assert world.news == ["03:00 expired a/b", "13:00 returned a/b prompt 3→2"]


def test_events_of_one_poll_come_most_important_first() -> None:
    before = [model("z/gone"), model("m/date"), model("m/slug", canonical_slug="x"), model("m/other"), REST]
    after = [model("b/new"), model("a/new"), model("m/date", expiration_date="2026-09-09")]
    world = World().poll("00:00", *before)
    after.append(model("m/other", context_length=5, prompt="9"))
    world = world.poll("13:00", *after, model("m/slug", canonical_slug="y"), REST)
    assert [(event.kind, event.model) for event in world.events] == [
        ("expired", "z/gone"),
        ("expiring", "m/date"),
        ("repriced", "m/other"),
        ("retargeted", "m/slug"),
        ("new", "a/new"),
        ("new", "b/new"),
        ("changed", "m/other"),
    ]
    assert len({event.id for event in world.events}) == 7


# Presence


def test_a_new_model_is_announced_at_once() -> None:
    world = World().poll("00:00", REST).poll("01:00", REST, model("a/b", expiration_date="2026-03-12")).hold("1 00:00")
    assert world.news == ["01:00 new a/b"]
    assert world.events[0].days_left == 10


@pytest.mark.parametrize(("confirm", "hour"), [(1, 1), (2, 2), (4, 4)])
def test_a_model_is_expired_when_enough_good_polls_in_a_row_miss_it(confirm: int, hour: int) -> None:
    world = World(Policy(confirm_expired=confirm)).poll("00:00", model("a/b"), REST).poll("01:00", REST)
    world = world.hold("1 00:00")
    assert world.news == [f"{hour:02}:00 expired a/b"]
    assert world.events[0].since == moment("01:00")


def test_polls_that_are_not_good_do_not_count() -> None:
    world = World().poll("00:00", model("a/b"), REST).poll("01:00", REST).poll("02:00").fail("03:00")
    assert world.news == ["02:00 catalog_suspect *"]
    assert world.poll("04:00", REST).news[1:] == ["04:00 expired a/b"]


def test_a_missing_model_remembers_when_it_was_last_seen() -> None:
    world = World().poll("00:00", model("a/b"), REST).poll("01:00", model("a/b"), REST).poll("02:00", REST)
    assert world.states["a/b"].last_seen == moment("01:00")
    assert world.poll("03:00", model("a/b"), REST).states["a/b"].last_seen is None


# Rare polls are never late


@pytest.mark.parametrize(("gap", "told"), [("03:01", False), ("12:00", False), ("12:01", True), ("5 00:00", True)])
def test_a_difference_is_announced_at_once_when_the_last_good_poll_is_longer_ago_than_twelve_hours(
    gap: str, told: bool
) -> None:
    world = World().poll("00:00", model("a/b", prompt="3")).poll(gap, model("a/b", prompt="2", context_length=5))
    assert [event.kind for event in world.events] == (["repriced", "changed"] if told else [])


@pytest.mark.parametrize(("gap", "told"), [("06:01", False), ("12:00", False), ("12:01", True), ("5 00:00", True)])
def test_one_poll_is_enough_for_expired_when_the_last_good_one_is_over_twelve_hours_ago(gap: str, told: bool) -> None:
    world = World().poll("00:00", model("a/b"), REST).poll(gap, REST)
    assert world.news == ([f"{gap} expired a/b"] if told else [])


def test_failed_polls_make_a_poll_rare() -> None:
    world = World().poll("00:00", model("a/b"), REST)
    for hour in range(1, 13):
        world = world.fail(f"{hour:02}:00")
    assert world.poll("13:00", REST).news == [
        "03:00 source_failing *",
        "13:00 expired a/b",
        "13:00 source_recovered *",
    ]


# Baselines


def test_the_first_poll_is_how_things_are() -> None:
    world = World().poll("00:00", model("a/b", expiration_date="2026-03-12"), *many(30)).hold("1 00:00")
    assert world.news == []
    assert all(state.announced for state in world.states.values())


def test_a_reminder_that_is_due_at_the_baseline_is_done_with_and_the_next_is_announced() -> None:
    world = World().poll("00:00", model("a/b", expiration_date="2026-03-12")).hold("12 00:00")
    assert [(clock(event.at), event.days_left) for event in world.events] == [("7 00:00", 3), ("9 00:00", 1)]


def test_a_changed_query_is_a_new_baseline() -> None:
    world = World().poll("00:00", model("a/b"), *many(30)).poll("01:00", model("a/b", prompt="2"), REST, baseline=True)
    world = world.hold("1 00:00")
    assert world.news == []
    assert not world.states["many/m0"].announced
    assert world.poll("1 01:00", model("a/b", prompt="3"), REST).hold("2 00:00").news == [
        "1 04:00 repriced a/b prompt 2→3"
    ]


def test_what_waited_to_settle_goes_on_waiting_through_a_new_baseline() -> None:
    world = World().poll("00:00", model("a/b")).poll("01:00", model("a/b", prompt="2"))
    world = world.poll("02:00", model("a/b", prompt="2", context_length=9), baseline=True).hold("1 00:00")
    assert world.news == ["04:00 repriced a/b prompt 3→2"]


# A changed policy does not flood


def drifted(policy: Policy) -> World:
    before = [model(f"m/{number}", prompt="1000", pricing={"request": "1"}) for number in range(30)]
    after = [model(f"m/{number}", prompt="1005", pricing={"request": "2"}) for number in range(30)]
    return World(policy).poll("00:00", *before).poll("01:00", *after).hold("12:00")


def test_a_lower_threshold_announces_the_present_drift_in_one_poll() -> None:
    world = drifted(Policy()).under(Policy(min_change=Decimal("0.001"))).hold("1 00:00")
    assert {clock(event.at) for event in world.events} == {"13:00"}
    assert len(world.events) == 30


def test_price_keys_that_are_asked_for_later_start_from_how_they_are_then() -> None:
    world = drifted(Policy()).under(Policy(prices=("*",))).hold("1 00:00")
    assert world.news == []
    dearer = [model(f"m/{number}", prompt="1005", pricing={"request": "3"}) for number in range(30)]
    assert {line.partition("m/")[0] for line in world.poll("1 01:00", *dearer).hold("2 00:00").news} == {
        "1 04:00 repriced "
    }


def test_a_shorter_settling_time_announces_what_waits_in_one_poll() -> None:
    world = World(Policy(settle=timedelta(days=3))).poll("00:00", model("a/b", prompt="3"))
    world = world.poll("01:00", model("a/b", prompt="2")).hold("1 00:00").under(Policy()).hold("5 00:00")
    assert world.news == ["1 01:00 repriced a/b prompt 3→2"]


def test_more_reminders_are_one_event_for_those_that_are_past() -> None:
    world = World().poll("00:00", model("a/b", expiration_date="2026-03-22")).hold("10 00:00")
    world = world.under(Policy(remind_days=(14, 13, 12, 11, 3))).hold("12 00:00")
    assert [(clock(event.at), event.days_left) for event in world.events] == [("6 00:00", 14), ("10 01:00", 10)]


# What comes by itself


def due(world: World) -> str | None:
    found = next_due(world.states, world.now, world.policy)
    return None if found is None else clock(found)


def test_nothing_comes_by_itself_when_all_is_announced() -> None:
    assert due(World().poll("00:00", model("a/b"), REST)) is None


def test_a_difference_comes_when_it_settles() -> None:
    world = World().poll("00:00", model("a/b", context_length=1)).poll("01:00", model("a/b", context_length=2))
    assert due(world) == "04:00"
    assert due(world.hold("04:00")) is None


def test_a_drift_that_is_not_material_does_not_come_by_itself() -> None:
    world = World().poll("00:00", model("a/b", prompt="1000")).poll("01:00", model("a/b", prompt="1001"))
    assert due(world) == "04:00"
    world = world.hold("04:00")
    assert world.states["a/b"].pending
    assert due(world) is None


def test_every_poll_counts_while_a_model_is_missing_until_it_is_announced() -> None:
    world = World().poll("00:00", model("a/b"), REST).poll("01:00", REST)
    assert due(world) == "01:00"
    assert due(world.poll("02:00", REST)) is None


def test_arrivals_come_when_they_settle() -> None:
    later = Policy(settle_new=2 * HOUR, settle_returned=4 * HOUR, settle_retargeted=HOUR, settle_expiring=HOUR / 2)
    world = World(later).poll("00:00", model("a/b"), REST).poll("01:00", model("a/b")).poll("02:00", model("a/b"))
    assert due(world.poll("03:00", model("a/b"), model("new/one"))) == "05:00"
    assert due(world.poll("03:00", model("a/b"), REST)) == "07:00"
    slugs = World(later).poll("00:00", model("a/b", canonical_slug="x")).poll("01:00", model("a/b", canonical_slug="y"))
    assert due(slugs) == "02:00"
    assert due(slugs.poll("01:15", model("a/b", canonical_slug="x", expiration_date="2026-12-12"))) == "01:45"


def test_reminders_come_at_midnight() -> None:
    world = World().poll("09:00", model("a/b", expiration_date="2026-03-22"))
    assert due(world) == "6 00:00"
    assert due(world.poll("6 09:00", model("a/b", expiration_date="2026-03-22"))) == "17 00:00"
    assert due(world.poll("7 09:00", model("a/b", expiration_date="2026-03-22"))) == "17 00:00"
    assert due(world.poll("20 09:00", model("a/b", expiration_date="2026-03-22"))) is None


def test_what_the_baseline_has_but_nobody_understands_is_not_new_when_it_can_be_read() -> None:
    bare = {"id": "a/b", "context_length": 1000}
    world = World().poll("00:00", REST, bare).poll("01:00", REST, bare)
    world = world.poll("02:00", REST, model("a/b")).hold("12:00")
    assert world.news == []
    assert world.states["a/b"].present
    world = world.poll("13:00", REST, model("a/b", prompt="9")).hold("18:00")
    assert world.news == ["16:00 repriced a/b prompt 3→9"]


def test_a_baseline_in_which_nothing_is_understood_makes_no_news_of_all_of_it_later() -> None:
    documents = [{"id": f"a/{number}", "context_length": 1000} for number in range(10)]
    world = World().poll("00:00", *documents).poll("01:00", *(model(f"a/{number}") for number in range(10)))
    assert world.hold("12:00").news == ["00:00 catalog_suspect *"]
