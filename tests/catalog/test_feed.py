"""The RSS feed as the second source: it can say that a model is new, and never that one is gone."""

import pytest

from tests.catalog.history import World, model

KNOWN = model("a/b", canonical_slug="a/b-2026")


def test_a_model_that_only_the_feed_knows_is_new_and_not_yet_listed() -> None:
    world = World().poll("00:00", KNOWN).feed("01:00", "a/b", "x/new")
    assert world.news == ["01:00 new x/new unlisted"]
    assert world.events[0].name == "Name of x/new"


def test_it_is_announced_once() -> None:
    world = World().poll("00:00", KNOWN).feed("01:00", "x/new").resumed().feed("02:00", "x/new").hold("1 00:00")
    assert len(world.events) == 1


def test_when_the_list_has_it_later_that_is_no_news() -> None:
    world = World().poll("00:00", KNOWN).feed("01:00", "x/new").poll("02:00", KNOWN, model("x/new", prompt="9"))
    assert world.hold("1 00:00").news == ["01:00 new x/new unlisted"]
    assert world.states["x/new"].listed


def test_once_listed_it_is_watched_as_any_other() -> None:
    world = World().poll("00:00", KNOWN).feed("01:00", "x/new").poll("02:00", KNOWN, model("x/new"))
    world = world.poll("03:00", KNOWN, model("x/new", prompt="9")).hold("08:00")
    world = world.poll("09:00", KNOWN).poll("10:00", KNOWN).poll("11:00", KNOWN, model("x/new", prompt="9"))
    assert world.news == [
        "01:00 new x/new unlisted",
        "06:00 repriced x/new prompt 3→9",
        "10:00 expired x/new",
        "11:00 returned x/new",
    ]


def test_listed_with_a_near_expiration_date_it_has_its_reminder() -> None:
    world = World().poll("00:00", KNOWN).feed("01:00", "x/new")
    world = world.poll("02:00", KNOWN, model("x/new", expiration_date="2026-03-05")).hold("06:00")
    assert world.news[1:] == ["02:00 expiring x/new expiration_date 2026-03-05→2026-03-05"]


def test_the_feed_never_expires_anything() -> None:
    world = World().poll("00:00", KNOWN).feed("01:00", "x/new").feed("02:00").hold("1 00:00").poll("3 00:00", KNOWN)
    assert world.news == ["01:00 new x/new unlisted"]


def test_a_listed_model_that_is_missing_is_not_kept_by_the_feed() -> None:
    rest = model("c/d")
    world = World().poll("00:00", KNOWN, rest).poll("01:00", rest).feed("01:00", "a/b").poll("02:00", rest)
    assert world.feed("02:00", "a/b").news == ["02:00 expired a/b"]


@pytest.mark.parametrize(
    "item",
    ["a/b", "a/b a/b-2026", "a/b a/b-2025", "x/other a/b-2026", "a/b-2026", "x/other a/b", "c/d", "c/d c/d-2026"],
)
def test_an_item_is_known_if_the_list_has_its_id_its_slug_or_a_variant_of_its_id(item: str) -> None:
    world = World().poll("00:00", KNOWN, model("c/d:free")).feed("01:00", item)
    assert world.news == []
    assert len(world.states) == 2


@pytest.mark.parametrize("item", ["a/b", "x/other a/b-2026", "c/d"])
def test_and_if_the_list_had_it(item: str) -> None:
    rest = model("e/f")
    world = World().poll("00:00", KNOWN, model("c/d:free"), rest).poll("01:00", rest).poll("02:00", rest)
    assert world.feed("02:00", item).news == ["02:00 expired a/b", "02:00 expired c/d:free"]


@pytest.mark.parametrize("item", ["a/bc", "a/b-2027", "c/d-2 c/d-2-2026", "c/d:batch"])
def test_what_only_looks_like_a_known_model_is_new(item: str) -> None:
    world = World().poll("00:00", KNOWN, model("c/d:free")).feed("01:00", item)
    assert world.news == [f"01:00 new {item.partition(' ')[0]} unlisted"]


@pytest.mark.parametrize("items", [("x/new", "x/new"), ("x/new x/s", "x/new x/s"), ("x/new x/s", "x/renamed x/s")])
def test_several_items_of_one_model_are_announced_once(items: tuple[str, str]) -> None:
    world = World().poll("00:00", KNOWN).feed("01:00", *items).feed("02:00", *items).resumed().feed("03:00", *items)
    assert world.news == ["01:00 new x/new unlisted"]


def test_an_older_item_is_no_news_where_the_newer_one_of_the_same_id_is_known() -> None:
    items = ["x/other x/other-2025", "x/other a/b-2026"]
    assert World().poll("00:00", KNOWN).feed("01:00", *items).news == []
    assert World().poll("00:00", KNOWN).feed("01:00", *reversed(items)).news == []


