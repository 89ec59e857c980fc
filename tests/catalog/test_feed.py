"""The RSS feed as the second source: it can say that a model is new, and never that one is gone."""

from tests.catalog.history import World, model
from watcher.catalog.feed import FeedModel, unknown_to

KNOWN = model("a/b", canonical_slug="a/b-2026")


def test_a_model_that_only_the_feed_knows_is_new_and_not_yet_listed() -> None:
    world = World().poll("00:00", KNOWN).feed("01:00", "a/b", "x/new")
    assert world.news == ["01:00 new x/new unlisted"]
    assert world.events[0].name == "Name of x/new"


def test_it_is_told_once() -> None:
    world = World().poll("00:00", KNOWN).feed("01:00", "x/new").resumed().feed("02:00", "x/new").hold("1 00:00")
    assert len(world.events) == 1


def test_when_the_list_has_it_later_that_is_no_news() -> None:
    world = World().poll("00:00", KNOWN).feed("01:00", "x/new").poll("02:00", KNOWN, model("x/new", prompt="9"))
    assert world.hold("1 00:00").news == ["01:00 new x/new unlisted"]
    assert world.tracks["x/new"].listed


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


def test_a_canonical_slug_in_the_feed_is_a_known_model() -> None:
    assert World().poll("00:00", KNOWN).feed("01:00", "a/b-2026", slugs=True).events == ()


def test_an_id_that_is_spelled_as_the_canonical_slug_of_another_is_new() -> None:
    assert World().poll("00:00", KNOWN).feed("01:00", "a/b-2026").news == ["01:00 new a/b-2026 unlisted"]


def test_the_first_feed_is_how_things_are() -> None:
    world = World().poll("00:00", KNOWN).feed("01:00", "x/new", baseline=True).feed("02:00", "x/new", "x/newer")
    assert world.news == ["02:00 new x/newer unlisted"]
    assert world.poll("03:00", KNOWN, model("x/new"), model("x/newer")).news == world.news


def test_a_model_that_only_the_feed_knows_is_not_missing_for_the_guard() -> None:
    strangers = [f"x/{number}" for number in range(50)]
    world = World().poll("00:00", KNOWN).feed("01:00", *strangers, baseline=True).poll("02:00", KNOWN)
    assert world.last.outcome == "good"


def test_unknown_is_what_is_neither_an_id_nor_a_canonical_slug() -> None:
    tracks = World().poll("00:00", KNOWN, model("c/d")).tracks
    feed = [FeedModel(model_id, "x", may_be_slug=True) for model_id in ("a/b", "a/b-2026", "c/d", "c/d-2026")]
    assert [entry.id for entry in unknown_to(tracks, feed)] == ["c/d-2026"]


def test_a_model_that_the_feed_named_by_its_slug_is_not_new_again_when_the_list_has_it() -> None:
    world = World().poll("00:00", KNOWN).feed("01:00", "x/new-2026")
    world = world.poll("02:00", KNOWN, model("x/new", canonical_slug="x/new-2026")).hold("1 00:00")
    assert world.news == ["01:00 new x/new-2026 unlisted"]
