"""When a channel may be told: digests, quiet hours, and so many messages an hour.

    event → due_at, once, when it is queued → due? → free_at, each time before something is sent → sent as one message

Times are UTC; the clocks that digests and quiet hours go by are those of the channel's time zone. Where such clocks
are changed:

- A time that they skip (02:30) comes at the moment they jump. A digest is neither lost nor late.
- A time that they show twice comes at the first, so a daily digest goes once; a full hour that comes twice is two,
  so an hourly one goes in both.
- Quiet hours begin at the first of two starts and end at the second of two ends: nobody is woken early.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from watcher.catalog.model import Kind
from watcher.config.clock import WEEKDAYS, Digest, QuietHours
from watcher.config.settings import Timing

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


def due_at(timing: Timing, kind: Kind, now: datetime) -> datetime:
    """The earliest time from `now` on at which an event queued now may be sent; `now` if nothing holds it.

    An event queued at the very moment of a digest is in it, and one queued at the end of quiet hours is not held.
    A digest whose time is in quiet hours goes at their end, with all that was queued until then. So
    `due_at(timing, kind, due)` is `due` for whatever was returned, and who is queued later is not due earlier.
    A sign of life waits for no digest: its own time is as good as a digest's.

    `max_per_hour` depends on what will have been sent, and is seen to by `free_at`.
    """
    if kind in timing.urgent:
        return now
    begin, end = _quiet_around(timing, now)
    if timing.digest is None or kind == "alive":
        return end
    # One that fell into these quiet hours before the event did waits for their end too, and takes it along.
    slot = _next_slot(timing.digest, timing.zone, begin)
    return _quiet_around(timing, slot)[1]


def slot_after(digest: Digest, zone: "ZoneInfo", moment: datetime) -> datetime:
    """The first time of a digest that is later than `moment`."""
    return _next_slot(digest, zone, moment + timedelta.resolution)


def free_at(timing: Timing, sent: Sequence[datetime], now: datetime) -> datetime:
    """The earliest time from `now` on at which the next message may go; then all that is due goes as one.

    It is asked when a message is about to be sent, not when an event is queued. Since what was due before the quiet
    hours may still wait in them (for `max_per_hour`, for another try after a failure, for a machine to start), it is
    outside of them too. A message about urgent kinds alone does not ask; having been sent, it counts like all others.

    Args:
        timing: the channel's.
        sent: when messages were sent to this channel, in any order; what is over an hour ago does not matter. Times
            after `now` are of a clock that was set back and do not count, lest they hold the channel for long.
        now: the time (UTC).
    """
    most = timing.max_per_hour
    counted = sorted(moment for moment in sent if now - HOUR < moment <= now)
    free = now if most is None or len(counted) < most else counted[-most] + HOUR
    return _quiet_around(timing, free)[1]


# Digests


def _next_slot(digest: Digest, zone: "ZoneInfo", moment: datetime) -> datetime:
    """The first digest at `moment` or later."""
    return next(slot for slot in _slots(digest, zone, moment.astimezone(zone)) if slot >= moment)


def _slots(digest: Digest, zone: "ZoneInfo", local: datetime) -> Iterator[datetime]:
    """Digests in their order, from before the local time on.

    From a day or an hour earlier, as one that was skipped may come only now, at the moment the clocks jumped.
    """
    if digest.every == "hour":
        hour = local.replace(minute=0, second=0, microsecond=0, tzinfo=None)
        hours = (hour + number * HOUR for number in range(-1, 4))
        yield from sorted(moment for each in hours for moment in _moments(each, zone))
        return
    for number in range(-1, 16):  # two weeks, as clocks set back over midnight may put this week's in the past
        day = local.date() + number * DAY
        if digest.every == "day" or WEEKDAYS[day.weekday()] == digest.weekday:
            yield _at(day, digest.at, zone)[0]


# Quiet hours


def _quiet_around(timing: Timing, moment: datetime) -> tuple[datetime, datetime]:
    """Begin and end of the quiet hours in which `moment` is or which end at it; `moment` twice if there are none."""
    if timing.quiet_hours is None:
        return moment, moment
    zone = timing.zone
    today = moment.astimezone(zone).date()
    nights = [_night(timing.quiet_hours, zone, today + number * DAY) for number in range(-2, 3)]
    begin = end = moment
    # Nearly a day of quiet can touch the next where clocks change, hence on from night to night.
    for start, stop in reversed(nights):
        if start <= begin <= stop:
            begin = start
    for start, stop in nights:
        if start <= end <= stop:
            end = stop
    return begin, end


def _night(hours: QuietHours, zone: "ZoneInfo", day: date) -> tuple[datetime, datetime]:
    """Begin and end of the quiet hours that start on this day."""
    last = day if hours.start < hours.end else day + DAY
    return _at(day, hours.start, zone)[0], _at(last, hours.end, zone)[-1]


# Clocks


def _at(day: date, at: time, zone: "ZoneInfo") -> tuple[datetime, ...]:
    return _moments(datetime.combine(day, at), zone)


def _moments(wall: datetime, zone: "ZoneInfo") -> tuple[datetime, ...]:
    """When (UTC) the clocks of the zone show this: once, or twice; if they skip it, when they jump over it."""
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first > second:  # PEP 495: skipped; read by the offset after the jump it is before it, and the other way round
        return (_jump(second, first, zone),)
    return (first,) if first == second else (first, second)


def _jump(before: datetime, after: datetime, zone: "ZoneInfo") -> datetime:
    """The moment between the two from which the offset is that of `after`; it is on a whole second."""
    offset = after.astimezone(zone).utcoffset()
    while after - before > SECOND:
        middle = before + (after - before) // SECOND // 2 * SECOND
        if middle.astimezone(zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after
