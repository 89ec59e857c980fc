"""Reading OpenRouter's models API over HTTP, politely and within bounds.

    url → attempt → redirects (same host) → raw bytes → bounded inflate → body
          └─ again, twice, on 429, 5xx and network errors, after a pause

The bodies are handed on as bytes: `catalog.reading` decodes them, so that a poll that changed nothing is not parsed
twice. Here a page is only looked at as far as needed to find the next one.
"""

import contextlib
import json
import random
import re
import socket
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

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
from watcher.upstream.key import checked_key

if TYPE_CHECKING:
    import httpx

# httpx loads its own command line, and with it rich and pygments, wherever click and rich are installed: 45 ms of every
# check. It does without when that import fails.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]

USER_AGENT = f"openrouter-watcher/{__version__} (+https://openrouter.ai/docs/api-reference/list-available-models)"

_LONGEST_WAIT = 30 * 24 * 3600.0  # seconds; what a StatusError carries at most, so that callers can add it to a time
_ERROR_BODY = 64 * 1024  # bytes read of an answer that is an error, for its message
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


class Listing(Struct, frozen=True):
    """The list of models as it came: the body of each page, in order.

    `max_age` is how many seconds the upstream says that it may be cached, or None. `age` is how many seconds ago a
    cache in between got it (RFC 9111), or None where no cache says so.
    """

    pages: tuple[bytes, ...]
    max_age: int | None = None
    age: int | None = None


class _Answer(Struct, frozen=True):
    url: "httpx.URL"
    body: bytes
    content_type: str
    cache_control: str
    age: str


class _Links(Struct):
    next: str | None = None


class _Page(Struct):
    links: _Links | None = None


class _Count(Struct):
    count: int


class _CountAnswer(Struct):
    data: _Count


