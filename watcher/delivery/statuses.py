"""What follows when a service refuses a message. `docs/delivery.md` gives the reasons, and a test compares the two.

An alert is worth more than a few requests in vain, so nearly everything is tried again: within the days that an alert
waits, somebody will correct an old token, an archived channel or a mistyped path. Such a refusal is tried again slowly,
since many attempts with a wrong password get an address banned. Only what the service itself calls final, or what
could only become worse, is given up at once.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isnan
from typing import Any, Literal, get_args

from msgspec import Struct

Treatment = Literal["again", "slowly", "apart", "halve", "never"]
"""What follows when a message was refused, first what gives up least.

- `again`: it is sent with the usual growing pauses.
- `slowly`: not before an hour.
- `apart`: its events are sent apart. One that is refused while others are accepted is given up; else `slowly`.
- `halve`: its events are sent apart. One that is refused alone is given up.
- `never`: all are given up at once.
"""
TREATMENTS: tuple[Treatment, ...] = get_args(Treatment)


class Outcome(Struct, frozen=True):
    """What came of one message."""

    accepted: bool
    treatment: Treatment = "again"
    """What follows if it was not accepted."""
    status: int | None = None
    """The HTTP status or SMTP reply of a refusal; None if it may have arrived, at some of its targets at least."""
    reasons: str = ""
    """Why it was not accepted, or by whom, without secrets."""


SLOW_PAUSE = 3600.0
"""Seconds to wait at least before trying `slowly` again."""

LONGEST_PAUSE = 86_400.0
"""Seconds that a service can ask for: more would outlast the alert."""

_SPECIAL: dict[int, Treatment] = {
    408: "again",  # too slow for now
    400: "apart",  # can be about one event: one with a character that the service does not take
    410: "never",  # gone: by its definition this address does not come back
    413: "halve",  # too large
    422: "apart",  # as 400
    425: "again",  # too early
    429: "again",  # too much for now
}


def after_status(status: int | None) -> Treatment:
    """Return what follows from an HTTP status; None: there was no answer.

    A redirect is never followed, so somebody must correct the URL. Most statuses from 400 on mean a wrong token, path
    or chat, which somebody must correct, too.
    """
    if status is None or not 300 <= status < 500:
        return "again"
    return _SPECIAL.get(status, "slowly")


def after_reply(code: int | None) -> Treatment:
    """Return what follows from an SMTP reply; None: there was none. Replies from 500 on are final by RFC 5321."""
    if code is None or code < 500:
        return "again"
    return "apart" if code == 552 else "slowly"  # 552: too large, or the mailbox is full


def requested_pause(headers: Mapping[str, str], body: Any, now: datetime) -> float | None:
    """Return the seconds that an answer asks for, between 0 and `LONGEST_PAUSE`, or None.

    The header is RFC 9110's, a number of seconds or a date; `body` is the answer's JSON, in which Telegram
    (`parameters.retry_after`), Discord (`retry_after`) and Matrix (`retry_after_ms`) say it. The longest counts.
    """
    fields = body if isinstance(body, dict) else {}
    parameters = fields.get("parameters")
    requests = (
        _from_header(headers.get("Retry-After"), now),
        _seconds(parameters.get("retry_after")) if isinstance(parameters, dict) else None,
        _seconds(fields.get("retry_after")),
        _seconds(fields.get("retry_after_ms"), 1000),
    )
    known = [seconds for seconds in requests if seconds is not None]
    return min(max(0.0, *known), LONGEST_PAUSE) if known else None


def _from_header(value: str | None, now: datetime) -> float | None:
    seconds = _seconds(value)
    if value is None or seconds is not None:
        return seconds
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError, TypeError):
        return None
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds()


def _seconds(value: object, parts: int = 1) -> float | None:
    """Return a number of `parts` of a second in seconds; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        seconds = float(value) / parts
    except (ValueError, OverflowError):
        return None
    return None if isnan(seconds) else seconds
