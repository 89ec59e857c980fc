"""When a channel may be told: the documented cases as tables, and what holds at any time in any zone."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from watcher.catalog.model import KINDS
from watcher.config.clock import DIGEST, QUIET_HOURS
from watcher.config.settings import Timing
from watcher.rules.timing import due_at, free_at

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
TICK = timedelta(microseconds=1)
CHANGING = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo")
"""Zones whose clocks change: at night, at night in the west, by half an hour, and at midnight."""
ZONES = (*CHANGING, "UTC", "Asia/Kathmandu", "America/Havana", "Pacific/Apia")


def timing(digest: str | None = None, quiet: str | None = None, zone: str = "UTC") -> Timing:
    return Timing(DIGEST.parse(digest) if digest else None, zone, QUIET_HOURS.parse(quiet) if quiet else None)


def at(text: str) -> datetime:
    """A time (UTC) such as `03-29 01:00` in 2026; 2026-01-05 is a Monday."""
    return datetime.fromisoformat(f"2026-{text}+00:00")


def _changes(zone: str) -> Iterator[datetime]:
    """The first full hours (UTC) after the zone's clocks were changed, from 2008 to 2030."""
    of, week = ZoneInfo(zone), timedelta(weeks=1)
    monday = datetime(2007, 12, 31, tzinfo=UTC)
    while monday.year <= 2030:
        if monday.astimezone(of).utcoffset() != (monday + week).astimezone(of).utcoffset():
            hours = [(monday + hour * HOUR).astimezone(of) for hour in range(24 * 7 + 1)]
            yield from (
                after.astimezone(UTC) for before, after in pairwise(hours) if before.utcoffset() != after.utcoffset()
            )
        monday += week


CHANGES = {zone: tuple(_changes(zone)) for zone in ZONES}


# Digests


def test_nothing_holds_back_a_channel_without_timing() -> None:
    assert due_at(Timing(), "new", at("01-05 12:34:56.789")) == at("01-05 12:34:56.789")


@pytest.mark.parametrize(
    ("digest", "now", "expected"),
    [
        ("hourly", "01-05 12:00:00.000001", "01-05 13:00"),
        ("hourly", "01-05 23:59:59.999999", "01-06 00:00"),
        ("daily 09:00", "01-05 08:59:59", "01-05 09:00"),
        ("daily 09:00", "01-05 09:00:00.000001", "01-06 09:00"),
        ("daily 00:00", "01-05 12:00", "01-06 00:00"),
        ("weekly mon 09:00", "01-05 08:00", "01-05 09:00"),
        ("weekly mon 09:00", "01-05 10:00", "01-12 09:00"),
        ("weekly sun 09:00", "01-05 10:00", "01-11 09:00"),
    ],
)
def test_a_digest_is_due_at_the_next_of_its_times(digest: str, now: str, expected: str) -> None:
    assert due_at(timing(digest), "new", at(now)) == at(expected)


@pytest.mark.parametrize("digest", ["hourly", "daily 09:00", "weekly mon 09:00"])
def test_what_is_queued_at_the_moment_of_a_digest_is_in_it(digest: str) -> None:
    assert due_at(timing(digest), "new", at("01-05 09:00")) == at("01-05 09:00")


