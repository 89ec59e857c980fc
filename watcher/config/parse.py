"""The types that an option can have: how a TOML value is read, how it is written again, and its JSON Schema.

An error says what was expected and, where it is short and cannot be a secret, what was found.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from watcher.config.settings import WEEKDAYS, Digest, QuietHours, Weekday

T = TypeVar("T")

SHORT = 40
"""Characters up to which a value that was found is repeated in an error."""
LONGEST = timedelta(days=3650)
DEAREST = 1_000_000
"""USD per million tokens beyond which a price is a slip of the pen."""
PLACES = 12
"""Decimals beyond which it is one too."""

_DURATION = re.compile(r"(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?")
_DURATION_SCHEMA = r"^(?=[0-9])([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$"
_PERCENTAGE = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,6})?%")
_PERCENTAGE_SCHEMA = r"^[0-9]{1,3}(\.[0-9]{1,6})?%$"
_CLOCK = "([01][0-9]|2[0-3]):([0-5][0-9])"
_DIGEST = re.compile(f"hourly|(?:daily|weekly ({'|'.join(WEEKDAYS)})) {_CLOCK}")
_QUIET_HOURS = re.compile(f"{_CLOCK}-{_CLOCK}")
_TIME_ZONE = re.compile(r"(?!posix/|right/)[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORD = re.compile(r"[^\s,]+")
_SERVER = re.compile(r"postgresql://([^\s/?#@]*@)?[^\s/?#@]*/[^\s/?#]+(\?[^\s#]*)?")
_PING_URL = re.compile(r"https?://[^\s?#/]+[^\s#]*")
_HTTP_URL = re.compile(r"https?://(?:[^\s/?#@]*@)?[^\s/?#@]+(?:/[^\s?#]*)?")


class WrongValueError(Exception):
    """A value is not what was expected; one sentence for each mistake in it."""

    def __init__(self, *sentences: str) -> None:
        super().__init__("; ".join(sentences))
        self.sentences = sentences


@dataclass(frozen=True)
class Type(Generic[T]):
    """`parse` raises `WrongValueError`; `render` is its inverse, giving what TOML can hold."""

    parse: Callable[[object], T]
    render: Callable[[T], Any]
    schema: Mapping[str, Any]


def found(value: object) -> str:
    """A value from the file, in words that are short and repeat neither a URL nor what is long."""
    match value:
        case str() if "://" in value:
            return "a URL"
        case str() if len(value) > SHORT:
            return f"a string of {len(value)} characters"
        case str():
            return json.dumps(value)
        case bool():
            return str(value).lower()
        case int() if abs(value) >= 10**SHORT:
            return "a very large number"
        case Decimal() if len(str(value)) > SHORT:
            return "a very long number"
        case int() | Decimal():
            return str(value)
        case Mapping():
            return "a table"
        case list():
            return "a list" if value else "an empty list"
        case _:
            return f"a {type(value).__name__}"


def suggestion(word: str, known: Sequence[str]) -> str:
    """`; did you mean "…"?`, or nothing if no known word is near."""
    from difflib import get_close_matches

    near = get_close_matches(word.lower(), known, n=1)
    return f'; did you mean "{near[0]}"?' if near else ""


def wrong(expected: str, value: object) -> WrongValueError:
    return WrongValueError(f"expected {expected}, got {found(value)}")


# Durations and percentages


def parse_duration(value: object) -> timedelta:
    expected = 'a duration such as "90s", "5m", "1h30m" or "1d"'
    match = _DURATION.fullmatch(value) if isinstance(value, str) and value else None
    if match is None:
        raise wrong(expected, value)
    days, hours, minutes, seconds = (int(number or 0) for number in match.groups())
    duration = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if duration > LONGEST:
        raise wrong(f'a duration of at most "{render_duration(LONGEST)}"', value)
    return duration


def render_duration(duration: timedelta) -> str:
    """`1h30m`, the shortest spelling that `parse_duration` reads back; parts of a second are dropped."""
    minutes, seconds = divmod(duration.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((duration.days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"


def duration(least: timedelta = timedelta()) -> Type[timedelta]:
    def parse(value: object) -> timedelta:
        parsed = parse_duration(value)
        if parsed < least:
            raise wrong(f'a duration of at least "{render_duration(least)}"', value)
        return parsed

    return Type(parse, render_duration, {"type": "string", "pattern": _DURATION_SCHEMA})


def parse_percentage(value: object) -> Decimal:
    """The fraction that a percentage from 0% to 100% means."""
    if not isinstance(value, str) or not _PERCENTAGE.fullmatch(value):
        raise wrong('a percentage such as "5%" or "0.5%"', value)
    fraction = Decimal(value.removesuffix("%")) / 100
    if fraction > 1:
        raise wrong("a percentage of at most 100%", value)
    return fraction


def render_percentage(fraction: Decimal) -> str:
    return f"{(fraction * 100).normalize():f}%"


def _parse_span(value: object) -> timedelta:
    if value == "none" or (value == 0 and isinstance(value, int) and not isinstance(value, bool)):
        return timedelta()
    try:
        span = parse_duration(value)
    except WrongValueError:
        raise wrong('a duration such as "90d", or "none"', value) from None
    if timedelta() < span < timedelta(days=1):
        raise wrong('a duration of at least "1d", or "none"', value)
    return span


def _render_span(span: timedelta) -> str:
    return render_duration(span) if span else "none"


SPAN = Type(
    _parse_span,
    _render_span,
    {"anyOf": [{"type": "string", "pattern": _DURATION_SCHEMA}, {"const": "none"}, {"const": 0}]},
)
"""Days and more; `"none"` and 0 are zero, which means that there is no end."""


PERCENTAGE = Type(parse_percentage, render_percentage, {"type": "string", "pattern": _PERCENTAGE_SCHEMA})


# Times of the day


def _parse_digest(value: object) -> Digest:
    match = _DIGEST.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise wrong('"hourly", "daily 09:00" or "weekly mon 09:00"', value)
    weekday, hour, minute = match.groups()
    if hour is None:
        return Digest("hour")
    at = time(int(hour), int(minute))
    return Digest("day", at) if weekday is None else Digest("week", at, cast(Weekday, weekday))


def _render_digest(digest: Digest) -> str:
    match digest.every:
        case "hour":
            return "hourly"
        case "day":
            return f"daily {digest.at:%H:%M}"
        case "week":
            return f"weekly {digest.weekday} {digest.at:%H:%M}"


DIGEST = Type(_parse_digest, _render_digest, {"type": "string", "pattern": f"^({_DIGEST.pattern})$"})


def _parse_quiet_hours(value: object) -> QuietHours:
    match = _QUIET_HOURS.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise wrong('hours such as "22:00-07:00"', value)
    start_hour, start_minute, end_hour, end_minute = map(int, match.groups())
    hours = QuietHours(time(start_hour, start_minute), time(end_hour, end_minute))
    if hours.start == hours.end:
        raise wrong('hours with two different ends such as "22:00-07:00"', value)
    return hours


def _render_quiet_hours(hours: QuietHours) -> str:
    return f"{hours.start:%H:%M}-{hours.end:%H:%M}"


QUIET_HOURS = Type(_parse_quiet_hours, _render_quiet_hours, {"type": "string", "pattern": f"^{_QUIET_HOURS.pattern}$"})


def _parse_time_zone(value: object) -> str:
    expected = 'a time zone such as "Europe/Berlin" or "UTC"'
    if not isinstance(value, str) or not _TIME_ZONE.fullmatch(value):
        hint = _time_zone_meant(value) if isinstance(value, str) else ""
        raise WrongValueError(f"expected {expected}, got {found(value)}{hint}")
    if value != "UTC" and not _is_time_zone(value):
        raise WrongValueError(f"expected {expected}; there is no {found(value)}{_time_zone_meant(value)}")
    return value


def _is_time_zone(name: str) -> bool:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # not there, not a zone, or a folder of zones
        return False
    return True


def _time_zone_meant(written: str) -> str:
    """`; did you mean "America/New_York"?` for `New York` too."""
    from difflib import get_close_matches
    from zoneinfo import available_timezones

    # Without "EST" and the like, which "CEST" is near to but does not mean; of two cities with a name, the first.
    names = sorted((name for name in available_timezones() if "/" in name), reverse=True)
    cities = {name.rpartition("/")[2].lower(): name for name in names}
    meant = cities | {name.lower(): name for name in names} | {"utc": "UTC"}
    near = get_close_matches(written[:SHORT].strip().replace(" ", "_").lower(), meant, n=1, cutoff=0.8)
    return f'; did you mean "{meant[near[0]]}"?' if near else ""


TIME_ZONE = Type(_parse_time_zone, str, {"type": "string", "pattern": f"^{_TIME_ZONE.pattern}$"})


# Plain values


def _parse_flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise wrong("true or false", value)
    return value


FLAG = Type(_parse_flag, bool, {"type": "boolean"})


def integer(least: int, most: int) -> Type[int]:
    def parse(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise wrong(f"a whole number from {least} to {most}", value)
        return value

    return Type(parse, int, {"type": "integer", "minimum": least, "maximum": most})


def _parse_price(value: object) -> Decimal:
    price = Decimal(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else Decimal("NaN")
    if not price.is_finite() or not 0 <= price <= DEAREST or price != round(price, PLACES):
        raise wrong("a price in USD per million tokens such as 2.5", value)
    return price


PRICE = Type(_parse_price, Decimal, {"type": "number", "minimum": 0, "maximum": DEAREST})


def _parse_word(value: object) -> str:
    if not isinstance(value, str) or not _WORD.fullmatch(value) or not value.isprintable():
        raise wrong("a word without spaces or commas", value)
    return value


WORD = Type(_parse_word, str, {"type": "string", "pattern": r"^[^\s,]+$"})


def _parse_name(value: object) -> str:
    # A name stands in every log and message, so it must not be what a slip makes it: a URL with a token.
    if not isinstance(value, str) or not value.isprintable() or "://" in value or not 0 < len(value.strip()) <= 100:
        raise wrong("a name of 1 to 100 printable characters", value)
    return value.strip()


NAME = Type(_parse_name, str, {"type": "string", "pattern": r"^(?!.*://).*\S", "maxLength": 100})


TEMPLATE_LIMIT = 64 * 1024
"""Characters of a message's template."""


