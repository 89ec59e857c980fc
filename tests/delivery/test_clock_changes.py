"""Digests on the days on which clocks change: each goes once, and takes all that was queued until then."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from tests.delivery.test_outbox import A, World, event
from watcher.config.clock import DIGEST, QUIET_HOURS
from watcher.config.settings import Timing

STEP = timedelta(minutes=30)
CHANGES = {
    "forward": ("Europe/Berlin", "2026-03-29"),
    "back": ("Europe/Berlin", "2026-10-25"),
    "forward at midnight": ("Africa/Cairo", "2026-04-24"),
    "back at midnight": ("Africa/Cairo", "2026-10-30"),
    "forward by half an hour": ("Australia/Lord_Howe", "2026-10-04"),
}


@pytest.mark.parametrize(
    ("digest", "quiet"),
    [("daily 02:30", None), ("daily 00:00", None), ("daily 02:30", "23:00-02:40"), ("hourly", None)],
)
@pytest.mark.parametrize("change", CHANGES)
def test_each_digest_goes_once_and_takes_everything_along(
    change: str, digest: str, quiet: str | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    name, day = CHANGES[change]
    zone = ZoneInfo(name)
    timing = Timing(DIGEST.parse(digest), name, QUIET_HOURS.parse(quiet) if quiet else None)
    world = World(f"sqlite:///{tmp_path_factory.mktemp('db')}/w.db", replace(A, timing=timing))
    evening = datetime.fromisoformat(f"{day} 20:03").replace(tzinfo=zone) - timedelta(days=1)
    world.now = start = evening.astimezone(UTC)
    end = start + timedelta(hours=12 if digest == "hourly" else 36)  # with the two digests that the change is between
    messages: list[tuple[datetime, tuple[str, ...]]] = []
    queued: dict[str, datetime] = {}
    every = timedelta(minutes=100)
    while world.now < end:
        if (world.now - start) % every < STEP:
            number = len(queued)
            queued[f"e{number}"] = world.now
            world.queue(event(number, at=world.now))
        world.drain(after=STEP)
        messages += [(world.now, ids) for _, ids in world.sent]
        world.sent.clear()
    world.store.close()
    told = Counter(one for _, ids in messages for one in ids)
    assert set(told.values()) == {1}, "each is sent once"
    last = messages[-1][0]
    longest = {"d": timedelta(hours=26), "h": timedelta(hours=1)}[digest[0]]
    longest += timedelta(hours=5) * (quiet is not None) + STEP
    assert all(one in told for one, at in queued.items() if at < last - STEP), "none stays behind"
    assert all(sent - queued[one] <= longest for sent, ids in messages for one in ids)
    if digest != "hourly":
        assert len(messages) == len({sent.astimezone(zone).date() for sent, _ in messages}) == 2, "one a day"
