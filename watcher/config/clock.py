"""Times of the day as an option has them: digests, quiet hours and the zone whose clock they go by."""

import re
from datetime import time
from typing import Literal, cast

from msgspec import Struct

from watcher.config.parse import SHORT, Type, WrongValueError, found, text, wrong

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""In the order of `date.weekday()`."""


class Digest(Struct, frozen=True):
    """When what waits for a channel is sent together, by the clock of its time zone."""

    every: Literal["hour", "day", "week"]
    at: time = time()
    """Time of the day, to the minute; without meaning for `hour`, which is each full hour."""
    weekday: Weekday = "mon"
    """For `week`."""


class QuietHours(Struct, frozen=True):
    """The part of each day, by the clock of the channel's time zone, in which nothing is sent.

    From `start` up to, but without, `end`; over midnight if `end` is the earlier. The two differ.
    """

    start: time
    end: time


_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]"


def _read_digest(written: str) -> Digest:
    every, *weekday, at = ("hourly", "00:00") if written == "hourly" else written.split()
    unit: Literal["hour", "day", "week"] = "week" if weekday else "day" if every == "daily" else "hour"
    return Digest(unit, time.fromisoformat(at), *cast(list[Weekday], weekday))


def _write_digest(digest: Digest) -> str:
    match digest.every:
        case "hour":
            return "hourly"
        case "day":
            return f"daily {digest.at:%H:%M}"
        case "week":
            return f"weekly {digest.weekday} {digest.at:%H:%M}"


DIGEST = text(
    f"hourly|(daily|weekly ({'|'.join(WEEKDAYS)})) {_CLOCK}",
    '"hourly", "daily 09:00" or "weekly mon 09:00"',
    _read_digest,
    _write_digest,
)


def _read_quiet_hours(written: str) -> QuietHours:
    start, end = map(time.fromisoformat, written.split("-"))
    if start == end:
        raise wrong('hours with two different ends such as "22:00-07:00"', written)
    return QuietHours(start, end)


QUIET_HOURS = text(
    f"{_CLOCK}-{_CLOCK}",
    'hours such as "22:00-07:00"',
    _read_quiet_hours,
    lambda hours: f"{hours.start:%H:%M}-{hours.end:%H:%M}",
)

_ZONE_NAME = "(?!posix/|right/)[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*"


def _parse_time_zone(value: object) -> str:
    expected = 'expected a time zone such as "Europe/Berlin" or "UTC"'
    if not isinstance(value, str):
        raise WrongValueError(f"{expected}, got {found(value)}")
    if not re.fullmatch(_ZONE_NAME, value):
        raise WrongValueError(f"{expected}, got {found(value)}{_zone_meant(value)}")
    if value != "UTC" and not _is_time_zone(value):
        raise WrongValueError(f"{expected}; there is no {found(value)}{_zone_meant(value)}")
    return value


def _is_time_zone(name: str) -> bool:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # not there, not a zone, or a folder of zones
        return False
    return True


def _zone_meant(written: str) -> str:
    """Return `; did you mean "America/New_York"?` for `New York` too."""
    from difflib import get_close_matches
    from zoneinfo import available_timezones

    # Without "EST" and the like, which "CEST" is near to but does not mean; of two cities with a name, the first.
    names = sorted((name for name in available_timezones() if "/" in name), reverse=True)
    cities = {name.rpartition("/")[2].lower(): name for name in names}
    meant = cities | {name.lower(): name for name in names} | {"utc": "UTC"}
    near = get_close_matches(written[:SHORT].strip().replace(" ", "_").lower(), meant, n=1, cutoff=0.8)
    return f'; did you mean "{meant[near[0]]}"?' if near else ""


TIME_ZONE = Type(_parse_time_zone, str, {"type": "string", "pattern": f"^{_ZONE_NAME}$"})
