"""The types that an option can have: how a TOML value is read, how it is written again, and its JSON Schema.

An error says what was expected and, where it is short and cannot be a secret, what was given.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Generic, TypeVar

from msgspec import Struct

from watcher.config.secret import DatabaseURL, Secret, SourceURL

T = TypeVar("T")

SHORT = 40
"""Characters up to which an error repeats the given value."""
LONGEST = timedelta(days=3650)
DEAREST = 1_000_000
"""USD per million tokens beyond which a price is a typing mistake."""
DECIMALS = 12
"""Decimals of a price beyond which it is one too."""
TEMPLATE_LIMIT = 64 * 1024
"""Characters of a message's template."""


class WrongValueError(Exception):
    """A value is not what was expected; one sentence for each mistake in it."""

    def __init__(self, *sentences: str) -> None:
        super().__init__("; ".join(sentences))
        self.sentences = sentences


class Type(Struct, Generic[T], frozen=True):
    """`parse` raises `WrongValueError`; `render` is its inverse and returns what TOML can hold."""

    parse: Callable[[object], T]
    render: Callable[[T], Any]
    schema: Mapping[str, Any]


def describe(value: object) -> str:
    """Describe a value from the file in a few words that repeat neither a URL nor anything long."""
    match value:
        case str() if "://" in value:
            return "a URL"
        case str() if len(value) > SHORT:
            return f"a string of {len(value)} characters"
        case str() | bool():
            return json.dumps(value)
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
    """Return `; did you mean "…"?`, or nothing if no known word is similar."""
    similar = get_close_matches(word.lower(), known, n=1)
    return f'; did you mean "{similar[0]}"?' if similar else ""


def wrong(expected: str, *value: object) -> WrongValueError:
    """Return the error about a value; leave a value out that may be a secret."""
    return WrongValueError(", got ".join((f"expected {expected}", *map(describe, value))))


def checked(
    accepts: Callable[[Any], object],
    expected: str,
    make: Callable[[Any], T],
    schema: Mapping[str, Any],
    render: Callable[[T], Any] | None = None,
    *,
    secret: bool = False,
) -> Type[T]:
    """Return the type of values that pass a check; an error does not repeat a `secret`."""

    def parse(value: object) -> T:
        if not accepts(value):
            raise wrong(expected) if secret else wrong(expected, value)
        return make(value)

    return Type(parse, render or make, schema)


def text(
    pattern: str, expected: str, make: Callable[[str], T], render: Callable[[T], str] = str, *, secret: bool = False
) -> Type[T]:
    """Return the type of printable strings that match the pattern as a whole."""

    def accepts(value: object) -> bool:
        return isinstance(value, str) and bool(re.fullmatch(pattern, value)) and value.strip().isprintable()

    return checked(accepts, expected, make, {"type": "string", "pattern": f"^({pattern})$"}, render, secret=secret)


# Numbers and words

FLAG = checked(lambda value: isinstance(value, bool), "true or false", bool, {"type": "boolean"})


def integer(least: int, most: int) -> Type[int]:
    """Return the type of whole numbers between two bounds."""
    schema = {"type": "integer", "minimum": least, "maximum": most}
    expected = f"a whole number from {least} to {most}"
    return checked(lambda value: type(value) is int and least <= value <= most, expected, int, schema)


def _is_price(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return False
    price = Decimal(value)
    return price.is_finite() and 0 <= price <= DEAREST and price == round(price, DECIMALS)


PRICE = checked(
    _is_price,
    "a price in USD per million tokens such as 2.5",
    Decimal,
    {"type": "number", "minimum": 0, "maximum": DEAREST},
)


def _parse_fraction(written: str) -> Decimal:
    fraction = Decimal(written.removesuffix("%")) / 100
    if fraction > 1:
        raise wrong("a percentage of at most 100%", written)
    return fraction


PERCENTAGE = text(
    r"[0-9]{1,3}(\.[0-9]{1,6})?%",
    'a percentage such as "5%" or "0.5%"',
    _parse_fraction,
    lambda fraction: f"{(fraction * 100).normalize():f}%",
)
AMOUNT = text(
    r"\$[0-9]{1,9}(\.[0-9]{1,2})?",
    'an amount of USD such as "$5" or "$0.50"',
    lambda written: Decimal(written.removeprefix("$")),
    lambda amount: f"${amount:f}",
)
WORD = text(r"[^\s,]+", "a word without spaces or commas", str)
ENDPOINTS = text("mine|off", '"mine" or "off"', str)
DIRECTION = text("up|down", '"up" or "down"', str)
# Every log and message shows the name, so a URL with a token must not get there by mistake.
NAME = text(r"(?!.*://)\s*\S(.{0,98}\S)?\s*", "a name of 1 to 100 printable characters", str.strip)
VARIABLE = text("[A-Za-z_][A-Za-z0-9_]*", 'the name of an environment variable such as "SLACK_URL"', str, secret=True)
TEMPLATE = checked(
    lambda value: isinstance(value, str) and value.strip() and len(value) <= TEMPLATE_LIMIT,
    f"the text of a template, at most {TEMPLATE_LIMIT // 1024} KiB",
    str,
    {"type": "string", "pattern": r"\S", "maxLength": TEMPLATE_LIMIT},
)
_PATH = text(r"(?!.*://)(?!sk-)(?=.*\S).*", "the path of a file", Path, secret=True)


def _parse_path(value: object) -> Path:
    if isinstance(value, str) and value.startswith(("sk-", "Bearer ")):
        raise wrong("the path of a file that holds the key, not the key itself")
    return _PATH.parse(value)


PATH = Type(_parse_path, str, _PATH.schema)

# URLs

SOURCE_URL = text(
    r"https?://([^\s/?#@]*@)?[^\s/?#@]+(/[^\s?#]*)?",
    'a URL such as "https://openrouter.ai/api/v1", without a query',
    lambda url: SourceURL(url.rstrip("/")),
    secret=True,
)
PING_URL = text(r"https?://[^\s?#/]+[^\s#]*", 'a URL such as "https://hc-ping.com/your-uuid"', Secret, secret=True)
CHANNEL_URL = text(
    r"\s*[A-Za-z][A-Za-z0-9+.-]*://[\s\S]*",
    'an Apprise URL such as "mailtos://…" or "slack://…", without quotes around it',
    lambda url: Secret(url.strip()),
    secret=True,
)

URL_PATH = text("|(/[A-Za-z0-9._~-]+)+", 'a path such as "/openrouter"', str)


def _parse_address(written: str) -> str:
    if int(written.rpartition(":")[2]) > 65_535:
        raise wrong("a port of at most 65535", written)
    return written


ADDRESS = text(
    r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}",
    'an address such as "127.0.0.1:8399" or "[::1]:8399"',
    _parse_address,
)


