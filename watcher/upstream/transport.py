"""One GET request: retries, redirects, a deadline and a size limit.

url → attempt → redirects (same host) → raw bytes → inflate → Answer(url, body, headers)
      └─ up to two retries after 429, 5xx and network errors, each after a pause
"""

import os
import random
import sys
import time
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from watcher import __version__, network
from watcher.redaction import HIDDEN
from watcher.upstream.errors import (
    LATER,
    NotPromisedError,
    StatusError,
    TooLargeError,
    TooSlowError,
    UnreachableError,
    UpstreamError,
    excerpt,
)
from watcher.upstream.inflate import inflate
from watcher.upstream.key import ApiKey
from watcher.upstream.watchdog import Watchdog

if TYPE_CHECKING:
    import httpx

# httpx imports its own command line, and with it rich and pygments, where click and rich are installed. That takes
# 45 ms of every check. httpx works without it when that import fails.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]

USER_AGENT = f"openrouter-watcher/{__version__} (+https://openrouter.ai/docs/api-reference/list-available-models)"

ERROR_BODY = 64 * 1024
"""Bytes of an error body that are read. A longer body is not an error."""

_LONGEST_WAIT = 30 * 24 * 3600.0  # seconds; a larger `Retry-After` could not be added to a time
_ADVICE = {
    400: "check category, supported_parameters and output_modalities in [source]",
    401: "it asks for an API key: set OPENROUTER_API_KEY or source.api_key_file",
    403: "check whether this network is allowed",
    404: "check source.url",
    429: "it asks for fewer calls; a longer source.interval helps",
}
_KEY = {
    401: "check the API key in {}",
    403: "check what the API key in {} may do, and whether this network is allowed",
}


class Limits(Struct, frozen=True):
    """Limits of one call. Times are in seconds, sizes in bytes."""

    connect: float = 10.0
    read: float = 20.0
    """The longest silence within an answer."""
    total: float = 60.0
    """The longest time for one attempt, redirects included."""
    body: int = 64 * 1024 * 1024
    """For all pages of a listing together, after decompression."""
    pages: int = 100
    redirects: int = 5
    retries: int = 2
    backoff: float = 1.0
    """The pause before the first retry. It doubles for each further one, times a random factor of 0.5 to 1.5."""
    retry_after: float = 60.0
    """The longest `Retry-After` to wait for. A longer one ends the call; the error carries it."""


class RetryClock(Struct, frozen=True):
    """The clock and the random numbers of retries. `now` is in UTC."""

    sleep: Callable[[float], object] = time.sleep
    random: Callable[[], float] = random.random
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


class Answer(Struct, frozen=True):
    """An answer with status 200; its body is decompressed."""

    url: "httpx.URL"
    body: bytes
    headers: "httpx.Headers"