def test_the_first_feed_is_how_things_are() -> None:
    world = World().poll("00:00", KNOWN).feed("01:00", "x/old", baseline=True).feed("02:00", "x/old", "x/newer")
    assert world.news == ["02:00 new x/newer unlisted"]


@pytest.mark.parametrize("listed", ["x/old", "x/old:free", "x/renamed"])
def test_what_only_the_first_feed_had_is_new_when_the_list_has_it(listed: str) -> None:
    world = World().poll("00:00", KNOWN).feed("01:00", "x/old x/old-2024", baseline=True).resumed()
    world = world.poll("02:00", KNOWN, model(listed, canonical_slug="x/old-2024")).hold("1 00:00")
    assert world.news == [f"02:00 new {listed}"]


@pytest.mark.parametrize(
    "listed",
    [
        model("x/new"),
        model("x/new", canonical_slug="x/another"),
        model("x/new:free"),
        model("x/renamed", canonical_slug="x/new-2026"),
        model("x/new-2026"),
        model("x/renamed", canonical_slug="x/new"),
    ],
    ids=["the id", "the id with another slug", "a variant", "the slug", "the slug as an id", "the id as a slug"],
)
def test_what_was_announced_is_not_announced_again_when_the_list_has_it(listed: dict[str, object]) -> None:
    world = World().poll("00:00", KNOWN).feed("01:00", "x/new x/new-2026").resumed()
    world = world.poll("02:00", KNOWN, listed).feed("02:00", "x/new x/new-2026").hold("1 00:00")
    assert world.news == ["01:00 new x/new unlisted"]
    assert world.states[str(listed["id"])].listed


def test_the_paid_model_is_new_when_a_variant_stood_for_what_was_announced() -> None:
    free, paid = model("x/new:free", canonical_slug="x/new-2026"), model("x/new", canonical_slug="x/new-2026")
    world = World().poll("00:00", KNOWN).feed("01:00", "x/new x/new-2026").poll("02:00", KNOWN, free).resumed()
    world = world.feed("02:00", "x/new x/new-2026").poll("03:00", KNOWN, free, paid).feed("03:00", "x/new x/new-2026")
    assert world.hold("1 00:00").news == ["01:00 new x/new unlisted", "03:00 new x/new"]


def test_it_is_so_after_a_changed_query_too() -> None:
    free, paid = model("x/new:free"), model("x/new")
    world = World().poll("00:00", KNOWN).feed("01:00", "x/new").poll("02:00", KNOWN, free, baseline=True)
    assert world.poll("03:00", KNOWN, free, paid).news == ["01:00 new x/new unlisted", "03:00 new x/new"]


@pytest.mark.parametrize("order", [1, -1])
def test_one_item_stands_for_one_listed_model_and_for_its_own_id_first(order: int) -> None:
    listed = [model(model_id, canonical_slug="x/s") for model_id in ("x/new", "x/new:free", "x/new:batch")]
    world = World().poll("00:00", KNOWN).feed("01:00", "x/new x/s").poll("02:00", KNOWN, *listed[::order])
    assert world.news[1:] == ["02:00 new x/new:batch", "02:00 new x/new:free"]
    world = World().poll("00:00", KNOWN).feed("01:00", "x/new x/s").poll("02:00", KNOWN, *listed[1:][::order])
    assert len(world.news) == 2


def test_a_variant_in_the_list_and_its_base_id_in_the_feed_are_one_new_model() -> None:
    free = model("nova/spark-1:free", canonical_slug="nova/spark-1")
    world = World().poll("00:00", KNOWN).feed("00:00", "a/b", baseline=True)
    world = world.poll("01:00", KNOWN, free).feed("01:00", "nova/spark-1", "a/b").hold("1 00:00")
    assert world.news == ["01:00 new nova/spark-1:free"]
    world = world.poll("1 01:00", KNOWN, free, model("nova/spark-1", canonical_slug="nova/spark-1"))
    assert world.news[1:] == ["1 01:00 new nova/spark-1"]


def test_a_model_that_only_the_feed_knows_is_not_missing_for_the_guard() -> None:
    strangers = [f"x/{number}" for number in range(50)]
    world = World().poll("00:00", KNOWN).feed("01:00", *strangers, baseline=True).poll("02:00", KNOWN)
    assert world.last.outcome == "good"


@pytest.mark.parametrize("listed", ["x/new", "x/new:free"])
def test_what_was_announced_is_not_announced_again_when_the_list_has_it_and_it_cannot_be_read(listed: str) -> None:
    world = World().poll("00:00", KNOWN).feed("01:00", "x/new").poll("02:00", KNOWN, model(listed) | {"pricing": 7})
    assert world.poll("03:00", KNOWN, model(listed)).hold("1 00:00").news == ["01:00 new x/new unlisted"]
