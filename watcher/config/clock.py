"""Times of the day as options: digests, quiet hours and time zones."""

import re
from datetime import time
from difflib import get_close_matches
from typing import Literal, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from msgspec import Struct

from watcher.config.parse import SHORT, Type, WrongValueError, describe, text, wrong

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""In the order of `date.weekday()`."""

_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]"
_ZONE_NAME = "(?!posix/|right/)[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*"


class Digest(Struct, frozen=True):
    """When the waiting events of a channel are sent together, in the channel's time zone."""

    every: Literal["hour", "day", "week"]
    at: time = time()
    """Time of the day, to the minute; unused for `hour`, which means each full hour."""
    weekday: Weekday = "mon"
    """For `week`."""


class QuietHours(Struct, frozen=True):
    """The part of each day, in the channel's time zone, in which nothing is sent.

    It goes from `start` up to, but without, `end`; over midnight if `end` is the earlier. The two differ.
    """

    start: time
    end: time


def _parse_digest(written: str) -> Digest:
    every, *weekday, at = ("hourly", "00:00") if written == "hourly" else written.split()
    unit: Literal["hour", "day", "week"] = "week" if weekday else "day" if every == "daily" else "hour"
    return Digest(unit, time.fromisoformat(at), *cast(list[Weekday], weekday))


def _render_digest(digest: Digest) -> str:
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
    _parse_digest,
    _render_digest,
)


def _parse_quiet_hours(written: str) -> QuietHours:
    start, end = map(time.fromisoformat, written.split("-"))
    if start == end:
        raise wrong('hours with two different ends such as "22:00-07:00"', written)
    return QuietHours(start, end)


QUIET_HOURS = text(
    f"{_CLOCK}-{_CLOCK}",
    'hours such as "22:00-07:00"',
    _parse_quiet_hours,
    lambda hours: f"{hours.start:%H:%M}-{hours.end:%H:%M}",
)


def _parse_time_zone(value: object) -> str:
    expected = 'a time zone such as "Europe/Berlin" or "UTC"'
    if not isinstance(value, str):
        raise wrong(expected, value)
    if not re.fullmatch(_ZONE_NAME, value):
        raise WrongValueError(f"expected {expected}, got {describe(value)}{_similar_zone(value)}")
    try:
        return ZoneInfo(value).key
    except (ZoneInfoNotFoundError, ValueError, OSError):  # it does not exist, is no zone, or is a folder of zones
        hint = _similar_zone(value)
        raise WrongValueError(f"expected {expected}; there is no {describe(value)}{hint}") from None


def _similar_zone(written: str) -> str:
    """Return `; did you mean "America/New_York"?`, for `New York` too; or nothing."""
    # Without "EST" and the like, which "CEST" resembles but does not mean. Of two cities with one name, the first.
    names = sorted((name for name in available_timezones() if "/" in name), reverse=True)
    cities = {name.rpartition("/")[2].lower(): name for name in names}
    zones = cities | {name.lower(): name for name in names} | {"utc": "UTC"}
    similar = get_close_matches(written[:SHORT].strip().replace(" ", "_").lower(), zones, n=1, cutoff=0.8)
    return f'; did you mean "{zones[similar[0]]}"?' if similar else ""


TIME_ZONE = Type(_parse_time_zone, str, {"type": "string", "pattern": f"^{_ZONE_NAME}$"})