class Client:
    """Reads one models API. Use it as a context manager, or `close` it; it is not for several threads at once.

    Args:
        url: the base, such as `https://openrouter.ai/api/v1`.
        query: parameters of `GET /models`, such as `{"output_modalities": "all"}`.
        api_key: sent as a bearer token to the host of `url`, to no other.
        sleep, random, monotonic, now: the clock and the dice, for tests. `now` is in UTC.

    Raises:
        ConfigError: `url` is no base to build on, or `api_key` cannot be a key.

    Every method that reads raises a subclass of `UpstreamError` when it cannot, and ConfigError when the proxy or
    certificate settings in the environment cannot be used.
    """

    def __init__(
        self,
        url: str,
        query: Mapping[str, str],
        *,
        api_key: str | None = None,
        limits: Limits = Limits(),  # noqa: B008 - it is frozen
        sleep: Callable[[float], object] = time.sleep,
        random: Callable[[], float] = random.random,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._base = _checked_base(url)
        self._query = dict(query)
        self._key = None if api_key is None else checked_key(api_key, "source")
        self._limits = limits
        self._sleep = sleep
        self._random = random
        self._monotonic = monotonic
        self._now = now
        self._http: dict[str, httpx.Client] = {}
        self._watchdog = _Watchdog()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections that are kept open between calls."""
        for http in self._http.values():
            http.close()
        self._http.clear()

    def models(self) -> Listing:
        """The whole list. `links.next` is followed on the same host; if any page fails, the listing fails."""
        limits = self._limits
        url = self._url("/models", self._query)
        seen = {str(url)}
        pages: list[bytes] = []
        max_age: int | None = None
        age: int | None = None
        room = limits.body
        while True:
            answer = self._get(url, "application/json", room)
            body = _as_object(answer)
            room -= len(body)
            pages.append(body)
            if len(pages) == 1:
                max_age = _max_age(answer.cache_control)
                age = int(answer.age) if re.fullmatch(r"\d{1,9}", answer.age, re.ASCII) else None
            link = _next_link(answer, body)
            if link is None:
                return Listing(tuple(pages), max_age, age)
            if len(pages) >= limits.pages:
                raise TooLargeError(
                    f"{_shown(answer.url)}: the list goes on after {limits.pages} pages, which is more than is read; "
                    "nothing was taken over. Report this if the catalogue has really grown that large"
                )
            url = self._follow(answer.url, link, "links.next")
            if str(url) in seen:
                raise NotPromisedError(
                    f"{_shown(answer.url)}: links.next leads back to a page that was read already, so the list has no "
                    "end; it is tried again at the next check"
                )
            seen.add(str(url))

    def feed(self, chat_links: bool = False) -> bytes:
        """The same list as RSS, as it came; `chat_links` asks for links to the chat page of each model."""
        query = self._query | {"use_rss": "true"} | ({"use_rss_chat_links": "true"} if chat_links else {})
        answer = self._get(self._url("/models", query), "application/rss+xml, application/xml;q=0.9", self._limits.body)
        start = answer.body[:256].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
        if start.startswith((b"<!doctype html", b"<html")) or not start.startswith((b"<", b"\xff\xfe", b"\xfe\xff")):
            raise _not_promised(answer, "a feed (RSS)")
        return answer.body

    def count(self) -> int:
        """How many models there are according to `GET /models/count`, for the `output_modalities` of the query."""
        query = {key: value for key, value in self._query.items() if key == "output_modalities"}
        answer = self._get(self._url("/models/count", query), "application/json", self._limits.body)
        try:
            count = msgspec.json.decode(answer.body, type=_CountAnswer).data.count
        except (msgspec.MsgspecError, ValueError, RecursionError):
            count = -1
        if count < 0:
            raise _not_promised(answer, '{"data": {"count": N}}')
        return count

    # One request, with its retries

    def _get(self, url: "httpx.URL", accept: str, room: int) -> _Answer:
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

    def _attempt(self, url: "httpx.URL", accept: str, room: int) -> _Answer:
        deadline = self._monotonic() + self._limits.total
        seen = {str(url)}
        with self._watchdog.watching(self._limits.total):
            for _ in range(self._limits.redirects + 1):
                with self._translated(url, deadline), self._answering(url, accept) as response:
                    self._check(deadline, url)
                    if response.status_code == 200:
                        return _Answer(
                            url,
                            self._read(response, url, room, deadline),
                            response.headers.get("content-type", ""),
                            response.headers.get("cache-control", ""),
                            response.headers.get("age", "").strip(),
                        )
                    target = response.headers.get("location")
                    if response.status_code not in _REDIRECTS or target is None:
                        raise self._status_error(response, url, deadline)
                came_from, url = url, self._follow(url, target, "a redirect")
                if str(url) in seen:
                    raise RedirectError(
                        f"{_shown(came_from)}: its redirects go round in circles; check source.url in the configuration"
                    )
                seen.add(str(url))
        raise RedirectError(
            f"{_shown(url)}: more than {self._limits.redirects} redirects; check source.url in the configuration"
        )

    @contextlib.contextmanager
    def _answering(self, url: "httpx.URL", accept: str) -> "Iterator[httpx.Response]":
        """The answer to one request, with its headers read and its body still to come; closed at the end."""
        http = self._client_for(url.scheme)
        headers = {"Accept": accept, "Accept-Encoding": ACCEPTED, "User-Agent": USER_AGENT}
        if self._key is not None and url.host == self._base_host:
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
                    f"{_shown(url)}: nothing came for {self._limits.read:g} s; it is tried again at the next check",
                    retryable=True,
                ) from error
            # httpx looks at Location whether it is to follow it or not.
            if isinstance(error, httpx.InvalidURL) or "location header" in str(error):
                raise RedirectError(f"{_shown(url)}: redirects to something that is no URL") from error
            if isinstance(error, httpx.ConnectTimeout):
                reason = f"no connection within {self._limits.connect:g} s"
            else:
                reason = self._quoted(str(error)) or type(error).__name__
            raise UnreachableError(
                f"{_shown(url)}: could not be read: {reason}; check the network, the proxy settings and source.url"
            ) from error

    def _read(self, response: "httpx.Response", url: "httpx.URL", room: int, deadline: float) -> bytes:
        """The decompressed body. The raw and the decompressed size are each held against `room`."""
        encoding = response.headers.get("content-encoding", "").strip().lower()
        try:
            inflate = Inflate(encoding)
        except ValueError:
            raise NotPromisedError(
                f"{_shown(url)}: the body is encoded as {excerpt(encoding)!r}, which was not asked for; check whether "
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
                f"{_shown(url)}: the body says that it is {encoding}, but cannot be decompressed; check whether a "
                "proxy stands in between"
            ) from None
        if raw and not inflate.complete:
            raise UnreachableError(
                f"{_shown(url)}: the answer broke off after {raw} bytes; it is tried again at the next check"
            )
        return b"".join(parts)

    def _status_error(self, response: "httpx.Response", url: "httpx.URL", deadline: float) -> StatusError:
        status = response.status_code
        try:
            body = self._read(response, url, _ERROR_BODY, deadline)
        except UpstreamError:
            body = b""
        detail = self._quoted(_error_message(body))
        advice = {
            400: "check category, supported_parameters and output_modalities in [source]",
            401: "check the API key",
            403: "check the API key, and whether this network is allowed",
            404: "check source.url",
            429: "it asks for fewer calls; a longer source.interval helps",
        }.get(status, "it is tried again at the next check" if status >= 500 else "check source.url")
        wait = _retry_after(response.headers.get("retry-after"), self._now())
        return StatusError(
            f"{_shown(url)}: answered {status} {excerpt(response.reason_phrase, 40)}".rstrip()
            + (f": {detail}" if detail else "")
            + (f" (Retry-After: {wait:g} s)" if wait is not None else "")
            + f"; {advice}",
            status,
            wait,
        )

    # Where requests go

    @property
    def _base_host(self) -> str:
        import httpx

        return httpx.URL(self._base).host

    def _url(self, path: str, query: Mapping[str, str]) -> "httpx.URL":
        import httpx

        return httpx.URL(self._base + path, params=dict(query) or None)

    def _follow(self, here: "httpx.URL", link: str, what: str) -> "httpx.URL":
        """Where `link` leads from `here`: the same host and port, by https if `here` is; http may become https."""
        import httpx

        try:
            there = here.join(link)
            same = (there.scheme, there.host, there.port) == (here.scheme, here.host, here.port)
            better = (here.scheme, there.scheme) == ("http", "https") and there.host == here.host
            # Another port is another server: only the well-known pair, or one port that speaks both, is the same.
            better = better and (here.port == there.port or (here.port, there.port) == (None, None))
            allowed = (same or better) and not there.userinfo
        except (httpx.InvalidURL, ValueError):
            raise RedirectError(f"{_shown(here)}: {what} leads to something that is no URL") from None
        if not allowed:
            raise RedirectError(
                f"{_shown(here)}: {what} leads to {_shown(there)}, which is not the same host (or not as safe), so it "
                "was not followed; if the API has moved, change source.url"
            )
        return there.copy_with(fragment=None)

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
            f"{_shown(url)}: the answer was not complete within {self._limits.total:g} s; it is tried again at the "
            "next check"
        )

    def _quoted(self, text: str) -> str:
        """A stranger's words for a message, without the key should they repeat it."""
        return excerpt(text.replace(self._key, "[the key]") if self._key else text, 200)


class _Watchdog:
    """Cuts the connection when a request takes too long, also where httpx gives us no say.

    The read loop checks the deadline itself, but the headers are read inside httpx, with a timeout for each piece
    alone: a server that drips them would hold us for hours. httpx tells of each connection through its `trace`
    extension; shutting the socket down ends whatever waits on it.
    """

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self.barked = False

    @contextlib.contextmanager
    def watching(self, seconds: float) -> Iterator[None]:
        self.barked = False
        timer = threading.Timer(seconds, self._bark)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        if not event.endswith(("connect_tcp.complete", "start_tls.complete")):
            return
        connection = info["return_value"].get_extra_info("socket")
        if isinstance(connection, socket.socket):
            with self._lock:
                self._sockets = [known for known in self._sockets if known.fileno() >= 0] + [connection]
                if self.barked:
                    _shut(connection)

    def _bark(self) -> None:
        with self._lock:
            self.barked = True
            for connection in self._sockets:
                _shut(connection)


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        # Not the method of an SSL socket, which would take its TLS state away from the thread that reads.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


def _checked_base(url: str) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for one that is no number
    except ValueError:
        raise ConfigError("source.url is no URL; write it like https://openrouter.ai/api/v1") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isprintable() or " " in url:
        raise ConfigError("source.url is no http or https URL; write it like https://openrouter.ai/api/v1")
    if "@" in parts.netloc:
        raise ConfigError("source.url holds a user name or password; keys belong in source.api_key_file")
    if parts.query or parts.fragment:
        raise ConfigError("source.url ends in a query or a fragment; queries belong in the other keys of [source]")
    return url.rstrip("/?#")


def _shown(url: "httpx.URL") -> str:
    """A URL for a message: never its user name or password, and not without end."""
    return excerpt(str(url.copy_with(userinfo=b"") if url.userinfo else url), 300)


def _as_object(answer: _Answer) -> bytes:
    """The body, if it looks like one JSON object; `catalog.reading` reads it for good."""
    body = answer.body.removeprefix(b"\xef\xbb\xbf")
    if body[:1].isspace() or body[-1:].isspace():
        body = body.strip()
    if not body.startswith(b"{"):
        raise _not_promised(answer, "a list of models (JSON)")
    if not body.endswith(b"}"):
        raise NotPromisedError(
            f"{_shown(answer.url)}: the list of models is cut off: it ends in the middle of a JSON object; "
            "it is tried again at the next check"
        )
    return body


def _next_link(answer: _Answer, body: bytes) -> str | None:
    """`links.next`. Decoding takes milliseconds, so it is left out where no `next` in the body is other than null.

    Nor is the body searched where it ends as the API's do: of two keys of the same name the last one counts.
    """
    if body.endswith(b'"links":{"next":null}}'):
        return None
    if body.count(b'"next"') == body.count(b'"next":null') + body.count(b'"next": null'):
        return None
    try:
        try:
            page = msgspec.json.decode(body, type=_Page)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:  # a lone surrogate in some text, which json takes, is no reason to lose the list
            page = msgspec.convert(json.loads(body), type=_Page)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise NotPromisedError(
            f"{_shown(answer.url)}: the list of models is no JSON, or its links.next is no text "
            f"({excerpt(str(error))}); it is tried again at the next check"
        ) from None
    return (page.links.next or None) if page.links else None


def _not_promised(answer: _Answer, promised: str) -> NotPromisedError:
    came = f"{len(answer.body)} bytes that begin {excerpt(answer.body)!r}" if answer.body else "an empty body"
    kind = excerpt(answer.content_type, 60) or "no content type"
    return NotPromisedError(
        f"{_shown(answer.url)}: {promised} was expected, but {came} ({kind}) came; "
        "check source.url, and whether a proxy or a login page stands in between"
    )


def _too_large(url: "httpx.URL", room: int) -> TooLargeError:
    return TooLargeError(
        f"{_shown(url)}: the answer is larger than the {room} bytes that are read at most; check source.url"
    )


def _error_message(body: bytes) -> str:
    """The message of an API error, `{"error": {"message": …}}`, or whatever text came instead."""
    try:
        return str(msgspec.json.decode(body)["error"]["message"])
    except (msgspec.MsgspecError, ValueError, RecursionError, KeyError, TypeError, IndexError):
        return body[:1024].decode("utf-8", "backslashreplace")


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


_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=(\d{1,9})(?!\d)", re.ASCII)


def _max_age(cache_control: str) -> int | None:
    found = _MAX_AGE.search(cache_control.lower())
    return int(found[1]) if found else None