@pytest.mark.parametrize(
    ("digest", "zone", "now", "expected"),
    [
        ("daily 09:00", "America/New_York", "01-05 13:59", "01-05 14:00"),
        ("daily 09:00", "Australia/Lord_Howe", "01-05 00:00", "01-05 22:00"),
        ("weekly mon 00:30", "Asia/Kathmandu", "01-04 12:00", "01-04 18:45"),
        ("hourly", "Asia/Kathmandu", "01-05 12:00", "01-05 12:15"),
        # clocks go forward: a time that is skipped comes as they jump
        ("daily 02:30", "Europe/Berlin", "03-28 12:00", "03-29 01:00"),
        ("daily 02:00", "Europe/Berlin", "03-28 12:00", "03-29 01:00"),
        ("daily 03:00", "Europe/Berlin", "03-28 12:00", "03-29 01:00"),
        ("daily 03:01", "Europe/Berlin", "03-28 12:00", "03-29 01:01"),
        ("daily 02:30", "Europe/Berlin", "03-29 01:00:00.000001", "03-30 00:30"),
        ("daily 02:30", "America/New_York", "03-08 00:00", "03-08 07:00"),
        ("daily 02:15", "Australia/Lord_Howe", "10-03 12:00", "10-03 15:30"),
        ("daily 00:30", "Africa/Cairo", "04-23 12:00", "04-23 22:00"),
        ("weekly sun 02:30", "Europe/Berlin", "03-25 12:00", "03-29 01:00"),
        ("hourly", "Europe/Berlin", "03-29 00:30", "03-29 01:00"),
        ("hourly", "Europe/Berlin", "03-29 01:00:01", "03-29 02:00"),
        ("hourly", "Australia/Lord_Howe", "10-03 14:31", "10-03 15:30"),
        ("hourly", "Australia/Lord_Howe", "10-03 15:31", "10-03 16:00"),
        # clocks go back: a time that comes twice comes at the first, but a full hour both times
        ("daily 02:30", "Europe/Berlin", "10-24 12:00", "10-25 00:30"),
        ("daily 02:30", "Europe/Berlin", "10-25 00:31", "10-26 01:30"),
        ("daily 03:00", "Europe/Berlin", "10-24 12:00", "10-25 02:00"),
        ("daily 01:30", "America/New_York", "11-01 00:00", "11-01 05:30"),
        ("daily 01:45", "Australia/Lord_Howe", "04-04 12:00", "04-04 14:45"),
        ("daily 23:30", "Africa/Cairo", "10-29 12:00", "10-29 20:30"),
        ("daily 00:00", "Africa/Cairo", "10-29 12:00", "10-29 22:00"),
        ("hourly", "Europe/Berlin", "10-25 00:01", "10-25 01:00"),
        ("hourly", "Europe/Berlin", "10-25 01:01", "10-25 02:00"),
        ("hourly", "Australia/Lord_Howe", "04-04 14:01", "04-04 15:30"),
    ],
)
def test_a_digest_goes_by_the_clocks_of_its_zone(digest: str, zone: str, now: str, expected: str) -> None:
    assert due_at(timing(digest, zone=zone), "new", at(now)) == at(expected)


def test_a_day_that_is_skipped_has_its_digest_as_the_clocks_jump() -> None:
    """Samoa went from Thursday 2011-12-29 to Saturday 2011-12-31."""
    friday = timing("weekly fri 09:00", zone="Pacific/Apia")
    jump = datetime(2011, 12, 30, 10, tzinfo=UTC)
    assert due_at(friday, "new", datetime(2011, 12, 28, tzinfo=UTC)) == jump
    assert due_at(friday, "new", jump) == jump


def slots(settings: Timing, start: datetime, end: datetime) -> Iterator[datetime]:
    while (start := due_at(settings, "new", start)) <= end:
        yield start
        start += TICK