class Transport:
    """Gets URLs of one host, to which alone the key is sent. Not for several threads at once."""

    def __init__(self, home: str, key: ApiKey | None, limits: Limits, clock: RetryClock) -> None:
        self._home = home
        self._key = None if key is None else key.secret
        self._advice = _ADVICE | ({} if key is None else {code: why.format(key.origin) for code, why in _KEY.items()})
        self._limits = limits
        self._clock = clock
        self._http: dict[str, httpx.Client] = {}
        self._watchdog = Watchdog()

    def close(self) -> None:
        """Close the connections that are kept open between calls."""
        for http in self._http.values():
            http.close()
        self._http.clear()

    def get(self, url: "httpx.URL", accept: str, limit: int, *, retry: bool = True) -> Answer:
        """Return the answer of `url`, of at most `limit` bytes. Raises UpstreamError and ConfigError."""
        limits = self._limits
        retries = limits.retries if retry else 0
        for attempt in range(retries + 1):
            try:
                return self._attempt(url, accept, limit)
            except UpstreamError as error:
                wanted = (error.retry_after or 0.0) if isinstance(error, StatusError) else 0.0
                if not error.retryable or attempt == retries or wanted > limits.retry_after:
                    raise
            self._clock.sleep(max(wanted, limits.backoff * 2**attempt * (0.5 + self._clock.random())))
        raise AssertionError("the last attempt returns or raises")

    def _attempt(self, url: "httpx.URL", accept: str, limit: int) -> Answer:
        total = self._limits.total
        with self._watchdog.watching(total):
            try:
                answer = self._follow_redirects(url, accept, limit)
                if not self._watchdog.barked:  # a connection that it cut can look like the end of the body
                    return answer
            except UpstreamError:
                if not self._watchdog.barked:
                    raise
        raise TooSlowError(f"{shown(url)}: the answer was not complete within {total:g} s; {LATER}")

    def _follow_redirects(self, url: "httpx.URL", accept: str, limit: int) -> Answer:
        import httpx

        headers = {"Accept": accept, "Accept-Encoding": "gzip", "User-Agent": USER_AGENT}
        if self._key is not None and url.host == httpx.URL(self._home).host:  # redirects stay on the host
            headers["Authorization"] = f"Bearer {self._key}"
        trace = {"trace": self._watchdog.trace}
        for _ in range(self._limits.redirects + 1):
            try:
                with self._client_for(url).stream("GET", url, headers=headers, extensions=trace) as response:
                    if response.status_code == 200:
                        return Answer(url, self._read(response, url, limit), response.headers)
                    if not response.has_redirect_location:
                        raise self._status_error(response, url)
            except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
                raise self._translated(error, url) from error
            url = follow(url, response.headers["location"], "a redirect")
        raise UpstreamError(
            f"{shown(url)}: more than {self._limits.redirects} redirects; check source.url in the configuration"
        )

    def _translated(self, error: Exception, url: "httpx.URL") -> UpstreamError:
        """Return httpx's error as one of ours."""
        import httpx

        # httpx parses Location even when it is not to follow it.
        if isinstance(error, httpx.InvalidURL) or "location header" in str(error):
            return UpstreamError(f"{shown(url)}: redirects to something that is not a URL")
        if isinstance(error, httpx.ConnectTimeout):
            reason = f"no connection within {self._limits.connect:g} s"
        elif isinstance(error, httpx.TimeoutException):
            reason = f"nothing came for {self._limits.read:g} s"
        else:
            reason = excerpt(str(error), 200) or type(error).__name__
        return UnreachableError(
            f"{shown(url)}: could not be read: {reason}; check the network, the proxy settings and source.url"
        )

    def _read(self, response: "httpx.Response", url: "httpx.URL", limit: int) -> bytes:
        """Return the decompressed body, of at most `limit` bytes."""
        size = 0
        pieces: list[bytes] = []
        try:
            for piece in inflate(response.iter_raw()):
                size += len(piece)
                if size > limit:
                    raise TooLargeError(
                        f"{shown(url)}: the answer is larger than the {limit} bytes that are read at most; "
                        "check source.url"
                    )
                pieces.append(piece)
        except zlib.error:
            raise NotPromisedError(
                f"{shown(url)}: the body begins like gzip, but cannot be decompressed; check whether a proxy stands "
                "in between"
            ) from None
        except EOFError:
            raise UnreachableError(f"{shown(url)}: the answer broke off after {size} bytes; {LATER}") from None
        body = b"".join(pieces)
        # An echo must not become the name of a model, which is stored and announced.
        return body.replace(self._key.encode(), HIDDEN.encode()) if self._key else body

    def _status_error(self, response: "httpx.Response", url: "httpx.URL") -> StatusError:
        status = response.status_code
        try:
            body = self._read(response, url, ERROR_BODY)
        except UpstreamError:
            body = b""
        detail = excerpt(api_error(body) or body, 200)
        wait = _retry_after(response.headers.get("retry-after", ""), self._clock.now())
        return StatusError(
            f"{shown(url)}: answered {status} {excerpt(response.reason_phrase, 40)}".rstrip()
            + (f": {detail}" if detail else "")
            + (f" (Retry-After: {wait:g} s)" if wait is not None else "")
            + "; "
            + self._advice.get(status, LATER if status >= 500 else "check source.url"),
            status,
            wait,
        )

    def _client_for(self, url: "httpx.URL") -> "httpx.Client":
        """Return the httpx client of the URL's scheme: the host is always the same."""
        import httpx

        if url.scheme not in self._http:
            limits = self._limits
            timeout = httpx.Timeout(min(limits.read, limits.total), connect=min(limits.connect, limits.total))
            self._http[url.scheme] = network.client(str(url), os.environ, timeout=timeout)
        return self._http[url.scheme]


def follow(here: "httpx.URL", link: str, what: str) -> "httpx.URL":
    """Return the URL that `link` leads to from `here`: of the same scheme, host and port; only http may become https.

    Raises UpstreamError if it leads elsewhere. `what` names the link in its message.
    """
    import httpx

    try:
        there = here.join(link)
        # Another port is another server. httpx gives the default ports of http and https as None.
        same_server = (there.host, there.port) == (here.host, here.port)
        allowed = same_server and there.scheme in (here.scheme, "https") and not there.userinfo
    except (httpx.InvalidURL, ValueError):
        raise UpstreamError(f"{shown(here)}: {what} leads to something that is not a URL") from None
    if not allowed:
        raise UpstreamError(
            f"{shown(here)}: {what} leads to {shown(there)}, which is not the same host (or not as safe), so it "
            "was not followed; if the API has moved, change source.url"
        )
    return there.copy_with(fragment=None)


def shown(url: "httpx.URL") -> str:
    """Return a URL for a message: shortened, without user name and password."""
    return excerpt(str(url.copy_with(userinfo=b"") if url.userinfo else url), 300)


def api_error(body: bytes) -> str | None:
    """Return the message of an API error, `{"error": {"message": …}}`. None if it is not an error or has `data` too."""
    try:
        document = msgspec.json.decode(body.removeprefix(b"\xef\xbb\xbf"))
        error = None if document.get("data") else document.get("error")
    except (msgspec.MsgspecError, ValueError, RecursionError, AttributeError):
        return None
    if not error:
        return None
    message = error.get("message") if isinstance(error, dict) else error
    return message if message and isinstance(message, str) else msgspec.json.encode(error).decode()


def _retry_after(value: str, now: datetime) -> float | None:
    """Return the seconds of a `Retry-After` header, which is a number or an HTTP date. None if it is neither."""
    value = value.strip()
    if value.isascii() and value.isdecimal():
        return min(float(value), _LONGEST_WAIT)
    try:
        date = parsedate_to_datetime(value)
        seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now.timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), _LONGEST_WAIT)
