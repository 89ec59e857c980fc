"""One request to the API: retries, redirects, deadlines and bounds. What comes is handed on as bytes.

url → attempt → redirects (same host) → raw bytes → bounded inflate → body
      └─ again, twice, on 429, 5xx and network errors, after a pause
"""

import contextlib
import random
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from watcher import __version__
from watcher.errors import ConfigError
from watcher.upstream.errors import (
    NotPromisedError,
    RedirectError,
    StatusError,
    TooLargeError,
    TooSlowError,
    UnreachableError,
    UpstreamError,
    excerpt,
)
from watcher.upstream.inflate import ACCEPTED, Inflate
from watcher.upstream.watchdog import Watchdog

if TYPE_CHECKING:
    import httpx

# httpx loads its own command line, and with it rich and pygments, wherever click and rich are installed: 45 ms of every
# check. It does without when that import fails.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]

USER_AGENT = f"openrouter-watcher/{__version__} (+https://openrouter.ai/docs/api-reference/list-available-models)"

_LONGEST_WAIT = 30 * 24 * 3600.0  # seconds; what a StatusError carries at most, so that callers can add it to a time
ERROR_BODY = 64 * 1024
"""Bytes: an answer that is an error is not larger, or is not read further."""
_REDIRECTS = (301, 302, 303, 307, 308)


class Limits(Struct, frozen=True):
    """Bounds on one call. Times are seconds, sizes are bytes."""

    connect: float = 10.0
    read: float = 20.0
    """The longest silence within an answer."""
    total: float = 60.0
    """The longest that one attempt may take from the first byte sent to the last byte read, redirects included."""
    body: int = 64 * 1024 * 1024
    """For all pages of a listing together, counted before and after decompression."""
    pages: int = 100
    redirects: int = 5
    retries: int = 2
    backoff: float = 1.0
    """The pause before the first retry, doubled for each further one, times a random factor of 0.5 to 1.5."""
    retry_after: float = 60.0
    """The longest `Retry-After` that is waited for; a longer one ends the call and is told to the caller."""


class Answer(Struct, frozen=True):
    """What came with status 200: the body, decompressed, and the headers that matter."""

    url: "httpx.URL"
    body: bytes
    content_type: str
    content_encoding: str
    cache_control: str
    age: str