@pytest.mark.parametrize("zone", CHANGING)
def test_each_day_has_one_digest_when_clocks_change(zone: str) -> None:
    of = ZoneInfo(zone)
    assert len(CHANGES[zone]) >= 24
    for change in CHANGES[zone]:
        today = change.astimezone(of).date()
        days = [today + timedelta(days=number) for number in range(-2, 3)]
        # From noon to noon, when no clock is changed; and so that no digest is on the edge.
        start, end = (datetime.combine(day, time(12, 0, 30), of) for day in (days[0], days[-1]))
        for minute in {*range(0, 24 * 60, 30), 1, 59, 75, 119, 121, 135, 24 * 60 - 1}:
            clock = f"{minute // 60:02}:{minute % 60:02}"
            found = [slot.astimezone(of) for slot in slots(timing(f"daily {clock}", zone=zone), start, end)]
            assert [local.date() for local in found] == (days[1:] if minute <= 12 * 60 else days[:-1])
            for local in found:
                assert f"{local:%H:%M}" == clock or is_skipped(local.date(), time(minute // 60, minute % 60), of)
                assert local.fold == 0


def is_skipped(day: date, clock: time, zone: ZoneInfo) -> bool:
    wall = datetime.combine(day, clock)
    return wall.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) != wall


# Quiet hours


@pytest.mark.parametrize(
    ("quiet", "zone", "now", "expected"),
    [
        ("22:00-07:00", "UTC", "01-05 21:59:59", "01-05 21:59:59"),
        ("22:00-07:00", "UTC", "01-05 22:00", "01-06 07:00"),
        ("22:00-07:00", "UTC", "01-06 06:59:59.999999", "01-06 07:00"),
        ("22:00-07:00", "UTC", "01-06 07:00", "01-06 07:00"),
        ("12:00-13:30", "UTC", "01-05 12:45", "01-05 13:30"),
        ("12:00-13:30", "UTC", "01-05 22:00", "01-05 22:00"),
        ("22:00-00:00", "UTC", "01-05 23:00", "01-06 00:00"),
        ("00:00-23:59", "UTC", "01-05 00:00", "01-05 23:59"),
        ("22:00-07:00", "America/New_York", "01-05 04:00", "01-05 12:00"),
        # an end that is skipped comes as clocks jump, one that comes twice at the second
        ("22:00-02:30", "Europe/Berlin", "03-29 00:59", "03-29 01:00"),
        ("02:10-02:50", "Europe/Berlin", "03-29 01:00", "03-29 01:00"),
        ("22:00-02:30", "Europe/Berlin", "10-24 22:00", "10-25 01:30"),
        ("22:00-02:30", "Europe/Berlin", "10-25 00:45", "10-25 01:30"),
        # a start that comes twice at the first
        ("02:30-07:00", "Europe/Berlin", "10-25 00:29", "10-25 00:29"),
        ("02:30-07:00", "Europe/Berlin", "10-25 01:10", "10-25 06:00"),
        ("22:00-07:00", "Europe/Berlin", "03-28 22:00", "03-29 05:00"),
        # all that is not quiet is skipped, or comes twice: quiet until the next day's
        ("02:40-02:20", "Europe/Berlin", "03-28 12:00", "03-30 00:20"),
        ("02:40-02:20", "Europe/Berlin", "10-24 12:00", "10-26 01:20"),
    ],
)
def test_quiet_hours_hold_until_they_end(quiet: str, zone: str, now: str, expected: str) -> None:
    assert due_at(timing(quiet=quiet, zone=zone), "new", at(now)) == at(expected)
    assert free_at(timing(quiet=quiet, zone=zone), (), at(now)) == at(expected)


@pytest.mark.parametrize(
    ("digest", "now", "expected"),
    [
        ("daily 03:00", "01-05 20:00", "01-06 07:00"),
        ("daily 03:00", "01-06 05:00", "01-06 07:00"),
        ("daily 03:00", "01-06 07:00", "01-06 07:00"),
        ("daily 03:00", "01-06 07:00:00.000001", "01-07 07:00"),
        ("daily 09:00", "01-06 05:00", "01-06 09:00"),
        ("daily 07:00", "01-06 05:00", "01-06 07:00"),
        ("daily 22:00", "01-05 21:00", "01-06 07:00"),
        ("weekly tue 03:00", "01-06 05:00", "01-06 07:00"),
        ("weekly tue 03:00", "01-07 05:00", "01-13 07:00"),
        ("hourly", "01-05 21:30", "01-06 07:00"),
        ("hourly", "01-05 20:30", "01-05 21:00"),
        ("hourly", "01-06 04:30", "01-06 07:00"),
        ("hourly", "01-06 07:30", "01-06 08:00"),
    ],
)
def test_a_digest_in_quiet_hours_goes_at_their_end_with_all_until_then(digest: str, now: str, expected: str) -> None:
    assert due_at(timing(digest, "22:00-07:00"), "new", at(now)) == at(expected)


def test_an_urgent_event_waits_for_nothing() -> None:
    settings = replace(timing("weekly mon 09:00", "22:00-07:00"), urgent=("expired",))
    assert due_at(settings, "expired", at("01-05 23:00")) == at("01-05 23:00")
    assert due_at(settings, "new", at("01-05 23:00")) == at("01-12 09:00")


# So many messages an hour


@pytest.mark.parametrize(
    ("most", "sent", "now", "expected"),
    [
        (None, ["12:01"] * 99, "12:30", "12:30"),
        (1, [], "12:30", "12:30"),
        (2, ["12:10"], "12:30", "12:30"),
        (2, ["12:20", "12:10"], "12:30", "13:10"),
        (1, ["12:20", "12:10"], "12:30", "13:20"),
        (1, ["11:30"], "12:30", "12:30"),
        (1, ["11:31"], "12:30", "12:31"),
        (1, ["12:30"], "12:30", "13:30"),
        (1, ["12:31", "23:59"], "12:30", "12:30"),
    ],
)
def test_a_message_waits_until_fewer_were_sent_in_the_last_hour(
    most: int | None, sent: list[str], now: str, expected: str
) -> None:
    times = [at(f"01-05 {clock}") for clock in sent]
    assert free_at(Timing(max_per_hour=most), times, at(f"01-05 {now}")) == at(f"01-05 {expected}")


def test_a_wait_that_ends_in_quiet_hours_ends_with_them() -> None:
    settings = replace(timing(quiet="22:00-07:00"), max_per_hour=1)
    assert free_at(settings, [at("01-05 21:30")], at("01-05 21:45")) == at("01-06 07:00")
    assert free_at(settings, [at("01-06 07:00")], at("01-06 07:10")) == at("01-06 08:00")


# At any time, in any zone


@st.composite
def moments(draw: st.DrawFn, zone: str) -> datetime:
    """Mostly around the changes of the zone's clocks."""
    anchors = CHANGES[zone] if CHANGES[zone] and draw(st.integers(0, 4)) > 0 else (at("01-05 00:00"), at("07-11 00:00"))
    minutes = draw(st.integers(-48 * 60, 48 * 60))
    return draw(st.sampled_from(anchors)) + minutes * MINUTE + draw(st.sampled_from([-1, 0, 0, 1])) * TICK


CLOCKS = st.integers(0, 24 * 60 - 1).flatmap(
    lambda minute: st.sampled_from([f"{minute // 60:02}:{minute % 60:02}", f"{minute % 4:02}:{minute % 60:02}"])
)
DIGESTS = st.one_of(
    st.just("hourly"),
    CLOCKS.map(lambda clock: f"daily {clock}"),
    st.tuples(st.sampled_from(["mon", "thu", "fri", "sun"]), CLOCKS).map(lambda when: f"weekly {when[0]} {when[1]}"),
)
QUIET = st.tuples(CLOCKS, CLOCKS).filter(lambda ends: ends[0] != ends[1]).map("-".join)


@st.composite
def timings(draw: st.DrawFn) -> Timing:
    chosen = timing(draw(st.none() | DIGESTS), draw(st.none() | QUIET), draw(st.sampled_from(ZONES)))
    return replace(chosen, max_per_hour=draw(st.none() | st.integers(1, 3)))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Timing, datetime, datetime]:
    """Settings, and two times near each other in their order."""
    settings = draw(timings())
    now = draw(moments(settings.timezone))
    return settings, now, now + draw(st.integers(0, 60 * 60 * 26)) * timedelta(seconds=1)


