"""Announcing one price moves no other announced price, a tier's least of all."""

from tests.catalog.history import DAY
from watcher.catalog.diff import Pending, announce_facets, announced_facets

BASE, TIER = "pricing.prompt", "pricing.prompt@200000+"


def test_a_tier_that_waits_beside_a_price_that_is_announced_goes_on_waiting() -> None:
    pending = {BASE: Pending("1", DAY, "3"), TIER: Pending("2", DAY, "4")}
    shown = {BASE: "3", TIER: "4"}
    left = announce_facets(pending, shown, [BASE])
    assert left == {TIER: pending[TIER]}
    assert announced_facets(shown, left) == {BASE: "3", TIER: "2"}
