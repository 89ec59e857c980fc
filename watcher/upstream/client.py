"""Reading OpenRouter's models API over HTTP, politely and within bounds.

    Client.models() → page → links.next → page → … → Listing(pages)      each page by `Transport.get`

The bodies are handed on as bytes: `catalog.reading` decodes them, so that a poll that changed nothing is not parsed
twice. Here a page is only looked at as far as needed to find the next one.
"""

import json
import random
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from watcher.errors import ConfigError
from watcher.upstream.errors import NotPromisedError, TooLargeError, excerpt
from watcher.upstream.key import checked_key
from watcher.upstream.transport import ERROR_BODY, Answer, Limits, Transport, api_error, follow, shown

if TYPE_CHECKING:
    import httpx


class Listing(Struct, frozen=True):
    """The list of models as it came: the body of each page, in order.

    `max_age` is how many seconds the upstream says that it may be cached, or None. `age` is how many seconds ago a
    cache in between got it (RFC 9111), or None where no cache says so.
    """

    pages: tuple[bytes, ...]
    max_age: int | None = None
    age: int | None = None


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
        self._limits = limits
        key = None if api_key is None else checked_key(api_key, "source")
        self._transport = Transport(self._base, key, limits, sleep=sleep, random=random, monotonic=monotonic, now=now)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are kept open between calls."""
        self._transport.close()

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
            answer = self._transport.get(url, "application/json", room)
            body = self._as_object(answer)
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
                    f"{shown(answer.url)}: the list goes on after {limits.pages} pages, which is more than is read; "
                    "nothing was taken over. Report this if the catalogue has really grown that large"
                )
            url = follow(answer.url, link, "links.next")
            if str(url) in seen:
                raise NotPromisedError(
                    f"{shown(answer.url)}: links.next leads back to a page that was read already, so the list has no "
                    "end; it is tried again at the next check"
                )
            seen.add(str(url))

    def feed(self, chat_links: bool = False) -> bytes:
        """The same list as RSS, as it came; `chat_links` asks for links to the chat page of each model."""
        query = self._query | {"use_rss": "true"} | ({"use_rss_chat_links": "true"} if chat_links else {})
        answer = self._transport.get(
            self._url("/models", query), "application/rss+xml, application/xml;q=0.9", self._limits.body
        )
        start = answer.body[:256].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
        if start.startswith((b"<!doctype html", b"<html")) or not start.startswith((b"<", b"\xff\xfe", b"\xfe\xff")):
            raise self._not_promised(answer, "a feed (RSS)")
        return answer.body

    def count(self) -> int:
        """How many models there are according to `GET /models/count`, for the `output_modalities` of the query."""
        query = {key: value for key, value in self._query.items() if key == "output_modalities"}
        answer = self._transport.get(self._url("/models/count", query), "application/json", self._limits.body)
        try:
            count = msgspec.json.decode(answer.body, type=_CountAnswer).data.count
        except (msgspec.MsgspecError, ValueError, RecursionError):
            count = -1
        if count < 0:
            raise self._not_promised(answer, '{"data": {"count": N}}')
        return count

    def _url(self, path: str, query: Mapping[str, str]) -> "httpx.URL":
        import httpx

        return httpx.URL(self._base + path, params=dict(query) or None)

    def _as_object(self, answer: Answer) -> bytes:
        """The body, if it looks like one JSON object; `catalog.reading` reads it for good."""
        body = answer.body.removeprefix(b"\xef\xbb\xbf")
        if body[:1].isspace() or body[-1:].isspace():
            body = body.strip()
        if not body.startswith(b"{") or (len(body) <= ERROR_BODY and api_error(body)):
            raise self._not_promised(answer, "a list of models (JSON)")
        if not body.endswith(b"}"):
            rest = _after_object(body)
            raise NotPromisedError(
                f"{shown(answer.url)}: the list of models is "
                + (f"followed by {self._transport.quoted(rest)!r}" if rest else "cut off: it ends inside a JSON object")
                + "; it is tried again at the next check"
            )
        return body

    def _not_promised(self, answer: Answer, promised: str) -> NotPromisedError:
        quoted = self._transport.quoted
        error = api_error(answer.body) if len(answer.body) <= ERROR_BODY else None
        if error:
            return NotPromisedError(
                f"{shown(answer.url)}: {promised} was expected, but an error came with status 200: {quoted(error)}; "
                "it is tried again at the next check"
            )
        text = answer.body[:320].decode("utf-8", "backslashreplace")
        came = f"{len(answer.body)} bytes that begin {quoted(text, 80)!r}" if answer.body else "an empty body"
        kind = excerpt(answer.content_type, 60) or "no content type"
        encoding = f", encoded as {excerpt(answer.content_encoding, 60)}" if answer.content_encoding else ""
        return NotPromisedError(
            f"{shown(answer.url)}: {promised} was expected, but {came} ({kind}{encoding}) came; "
            "check source.url, and whether a proxy or a login page stands in between"
        )


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


def _after_object(body: bytes) -> str:
    """What follows the JSON object that a body begins with; empty if the object has no end."""
    text = body.decode("utf-8", "backslashreplace")
    try:
        _, end = json.JSONDecoder(parse_int=str, parse_float=str).raw_decode(text)
    except (ValueError, RecursionError):
        return ""
    return text[end:].lstrip()


def _next_link(answer: Answer, body: bytes) -> str | None:
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
            f"{shown(answer.url)}: the list of models is no JSON, or its links.next is no text "
            f"({excerpt(str(error))}); it is tried again at the next check"
        ) from None
    return (page.links.next or None) if page.links else None


_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=(\d{1,9})(?!\d)", re.ASCII)


def _max_age(cache_control: str) -> int | None:
    found = _MAX_AGE.search(cache_control.lower())
    return int(found[1]) if found else None