def is_quiet(settings: Timing, moment: datetime) -> bool:
    """Whether the clock on the wall says so."""
    if settings.quiet_hours is None:
        return False
    clock, start, end = moment.astimezone(settings.zone).time(), settings.quiet_hours.start, settings.quiet_hours.end
    return start <= clock < end if start < end else clock >= start or clock < end


@given(cases())
def test_nothing_is_due_before_it_is_queued_and_what_is_due_stays_so(case: tuple[Timing, datetime, datetime]) -> None:
    settings, now, _ = case
    due = due_at(settings, "new", now)
    assert now <= due
    assert due.utcoffset() == timedelta()
    assert due_at(settings, "new", due) == due


@given(cases())
def test_what_is_queued_later_is_not_due_earlier(case: tuple[Timing, datetime, datetime]) -> None:
    settings, now, later = case
    assert due_at(settings, "new", now) <= due_at(settings, "new", later)


@given(cases())
def test_nothing_is_due_in_quiet_hours(case: tuple[Timing, datetime, datetime]) -> None:
    settings, now, _ = case
    assert not is_quiet(settings, due_at(settings, "new", now))


@given(cases())
def test_nothing_waits_longer_than_its_digest_and_a_night(case: tuple[Timing, datetime, datetime]) -> None:
    settings, now, _ = case
    longest = {"hour": 1.5, "day": 25, "week": 24 * 7 + 1}[settings.digest.every] if settings.digest else 0
    # A skipped day of Samoa, or 25 hours of a night that the next one follows at once, are the longest.
    night = 50 if settings.quiet_hours else 0
    skipped = 24 if settings.timezone == "Pacific/Apia" else 0
    assert due_at(settings, "new", now) - now <= (longest + night + skipped) * HOUR


