"""When a message to a channel may go: digests, quiet hours, and a limit per hour.

    event → due_at, once, when it is queued → due? → free_at, each time before something is sent → sent as one message

Times are UTC. Digests and quiet hours follow the clocks of the channel's time zone. Where those are changed:

- A time that they skip (02:30) comes at the moment they jump, so a digest is neither lost nor late.
- A time that they show twice comes at the first, so a daily digest goes once. An hourly one goes in both full hours.
- Quiet hours begin at the first of two starts and end at the second of two ends: nobody is woken early.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
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
    """Return the earliest time from `now` on at which an event queued now may be sent.

    An event queued at the very moment of a digest is in it; one queued at the end of quiet hours goes at once. A
    digest in quiet hours goes at their end, with everything queued until then. An event queued later is never due
    earlier. A heartbeat waits for no digest. `max_per_hour` depends on later messages, so `free_at` checks it.
    """
    if kind in timing.urgent:
        return now
    begin, end = _quiet_around(timing, now)
    if timing.digest is None or kind == "alive":
        return end
    # A digest that fell into these quiet hours before the event waits for their end too, and takes the event along.
    slot = slot_after(timing.digest, timing.zone, begin - timedelta.resolution)
    return _quiet_around(timing, slot)[1]


def slot_after(digest: Digest, zone: "ZoneInfo", moment: datetime) -> datetime:
    """Return the first time of a digest that is later than `moment`."""
    return next(slot for slot in _slots(digest, zone, moment.astimezone(zone)) if slot > moment)


def free_at(timing: Timing, sent: Sequence[datetime], now: datetime) -> datetime:
    """Return the earliest time from `now` on at which the next message may go, with everything that is due.

    It is asked just before sending. A message that became due before quiet hours may still wait in them (for
    `max_per_hour`, for another try, for the machine to start), so the result is outside of them as well. A message with
    nothing but urgent kinds does not ask, but counts like any other. `sent` are the times of earlier messages to the
    channel, in any order; those after `now` come from a clock that was set back, and do not count.
    """
    most = timing.max_per_hour
    counted = sorted(moment for moment in sent if now - HOUR < moment <= now)
    free = now if most is None or len(counted) < most else counted[-most] + HOUR
    return _quiet_around(timing, free)[1]


def _slots(digest: Digest, zone: "ZoneInfo", local: datetime) -> Iterator[datetime]:
    """Yield digests in order from a little before the local time, as a skipped one comes only when the clocks jump."""
    if digest.every == "hour":
        hour = local.replace(minute=0, second=0, microsecond=0, tzinfo=None)
        hours = (hour + number * HOUR for number in range(-1, 4))
        yield from sorted(moment for each in hours for moment in _moments(each, zone))
        return
    for number in range(-1, 16):  # two weeks, as clocks set back over midnight may put this week's in the past
        day = local.date() + number * DAY
        if digest.every == "day" or WEEKDAYS[day.weekday()] == digest.weekday:
            yield _moments(datetime.combine(day, digest.at), zone)[0]


def _quiet_around(timing: Timing, moment: datetime) -> tuple[datetime, datetime]:
    """Return begin and end of the quiet hours around or just before `moment`; `moment` twice if there are none."""
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
    """Return begin and end of the quiet hours that start on this day."""
    last = day if hours.start < hours.end else day + DAY
    return _moments(datetime.combine(day, hours.start), zone)[0], _moments(datetime.combine(last, hours.end), zone)[-1]


def _moments(wall: datetime, zone: "ZoneInfo") -> tuple[datetime, ...]:
    """Return when (UTC) the clocks of the zone show this: once or twice; if they skip it, when they jump over it."""
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first > second:  # PEP 495: skipped; the offset after the jump gives a time before it, and the other way round
        return (_jump(second, first, zone),)
    return (first,) if first == second else (first, second)


def _jump(before: datetime, after: datetime, zone: "ZoneInfo") -> datetime:
    """Return the moment, on a whole second, between these two at which the zone's offset changes."""
    seconds = range((after - before) // SECOND)
    offset = after.astimezone(zone).utcoffset()
    passed = bisect_left(seconds, True, key=lambda n: (before + n * SECOND).astimezone(zone).utcoffset() == offset)
    return before + passed * SECOND
