"""What is done on which answer of a service: `docs/delivery.md` shows this table, and a test holds the two together.

An alert is worth more than a few requests in vain, so next to everything is tried again: a token that was rotated, a
channel that was archived or a path that was mistyped is put right by somebody within the days that an alert waits.
Such a refusal is tried again slowly, since many attempts with a wrong password get an address banned. Given up at
once is only what the service itself calls final, or what could only become worse.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isnan
from typing import Any, Literal

from msgspec import Struct

Treatment = Literal["sent", "again", "slowly", "never"]
"""`again`: with the usual growing pauses; `slowly`: not before an hour; `never`: given up at once."""

SLOW_PAUSE = 3600.0
"""Seconds before what was refused for a reason that somebody must put right is tried again, at least."""
LONGEST_PAUSE = 86_400.0
"""Seconds that a service can ask for: more would outlast the alert."""


class Rule(Struct, frozen=True):
    """One row: what a service did, what follows, and why."""

    on: str
    then: Treatment
    why: str
    statuses: tuple[int, ...] = ()
    """The HTTP statuses (or, in `MAIL`, the SMTP replies) it is about."""


HTTP: tuple[Rule, ...] = (
    Rule("200–299", "sent", "The service has accepted the message.", tuple(range(200, 300))),
    Rule(
        "300–399",
        "slowly",
        "A redirect is never followed, neither to the same host nor to another, and never counts as sent: the alert "
        "and its secrets go where the URL says. Somebody must correct the URL, or a login page is in the way.",
        tuple(range(300, 400)),
    ),
    Rule(
        "408, 425, 429",
        "again",
        "Too slow, too early or too much for now. `Retry-After` is kept to.",
        (408, 425, 429),
    ),
    Rule("410", "never", "Gone: by its definition the service says that this address does not come back.", (410,)),
    Rule("413", "never", "Too large for this server: the next attempt holds the same events and more.", (413,)),
    Rule(
        "400–407, 409, 411–499 but those above",
        "slowly",
        "A wrong token, right, path, chat or setting (Telegram says 400 for a chat that it does not know): mostly a "
        "mistake in the configuration or at the service, which somebody can put right while the alert waits.",
        tuple(status for status in range(400, 500) if status not in (408, 410, 413, 425, 429)),
    ),
    Rule(
        "500–599",
        "again",
        "The service or a proxy before it is broken or overloaded. `Retry-After` is kept to.",
        tuple(range(500, 600)),
    ),
)

MAIL: tuple[Rule, ...] = (
    Rule(
        "mail: 400–499",
        "again",
        "The mail server says that it is for now: greylisting, a full queue.",
        tuple(range(400, 500)),
    ),
    Rule(
        "mail: 500–599, the login too",
        "slowly",
        "A wrong password, an unknown recipient, a refused sender: somebody can put it right while the alert waits.",
        tuple(range(500, 600)),
    ),
    Rule(
        "mail: some recipients accepted, the others refused with 500–599",
        "sent",
        "Trying again would send the mail to the accepted ones again, for days. The refusal is in the log and in "
        "`watcher deliveries`.",
    ),
)

_MAYBE = "It may have arrived; if so it comes again, with the same ids."

OTHER: tuple[Rule, ...] = (
    Rule("connection refused, unknown host, unreachable", "again", "The service is down, or the network is."),
    Rule("connection reset or lost, cut-off answer", "again", _MAYBE),
    Rule("TLS failure, certificate not accepted", "again", "Nothing was sent. Certificates are renewed."),
    Rule("no answer in time", "again", _MAYBE),
    Rule("the channel's URL is unusable or cannot be read", "again", "Nothing is sent, so it costs nothing."),
    Rule("an error in the plugin", "again", "A bug of one plugin is that channel's failure and nobody else's."),
)  # fmt: skip

_HTTP = {status: rule.then for rule in HTTP for status in rule.statuses}
_MAIL = {reply: rule.then for rule in MAIL for reply in rule.statuses}


def on_http(status: int | None) -> Treatment:
    """Return what follows from the HTTP status of a sending that failed; None: there was no answer."""
    return _HTTP.get(status, "again") if status is not None else "again"


def on_mail(reply: int | None) -> Treatment:
    """Return what follows from the SMTP reply that refused a mail; None: there was none."""
    return _MAIL.get(reply, "again") if reply is not None else "again"


def pause(treatment: Treatment, asked: float | None) -> float | None:
    """Return the seconds to wait at least: what the service asked for, and an hour where it is tried again slowly."""
    if treatment == "slowly":
        return max(SLOW_PAUSE, asked or 0.0)
    return asked


def asked_pause(headers: Mapping[str, str], body: Any, now: datetime) -> float | None:
    """Return the seconds that an answer asks to be left alone, between 0 and `LONGEST_PAUSE`, or None.

    The header is RFC 9110's, a number of seconds or a date; `body` is the answer's JSON, in which Telegram
    (`parameters.retry_after`), Discord (`retry_after`) and Matrix (`retry_after_ms`) say it. The longest counts.
    """
    asked = [_from_header(headers.get("Retry-After"), now)]
    if isinstance(body, dict):
        parameters = body.get("parameters")
        asked.append(_seconds(parameters.get("retry_after")) if isinstance(parameters, dict) else None)
        asked.append(_seconds(body.get("retry_after")))
        milliseconds = _seconds(body.get("retry_after_ms"))
        asked.append(milliseconds / 1000 if milliseconds is not None else None)
    known = [seconds for seconds in asked if seconds is not None]
    return min(max(0.0, *known), LONGEST_PAUSE) if known else None


def _from_header(value: str | None, now: datetime) -> float | None:
    if value is None:
        return None
    seconds = _seconds(value.strip())
    if seconds is not None:
        return seconds
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError, TypeError):
        return None
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds()


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return None if isnan(seconds) else min(seconds, LONGEST_PAUSE * 1000)