@given(cases(), st.sampled_from(KINDS))
def test_an_urgent_event_is_due_at_once(case: tuple[Timing, datetime, datetime], kind: str) -> None:
    settings, now, _ = case
    assert due_at(replace(settings, urgent=(kind,)), kind, now) == now  # type: ignore[arg-type]


@given(cases())
def test_an_hourly_digest_goes_at_a_full_hour_or_as_clocks_jump_over_one(
    case: tuple[Timing, datetime, datetime],
) -> None:
    _, now, _ = case
    for name in ZONES:
        zone = ZoneInfo(name)
        slot = due_at(timing("hourly", zone=name), "new", now).astimezone(zone)
        just_before = (slot.astimezone(UTC) - TICK).astimezone(zone)
        assert slot.minute == 0 or slot.utcoffset() != just_before.utcoffset()
        assert (slot.second, slot.microsecond) == (0, 0)


SENT = st.lists(st.integers(-200, 100), max_size=6)


@given(cases(), SENT)
def test_a_message_goes_neither_early_nor_in_quiet_hours_nor_beyond_the_limit(
    case: tuple[Timing, datetime, datetime], minutes: list[int]
) -> None:
    settings, now, later = case
    sent = [now + minute * MINUTE for minute in minutes]
    free = free_at(settings, sent, now)
    assert now <= free <= free_at(settings, sent, max(later, free))
    assert not is_quiet(settings, free)
    if settings.quiet_hours is None:
        assert free - now <= HOUR
    if settings.max_per_hour is not None:
        past = [moment for moment in sent if moment <= now]
        assert sum(free - HOUR < moment for moment in past) < settings.max_per_hour


@given(st.integers(1, 4), st.lists(st.integers(0, 40), min_size=1, max_size=30))
def test_no_hour_has_more_messages_than_it_may(most: int, waits: list[int]) -> None:
    settings, sent, now = Timing(max_per_hour=most), list[datetime](), at("01-05 12:00")
    for wait in waits:
        now = free_at(settings, sent, now + wait * MINUTE)
        assert free_at(settings, sent, now) == now
        sent.append(now)
    for first in sent:
        assert sum(first <= moment < first + HOUR for moment in sent) <= most
