"""What follows when a service refuses a message. `docs/delivery.md` gives the reasons, and a test compares the two.

An alert is worth more than a few requests in vain, so nearly everything is tried again: within the days that an alert
waits, somebody will correct an old token, an archived channel or a mistyped path. Such a refusal is tried again slowly,
since many attempts with a wrong password get an address banned. Only what the service itself calls final, or what
could only become worse, is given up at once.
"""

from typing import Literal

Treatment = Literal["again", "slowly", "never"]
"""`again`: with the usual growing pauses; `slowly`: not before an hour; `never`: given up at once."""

SLOW_PAUSE = 3600.0
"""Seconds to wait at least before trying `slowly` again."""

_SPECIAL: dict[int, Treatment] = {
    408: "again",  # too slow for now
    410: "never",  # gone: by its definition this address does not come back
    413: "never",  # too large: the next attempt holds the same events and more
    425: "again",  # too early
    429: "again",  # too much for now
}


def after_status(status: int | None) -> Treatment:
    """Return what follows from an HTTP status; None: there was no answer.

    A redirect is never followed, so somebody must correct the URL. The other 400s mostly need somebody too: a wrong
    token, path or chat.
    """
    if status is None or not 300 <= status < 500:
        return "again"
    return _SPECIAL.get(status, "slowly")


def after_reply(code: int | None) -> Treatment:
    """Return what follows from an SMTP reply; None: there was none. Replies from 500 on are final by RFC 5321."""
    return "again" if code is None or code < 500 else "slowly"
