"""What follows from the answer of a service: `docs/delivery.md` shows this table, and a test compares the two.

An alert is worth more than a few requests in vain, so nearly everything is tried again: somebody will put a rotated
token, an archived channel or a mistyped path right within the days that an alert waits. Such a refusal is tried again
slowly, since many attempts with a wrong password get an address banned. Only what the service itself calls final, or
what could only become worse, is given up at once.
"""

from collections.abc import Collection, Sequence
from typing import Literal

from msgspec import Struct

Treatment = Literal["sent", "again", "slowly", "never"]
"""`again`: with the usual growing pauses; `slowly`: not before an hour; `never`: given up at once."""

SLOW_PAUSE = 3600.0
"""Seconds to wait at least before trying `slowly` again."""


class Rule(Struct, frozen=True):
    """One row: what a service did, what follows, and why. The first row for a code counts."""

    on: str
    then: Treatment
    why: str
    codes: Collection[int] = ()
    """The HTTP statuses (in `MAIL`, the SMTP replies) it is about."""


HTTP: tuple[Rule, ...] = (
    Rule("200–299", "sent", "The service has accepted the message.", range(200, 300)),
    Rule(
        "300–399",
        "slowly",
        "A redirect is never followed, neither to the same host nor to another, and never counts as sent: the alert "
        "and its secrets go where the URL says. Somebody must correct the URL, or a login page is in the way.",
        range(300, 400),
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
        range(400, 500),
    ),
    Rule(
        "500–599",
        "again",
        "The service or a proxy before it is broken or overloaded. `Retry-After` is kept to.",
        range(500, 600),
    ),
)

MAIL: tuple[Rule, ...] = (
    Rule(
        "mail: 400–499",
        "again",
        "The mail server says that it is for now: greylisting, a full queue.",
        range(400, 500),
    ),
    Rule(
        "mail: 500–599, the login too",
        "slowly",
        "A wrong password, an unknown recipient, a refused sender: somebody can put it right while the alert waits.",
        range(500, 600),
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


def treatment(table: Sequence[Rule], code: int | None) -> Treatment:
    """Return what follows from a refusal with this code; None: there was no answer."""
    return next((rule.then for rule in table if code in rule.codes), "again")