def _parse_network(value: object) -> str:
    from ipaddress import ip_network

    try:
        return str(ip_network(value if isinstance(value, str) else ""))
    except ValueError:
        raise wrong('an address or a network such as "10.0.0.0/8"', value) from None


NETWORK = Type(_parse_network, str, {"type": "string"})


def _parse_database_url(url: str) -> DatabaseURL:
    if url == "sqlite:///:memory:":
        raise wrong("a file or a server: what is kept in memory is forgotten after each check")
    return DatabaseURL(url)


STORE_URL = text(
    r"sqlite:///[^?]*[^?/]|postgresql://([^\s/?#@]*@)?[^\s/?#@]*/[^\s/?#]+(\?[^\s#]*)?",
    'a URL of an SQLite file such as "sqlite:////var/lib/openrouter-watcher/watcher.db", or of a PostgreSQL database '
    'such as "postgresql://watcher@db.example.com/watcher", its special characters written as %XX',
    _parse_database_url,
    secret=True,
)

# Durations

_UNITS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
_DURATION = "(?=[0-9])([0-9]{1,9}d)?([0-9]{1,9}h)?([0-9]{1,9}m)?([0-9]{1,9}s)?"


def render_duration(duration: timedelta) -> str:
    """Return `1h30m`, the shortest spelling that `parse_duration` reads back; parts of a second are dropped."""
    rest, written = duration // timedelta(seconds=1), ""
    for unit, seconds in _UNITS.items():
        number, rest = divmod(rest, seconds)
        written += f"{number}{unit}" if number else ""
    return written or "0s"


def duration(least: timedelta = timedelta()) -> Type[timedelta]:
    """Return the type of durations from `least` to ten years."""

    def make(written: str) -> timedelta:
        seconds = sum(int(number) * _UNITS[unit] for number, unit in re.findall("(?<![0-9])([0-9]+)([dhms])", written))
        if seconds > LONGEST.total_seconds():
            raise wrong(f'a duration of at most "{render_duration(LONGEST)}"', written)
        if seconds < least.total_seconds():
            raise wrong(f'a duration of at least "{render_duration(least)}"', written)
        return timedelta(seconds=seconds)

    return text(_DURATION, 'a duration such as "90s", "5m", "1h30m" or "1d"', make, render_duration)


parse_duration = duration().parse
"""Reads a duration of at most ten years. Raises WrongValueError."""


def _parse_retention(value: object) -> timedelta:
    if value == "none" or (value == 0 and type(value) is int):
        return timedelta()
    try:
        return duration(timedelta(days=1)).parse(value)
    except WrongValueError:
        raise wrong('a duration of at least "1d" such as "90d", or "none"', value) from None


RETENTION = Type(
    _parse_retention,
    lambda span: render_duration(span) if span else "none",
    {"anyOf": [duration().schema, {"const": "none"}, {"const": 0}]},
)
"""A day or more; `"none"` and 0 are zero, which means for ever."""

# Lists


def listing(
    item: Type[T], expected: str, least: int = 0, make: Callable[[Iterable[T]], tuple[T, ...]] = tuple
) -> Type[tuple[T, ...]]:
    """Return the type of lists of `item`s; repetitions are dropped. `expected` describes the list."""

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
        return make(parsed)

    schema = {"type": "array", "items": dict(item.schema), "minItems": least}
    return Type(parse, lambda values: [item.render(value) for value in values], schema)


def kinds_among(words: Sequence[str], least: int = 1) -> Type[tuple[str, ...]]:
    """Return the type of lists of some kinds of events; `*` stands for all of `words`."""

    def parse(value: object) -> str:
        if value == "*" or value in words:
            return str(value)
        hint = suggestion(value, words) if isinstance(value, str) else ""
        raise WrongValueError(f"expected one of {', '.join(words)} or *, got {describe(value)}{hint}")

    kind = Type(parse, str, {"enum": [*words, "*"]})
    expected = 'a list of events such as ["new", "expired"], or ["*"]'
    return listing(kind, expected, least, lambda chosen: tuple(words if "*" in chosen else chosen))
