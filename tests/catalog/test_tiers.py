"""Announcing one price moves no other announced price, a tier's least of all."""

from tests.catalog.history import DAY
from watcher.catalog.diff import Pending
from watcher.catalog.model import Model
from watcher.catalog.state import ModelState

BASE, TIER = "pricing.prompt", "pricing.prompt@200000+"


def test_a_tier_that_waits_beside_a_price_that_is_announced_goes_on_waiting() -> None:
    pending = {BASE: Pending("1", DAY, "3"), TIER: Pending("2", DAY, "4")}
    shown = {BASE: "3", TIER: "4"}
    left = ModelState(Model("a/b", shown), DAY, pending=pending).announce([BASE])
    assert left.pending == {TIER: pending[TIER]}
    assert left.announced_facets == {BASE: "3", TIER: "2"}
