"""Errors of the upstream and of archives.

Every message names the URL or the file, without user names, passwords or keys, and says what to do next. Text from a
stranger is quoted through `excerpt`.
"""

from watcher.errors import SourceError, UsageError
from watcher.redaction import redact

LATER = "it is tried again at the next check"
"""What errors say that call for nothing else."""


class UpstreamError(SourceError):
    """The upstream could not be read. `retryable`: the same request may succeed a moment later."""

    retryable = False


class UnreachableError(UpstreamError):
    """No connection, or it broke or stalled before the answer was complete."""

    retryable = True


class StatusError(UpstreamError):
    """An HTTP status other than 200. `retry_after` is the wait it asked for, in seconds; None if it asked for none."""

    def __init__(self, message: str, status: int, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
        self.retryable = status == 429 or status >= 500


class TooSlowError(UpstreamError):
    """The answer was not complete in time."""


class TooLargeError(UpstreamError):
    """The answer is larger than the limit."""


class NotPromisedError(UpstreamError):
    """The answer has status 200, but is not what the API promises: HTML, broken JSON, another shape."""


class ArchiveError(UsageError):
    """An archive does not exist, or cannot be read as a whole."""


_LONGEST = 64 * 1024
"""Bytes or characters of a text that are looked at."""


def excerpt(raw: bytes | str, limit: int = 80) -> str:
    """Return the beginning of a stranger's text, on one line, without secrets, and with control characters escaped."""
    text = raw[:_LONGEST].decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else raw[:_LONGEST]
    text = " ".join(redact(text)[: limit * 4].split())
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: limit + 1])
    return shown if len(shown) <= limit else shown[:limit] + "…"
