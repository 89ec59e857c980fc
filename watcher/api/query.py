"""The query parameters of the API, read and checked. Unknown ones are ignored, as by the API."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl, urlencode

MAX_LIMIT = 1000
DEFAULT_LIMIT = 500
"""Models on a page if `offset` comes without `limit`."""

_BOOLEANS = {"": False, "false": False, "true": True}


class BadQueryError(ValueError):
    """A parameter has a value that the API answers with 400. The message names it."""


class UnavailableError(ValueError):
    """A valid request needs data that the documents do not hold. The message says which."""


@dataclass(frozen=True)
class Query:
    """The parameters of one request by name. Repeated ones are joined with commas, empty ones left out."""

    values: Mapping[str, str]

    @classmethod
    def parse(cls, text: str, names: Collection[str] | None = None) -> "Query":
        """Read a raw query string; only `names` count if they are given.

        Raises BadQueryError if it is not percent-encoded UTF-8 or has more than 100 fields.
        """
        try:
            pairs = parse_qsl(text, errors="strict", max_num_fields=100)
        except ValueError as error:  # UnicodeDecodeError is one too
            raise BadQueryError("The query string cannot be read") from error
        values: dict[str, str] = {}
        for name, value in pairs:
            if names is None or name in names:
                values[name] = f"{values[name]},{value}" if name in values else value
        return cls(values)

    def words(self, name: str) -> frozenset[str]:
        """Return the words of a comma-separated value, in lower case."""
        return frozenset(word.strip().lower() for word in self.values.get(name, "").split(",") if word.strip())

    def flag(self, name: str) -> bool:
        """Return the value of `"true"` or `"false"`; false if it is not given."""
        value = self.values.get(name, "").lower()
        if value not in _BOOLEANS:
            raise BadQueryError(f'"{name}" must be "true" or "false"')
        return _BOOLEANS[value]

    def integer(self, name: str, low: int = 0, high: int = 10**12) -> int | None:
        """Return a whole number within bounds; None if it is not given."""
        value = self.values.get(name)
        if value is None:
            return None
        if not (value.isascii() and value.isdigit() and len(value) <= 13 and low <= int(value) <= high):
            raise BadQueryError(f'"{name}" must be a whole number from {low} to {high}')
        return int(value)

    def decimal(self, name: str, high: int = 10**12) -> Decimal | None:
        """Return a number from 0 to `high`; None if it is not given."""
        value = self.values.get(name)
        if value is None:
            return None
        number = to_decimal(value)
        if number is None or not 0 <= number <= high:
            raise BadQueryError(f'"{name}" must be a number from 0 to {high}')
        return number

    def moment(self, name: str) -> datetime | None:
        """Return a moment such as `2026-07-14T00:00Z`, in UTC without a zone; None if it is not given."""
        value = self.values.get(name)
        if value is None:
            return None
        if "T" in value:
            value = value.replace(" ", "+")  # an unescaped plus sign of a zone
        try:
            moment = datetime.fromisoformat(value)
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, OverflowError):
            raise BadQueryError(f'"{name}" must be a moment such as 2026-07-14T00:00Z') from None

    def choice(self, name: str, choices: Collection[str]) -> str | None:
        """Return one of `choices`; None if it is not given."""
        value = self.values.get(name)
        if value is not None and value not in choices:
            raise BadQueryError(f'"{name}" must be one of: {", ".join(sorted(choices))}')
        return value

    def page(self, items: Sequence[Any], url: str) -> tuple[Sequence[Any], str | None]:
        """Return the page of `items` for `offset` and `limit`, and the URL of the next one, if there is one.

        Without both parameters the page is everything.
        """
        offset, limit = self.integer("offset"), self.integer("limit", 1, MAX_LIMIT)
        if offset is None and limit is None:
            return items, None
        start, size = offset or 0, limit or DEFAULT_LIMIT
        end = start + size
        filters = {name: text for name, text in self.values.items() if name not in ("offset", "limit")}
        more = {**filters, "offset": str(end), "limit": str(size)}
        return items[start:end], f"{url}?{urlencode(more)}" if end < len(items) else None


def to_decimal(text: object) -> Decimal | None:
    """Return a finite number from its decimal spelling, or None."""
    if not isinstance(text, str) or not text.isascii() or "_" in text:  # which Python reads, and nobody writes
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    # Arithmetic on a huge exponent can take all memory.
    return number if number.is_finite() and abs(number.adjusted()) < 100 else None