def _parse_template(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise wrong("the text of a template", value)
    if len(value) > TEMPLATE_LIMIT:
        raise wrong(f"a template of at most {TEMPLATE_LIMIT // 1024} KiB", value)
    return value


TEMPLATE = Type(_parse_template, str, {"type": "string", "pattern": r"\S", "maxLength": TEMPLATE_LIMIT})


# Lists


def listing(item: Type[T], expected: str, *, least: int = 0) -> Type[tuple[T, ...]]:
    """A list of `item`s, without repetitions; `expected` describes it."""

    def parse(value: object) -> tuple[T, ...]:
        if not isinstance(value, list) or len(value) < least:
            raise wrong(expected, value)
        parsed: dict[T, None] = {}
        mistakes: list[str] = []
        for number, element in enumerate(value, start=1):
            try:
                parsed[item.parse(element)] = None
            except WrongValueError as error:
                mistakes += (f"entry {number}: {sentence}" for sentence in error.sentences)
        if mistakes:
            raise WrongValueError(*mistakes)
        return tuple(parsed)

    schema = {"type": "array", "items": dict(item.schema), "minItems": least}
    return Type(parse, lambda values: [item.render(value) for value in values], schema)


def choices(words: Sequence[str], expected: str, *, least: int = 1) -> Type[tuple[str, ...]]:
    """A list of some of `words`; `*` stands for all."""

    def parse_one(value: object) -> str:
        if value == "*" or value in words:
            return str(value)
        hint = suggestion(value, words) if isinstance(value, str) else ""
        raise WrongValueError(f"expected one of {', '.join(words)} or *, got {found(value)}{hint}")

    several = listing(Type(parse_one, str, {"enum": [*words, "*"]}), expected, least=least)

    def parse(value: object) -> tuple[str, ...]:
        chosen = several.parse(value)
        return tuple(words) if "*" in chosen else chosen

    return Type(parse, several.render, several.schema)


# Places and secrets: what stands here is repeated in an error only where it cannot hold a password


def _parse_http_url(value: object) -> str:
    if not isinstance(value, str) or not _HTTP_URL.fullmatch(value) or not value.isprintable():
        raise WrongValueError('expected a URL such as "https://openrouter.ai/api/v1", without a query')
    return value.rstrip("/")


HTTP_URL = Type(_parse_http_url, str, {"type": "string", "pattern": r"^https?://[^\s?#]+$"})


def _parse_store_url(value: object) -> str:
    if isinstance(value, str) and value.isprintable():
        if value.startswith("postgresql://"):
            return _parse_server_url(value)
        if value.startswith("sqlite:///"):
            return _parse_file_url(value)
    raise WrongValueError(f"expected {_FILE_URL}, or {_SERVER_URL}")


_FILE_URL = 'a URL of an SQLite file such as "sqlite:////var/lib/openrouter-watcher/watcher.db"'
_SERVER_URL = 'of a PostgreSQL database such as "postgresql://watcher@db.example.com/watcher"'


def _parse_file_url(url: str) -> str:
    path = url.removeprefix("sqlite:///")
    if path == ":memory:":
        raise WrongValueError(f"expected {_FILE_URL}: what is kept in memory is forgotten after each check")
    if not path or path.endswith("/") or "?" in path:
        raise WrongValueError(f"expected {_FILE_URL}")
    return url


def _parse_server_url(url: str) -> str:
    if not _SERVER.fullmatch(url):
        raise WrongValueError(f"expected a URL {_SERVER_URL}, its special characters written as %XX")
    return url


STORE_URL = Type(_parse_store_url, str, {"type": "string", "pattern": rf"^(sqlite:///[^?]*[^?/]|{_SERVER.pattern})$"})


def _parse_channel_url(value: object) -> str:
    url = value.strip() if isinstance(value, str) else ""
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", url) or not url.isprintable():
        raise WrongValueError('expected an Apprise URL such as "mailtos://…" or "slack://…"')
    return url


CHANNEL_URL = Type(_parse_channel_url, str, {"type": "string", "pattern": r"^\s*[A-Za-z][A-Za-z0-9+.-]*://"})


def _parse_ping_url(value: object) -> str:
    if not isinstance(value, str) or not _PING_URL.fullmatch(value) or not value.isprintable():
        raise WrongValueError('expected a URL such as "https://hc-ping.com/your-uuid"')
    return value


PING_URL = Type(_parse_ping_url, str, {"type": "string", "pattern": f"^{_PING_URL.pattern}$"})


def _parse_path(value: object) -> Path:
    if not isinstance(value, str) or not value.strip() or not value.isprintable() or "://" in value:
        raise WrongValueError("expected the path of a file")
    if value.startswith(("sk-", "Bearer ")):
        raise WrongValueError("expected the path of a file that holds the key, not the key itself")
    return Path(value)


PATH = Type(_parse_path, str, {"type": "string", "pattern": r"^(?!.*://)(?!sk-).*\S"})


def _parse_variable(value: object) -> str:
    if not isinstance(value, str) or not _VARIABLE.fullmatch(value):
        raise WrongValueError('expected the name of an environment variable such as "SLACK_URL"')
    return value


VARIABLE = Type(_parse_variable, str, {"type": "string", "pattern": f"^{_VARIABLE.pattern}$"})