class Transport:
    """Gets what URLs of one host lead to; not for several threads at once.

    Args:
        home: a URL of the host that the key is for.
        key: a checked API key, sent there as a bearer token, and to no other host.
        limits: the bounds of each call.
        sleep, random, monotonic, now: the clock and the dice. `now` is in UTC.
    """

    def __init__(
        self,
        home: str,
        key: str | None,
        limits: Limits,
        *,
        sleep: Callable[[float], object] = time.sleep,
        random: Callable[[], float] = random.random,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._home = home
        self._key = key
        self._limits = limits
        self._sleep = sleep
        self._random = random
        self._monotonic = monotonic
        self._now = now
        self._http: dict[str, httpx.Client] = {}
        self._watchdog = Watchdog()

    def close(self) -> None:
        """Close the connections that are kept open between calls."""
        for http in self._http.values():
            http.close()
        self._http.clear()

    def get(self, url: "httpx.URL", accept: str, room: int) -> Answer:
        """Return what `url` answers with status 200, of at most `room` bytes. Raises UpstreamError and ConfigError."""
        limits = self._limits
        for attempt in range(limits.retries + 1):
            try:
                return self._attempt(url, accept, room)
            except UpstreamError as error:
                if not error.retryable or attempt == limits.retries:
                    raise
                asked = (error.retry_after or 0.0) if isinstance(error, StatusError) else 0.0
                if asked > limits.retry_after:
                    raise
            self._sleep(max(asked, limits.backoff * 2**attempt * (0.5 + self._random())))
        raise AssertionError("the last attempt returns or raises")

    def _attempt(self, url: "httpx.URL", accept: str, room: int) -> Answer:
        deadline = self._monotonic() + self._limits.total
        seen = {str(url)}
        with self._watchdog.watching(self._limits.total):
            for _ in range(self._limits.redirects + 1):
                with self._translated(url, deadline), self._answering(url, accept) as response:
                    self._check(deadline, url)
                    if response.status_code == 200:
                        return Answer(
                            url,
                            self._read(response, url, room, deadline),
                            response.headers.get("content-type", ""),
                            response.headers.get("content-encoding", ""),
                            response.headers.get("cache-control", ""),
                            response.headers.get("age", "").strip(),
                        )
                    target = response.headers.get("location")
                    if response.status_code not in _REDIRECTS or target is None:
                        raise self._status_error(response, url, deadline)
                came_from, url = url, follow(url, target, "a redirect")
                if str(url) in seen:
                    raise RedirectError(
                        f"{shown(came_from)}: its redirects go round in circles; check source.url in the configuration"
                    )
                seen.add(str(url))
        raise RedirectError(
            f"{shown(url)}: more than {self._limits.redirects} redirects; check source.url in the configuration"
        )

    @contextlib.contextmanager
    def _answering(self, url: "httpx.URL", accept: str) -> "Iterator[httpx.Response]":
        """The answer to one request, with its headers read and its body still to come; closed at the end."""
        http = self._client_for(url.scheme)
        headers = {"Accept": accept, "Accept-Encoding": ACCEPTED, "User-Agent": USER_AGENT}
        if self._key is not None and url.host == self._home_host:
            headers["Authorization"] = f"Bearer {self._key}"
        request = http.build_request("GET", url, headers=headers, extensions={"trace": self._watchdog.trace})
        response = http.send(request, stream=True)
        try:
            yield response
        finally:
            response.close()

    @contextlib.contextmanager
    def _translated(self, url: "httpx.URL", deadline: float) -> Iterator[None]:
        """Turns httpx's errors into ours."""
        import httpx

        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            if self._watchdog.barked or self._monotonic() >= deadline:
                raise self._too_slow(url) from error
            if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
                raise TooSlowError(
                    f"{shown(url)}: nothing came for {self._limits.read:g} s; it is tried again at the next check",
                    retryable=True,
                ) from error
            # httpx looks at Location whether it is to follow it or not.
            if isinstance(error, httpx.InvalidURL) or "location header" in str(error):
                raise RedirectError(f"{shown(url)}: redirects to something that is no URL") from error
            if isinstance(error, httpx.ConnectTimeout):
                reason = f"no connection within {self._limits.connect:g} s"
            else:
                reason = self.quoted(str(error)) or type(error).__name__
            raise UnreachableError(
                f"{shown(url)}: could not be read: {reason}; check the network, the proxy settings and source.url"
            ) from error

    def _read(self, response: "httpx.Response", url: "httpx.URL", room: int, deadline: float) -> bytes:
        """The decompressed body. The raw and the decompressed size are each held against `room`."""
        encoding = response.headers.get("content-encoding", "").strip().lower()
        try:
            inflate = Inflate(encoding)
        except ValueError:
            raise NotPromisedError(
                f"{shown(url)}: the body is encoded as {excerpt(encoding)!r}, which was not asked for; check whether "
                "a proxy stands in between"
            ) from None
        declared = response.headers.get("content-length", "")
        if declared.isdecimal() and len(declared) < 20 and int(declared) > room:
            raise _too_large(url, room)
        raw = size = 0
        parts: list[bytes] = []
        try:
            for chunk in response.iter_raw():
                self._check(deadline, url)
                raw += len(chunk)
                for piece in inflate.pieces(chunk):
                    size += len(piece)
                    if size > room:
                        raise _too_large(url, room)
                    parts.append(piece)
                if raw > room:
                    raise _too_large(url, room)
            self._check(deadline, url)  # a connection that the watchdog cut may look like the end of the body
        except zlib.error:
            raise NotPromisedError(
                f"{shown(url)}: the body says that it is {encoding}, but cannot be decompressed; check whether a "
                "proxy stands in between"
            ) from None
        if raw and not inflate.complete:
            raise UnreachableError(
                f"{shown(url)}: the answer broke off after {raw} bytes; it is tried again at the next check"
            )
        return b"".join(parts)

    def _status_error(self, response: "httpx.Response", url: "httpx.URL", deadline: float) -> StatusError:
        status = response.status_code
        try:
            body = self._read(response, url, ERROR_BODY, deadline)
        except UpstreamError:
            body = b""
        detail = self.quoted(api_error(body) or body[:1024].decode("utf-8", "backslashreplace"))
        advice = {
            400: "check category, supported_parameters and output_modalities in [source]",
            401: "check the API key",
            403: "check the API key, and whether this network is allowed",
            404: "check source.url",
            429: "it asks for fewer calls; a longer source.interval helps",
        }.get(status, "it is tried again at the next check" if status >= 500 else "check source.url")
        wait = _retry_after(response.headers.get("retry-after"), self._now())
        return StatusError(
            f"{shown(url)}: answered {status} {excerpt(response.reason_phrase, 40)}".rstrip()
            + (f": {detail}" if detail else "")
            + (f" (Retry-After: {wait:g} s)" if wait is not None else "")
            + f"; {advice}",
            status,
            wait,
        )

    @property
    def _home_host(self) -> str:
        import httpx

        return httpx.URL(self._home).host

    def _client_for(self, scheme: str) -> "httpx.Client":
        """The httpx client for a scheme, made once: certificates (20 to 50 ms to load) are loaded for https alone."""
        import httpx

        if scheme not in self._http:
            limits = self._limits
            timeout = httpx.Timeout(min(limits.read, limits.total), connect=min(limits.connect, limits.total))
            try:
                self._http[scheme] = httpx.Client(timeout=timeout, follow_redirects=False, verify=scheme == "https")
            except (ValueError, ImportError, OSError, httpx.InvalidURL) as error:
                raise ConfigError(
                    "the proxy or certificate settings in the environment (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, "
                    f"SSL_CERT_FILE, SSL_CERT_DIR) cannot be used: {type(error).__name__}; correct or unset them"
                ) from None
        return self._http[scheme]

    # Small judgements

    def _check(self, deadline: float, url: "httpx.URL") -> None:
        if self._watchdog.barked or self._monotonic() >= deadline:
            raise self._too_slow(url)

    def _too_slow(self, url: "httpx.URL") -> TooSlowError:
        return TooSlowError(
            f"{shown(url)}: the answer was not complete within {self._limits.total:g} s; it is tried again at the "
            "next check"
        )

    def quoted(self, text: str, limit: int = 200) -> str:
        """A stranger's words for a message, without the key should they repeat it."""
        return excerpt(text.replace(self._key, "[the key]") if self._key else text, limit)


def follow(here: "httpx.URL", link: str, what: str) -> "httpx.URL":
    """Return where `link` leads from `here`: the same host and port, by https if `here` is; http may become https.

    Raises RedirectError where it leads elsewhere; `what` names the link in its message.
    """
    import httpx

    try:
        there = here.join(link)
        same = (there.scheme, there.host, there.port) == (here.scheme, here.host, here.port)
        better = (here.scheme, there.scheme) == ("http", "https") and there.host == here.host
        # Another port is another server: only the well-known pair, or one port that speaks both, is the same.
        better = better and (here.port == there.port or (here.port, there.port) == (None, None))
        allowed = (same or better) and not there.userinfo
    except (httpx.InvalidURL, ValueError):
        raise RedirectError(f"{shown(here)}: {what} leads to something that is no URL") from None
    if not allowed:
        raise RedirectError(
            f"{shown(here)}: {what} leads to {shown(there)}, which is not the same host (or not as safe), so it "
            "was not followed; if the API has moved, change source.url"
        )
    return there.copy_with(fragment=None)


def shown(url: "httpx.URL") -> str:
    """A URL for a message: never its user name or password, and not without end."""
    return excerpt(str(url.copy_with(userinfo=b"") if url.userinfo else url), 300)


def _too_large(url: "httpx.URL", room: int) -> TooLargeError:
    return TooLargeError(
        f"{shown(url)}: the answer is larger than the {room} bytes that are read at most; check source.url"
    )


def api_error(body: bytes) -> str | None:
    """The message of an API error, `{"error": {"message": …}}`; None if the body is none, or has `data` as well."""
    try:
        document = msgspec.json.decode(body.removeprefix(b"\xef\xbb\xbf"))
        error = None if document.get("data") else document.get("error")
    except (msgspec.MsgspecError, ValueError, RecursionError, AttributeError):
        return None
    if not error:
        return None
    message = error.get("message") if isinstance(error, dict) else error
    return message if message and isinstance(message, str) else msgspec.json.encode(error).decode()


def _retry_after(value: str | None, now: datetime) -> float | None:
    """A `Retry-After` header, in seconds from now: a number of seconds or an HTTP date; None where it is neither."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdecimal():
        return min(float(value), _LONGEST_WAIT)
    try:
        when = parsedate_to_datetime(value)
        seconds = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - now.timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), _LONGEST_WAIT)
