"""What can go wrong with the upstream and with recorded archives, each with its own type.

Every message names the URL or the file, without user names, passwords or keys, and says what to do next. What a
stranger sent is quoted through `excerpt`, never raw.
"""

from watcher.errors import SourceError, UsageError


class UpstreamError(SourceError):
    """The upstream could not be read. `retryable` says whether the same request may well succeed a moment later."""

    retryable = False


class UnreachableError(UpstreamError):
    """No connection, or one that broke before the answer was complete."""

    retryable = True


class StatusError(UpstreamError):
    """The upstream answered with an HTTP status other than 200.

    `retry_after` is the number of seconds after which it asked to be called again, or None if it did not ask.
    """

    def __init__(self, message: str, status: int, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
        self.retryable = status == 429 or status >= 500


class TooSlowError(UpstreamError):
    """The answer stalled, or was not complete within the deadline for a whole request."""

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class TooLargeError(UpstreamError):
    """The answer is larger than we are willing to read, before or after decompression."""


class NotPromisedError(UpstreamError):
    """Something came with status 200, but not what the API promises: HTML, broken JSON, another shape."""


class RedirectError(UpstreamError):
    """The upstream points to another host, from https to http, or round in circles."""


class ArchiveError(UsageError):
    """An archive of recorded snapshots does not exist or cannot be read as a whole."""


def excerpt(raw: bytes | str, limit: int = 80) -> str:
    """The beginning of what a stranger sent, on one line and safe to print: control characters are escaped."""
    text = raw[: limit * 4].decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else raw
    text = " ".join(text[: limit * 4].split())
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: limit + 1])
    return shown if len(shown) <= limit else shown[:limit] + "…"
