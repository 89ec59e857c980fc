"""Reading OpenRouter's models API over HTTP.

    Client.models() → page → links.next → page → … → ModelList(pages)      each page by `Transport.get`

Bodies are passed on as bytes, so that an unchanged one is not parsed. `catalog.reading` parses the others.
"""

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Self
from urllib.parse import quote, urlsplit

from msgspec import Struct

from watcher.errors import ConfigError
from watcher.upstream.errors import LATER, NotPromisedError, TooLargeError, excerpt
from watcher.upstream.key import ApiKey
from watcher.upstream.transport import ERROR_BODY, Answer, Limits, RetryClock, Transport, api_error, follow, shown

if TYPE_CHECKING:
    import httpx


_API = "/api/v1"
"""Begins the links in documents of the API."""
_ENDPOINTS = 2 * 1024 * 1024
"""Bytes of an answer about endpoints. A real one has up to 40,000."""


class ModelList(Struct, frozen=True):
    """The list of models: the body of each page, in order.

    `max_age` is how many seconds the list may be cached, according to the upstream. `age` is how many seconds ago a
    cache on the way received it (RFC 9111). Each is None if no header says so.
    """

    pages: tuple[bytes, ...]
    max_age: int | None = None
    age: int | None = None


class Client:
    """Reads one models API. A context manager; not for several threads at once.

    Args:
        url: the base, such as `https://openrouter.ai/api/v1`.
        query: parameters of `GET /models`, such as `{"output_modalities": "all"}`.
        key: sent as a bearer token to the host of `url`, to no other.
        account: read the models that the key's account may use, not the public list.

    Raises ConfigError if `url` is not valid. Every method that reads raises a subclass of `UpstreamError` if it fails,
    and ConfigError if the proxy or certificate settings in the environment cannot be used.
    """

    def __init__(
        self,
        url: str,
        query: Mapping[str, str],
        *,
        key: ApiKey | None = None,
        account: bool = False,
        limits: Limits = Limits(),  # noqa: B008 - it is frozen
        clock: RetryClock = RetryClock(),  # noqa: B008
    ) -> None:
        self._base = _checked_base(url)
        self._query = dict(query)
        self._limits = limits
        self._list = "/models/user" if account else "/models"
        self._transport = Transport(self._base, key, limits, clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are kept open between calls."""
        self._transport.close()

    def models(self) -> ModelList:
        """Return the whole list. `links.next` is followed on the same host. If one page fails, the list fails."""
        limits = self._limits
        url = self._url(self._list, self._query)
        seen = {str(url)}
        first: Answer | None = None
        pages: list[bytes] = []
        while True:
            answer = self._transport.get(url, "application/json", limits.body - sum(map(len, pages)))
            first = first or answer
            pages.append(self._as_object(answer))
            link = _next_link(answer, pages[-1])
            if link is None:
                max_age = _seconds(r"(?:^|[\s,])max-age=(\d{1,9})(?!\d)", first.headers.get("cache-control", ""))
                return ModelList(tuple(pages), max_age, _seconds(r"^\s*(\d{1,9})\s*$", first.headers.get("age", "")))
            if len(pages) >= limits.pages:
                raise TooLargeError(
                    f"{shown(answer.url)}: the list goes on after {limits.pages} pages, which is more than is read; "
                    "nothing was taken over. Report this if the catalogue has really grown that large"
                )
            url = follow(answer.url, link, "links.next")
            if str(url) in seen:
                back = "links.next leads back to a page that was read already, so the list has no end"
                raise NotPromisedError(f"{shown(answer.url)}: {back}; {LATER}")
            seen.add(str(url))

    def feed(self, chat_links: bool = False) -> bytes:
        """Return the same list as RSS. With `chat_links` it links to the chat page of each model."""
        query = self._query | {"use_rss": "true"} | ({"use_rss_chat_links": "true"} if chat_links else {})
        accept = "application/rss+xml, application/xml;q=0.9"
        answer = self._transport.get(self._url("/models", query), accept, self._limits.body)
        start = answer.body[:256].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
        if not start.startswith(b"<") or start.startswith((b"<!doctype html", b"<html")):
            raise self._not_promised(answer, "a feed (RSS)")
        return answer.body

    def count(self) -> int:
        """Return the number of models by `GET /models/count`, for the `output_modalities` of the query."""
        query = {key: value for key, value in self._query.items() if key == "output_modalities"}
        answer = self._transport.get(self._url("/models/count", query), "application/json", self._limits.body)
        try:
            count = json.loads(answer.body)["data"]["count"]
        except (ValueError, RecursionError, LookupError, TypeError):
            count = None
        if not isinstance(count, int) or count < 0:
            raise self._not_promised(answer, '{"data": {"count": N}}')
        return count

    def endpoints(self, model: str, link: object = None) -> bytes:
        """Return the answer about the endpoints of a model. It is not tried again: a later poll asks anew.

        `link` is the model's `links.details`. It is that of the canonical slug, so a variant is asked for by its id.
        """
        import httpx

        if ":" in model or not isinstance(link, str):
            link = f"{_API}/models/{quote(model, safe='/:~')}/endpoints"
        if link.startswith(f"{_API}/"):  # a mirror may have the API elsewhere
            link = self._base + link.removeprefix(_API)
        url = follow(httpx.URL(self._base), link, "links.details")
        return self._as_object(self._transport.get(url, "application/json", _ENDPOINTS, retry=False), "endpoints")

    def _url(self, path: str, query: Mapping[str, str]) -> "httpx.URL":
        import httpx

        return httpx.URL(self._base + path, params=dict(query) or None)

    def _as_object(self, answer: Answer, items: str = "models") -> bytes:
        """Return the body if it looks like a JSON object, without the white space around it."""
        body = answer.body.removeprefix(b"\xef\xbb\xbf").strip()
        if not body.startswith(b"{") or (len(body) <= ERROR_BODY and api_error(body)):
            raise self._not_promised(answer, f"a list of {items} (JSON)")
        if not body.endswith(b"}"):
            text = body.decode("utf-8", "backslashreplace")
            try:
                _, end = json.JSONDecoder().raw_decode(text)
                what = f"followed by {excerpt(text[end:].lstrip(), 200)!r}"
            except (ValueError, RecursionError):
                what = "cut off: it ends inside a JSON object"
            raise NotPromisedError(f"{shown(answer.url)}: the list of {items} is {what}; {LATER}")
        return body

    def _not_promised(self, answer: Answer, promised: str) -> NotPromisedError:
        error = api_error(answer.body) if len(answer.body) <= ERROR_BODY else None
        if error:
            return NotPromisedError(
                f"{shown(answer.url)}: {promised} was expected, but an error came with status 200: "
                f"{excerpt(error, 200)}; {LATER}"
            )
        came = f"{len(answer.body)} bytes that begin {excerpt(answer.body)!r}" if answer.body else "an empty body"
        kind = excerpt(answer.headers.get("content-type", ""), 60) or "no content type"
        encoding = excerpt(answer.headers.get("content-encoding", ""), 60)
        return NotPromisedError(
            f"{shown(answer.url)}: {promised} was expected, but {came} ({kind}"
            + (f", encoded as {encoding}" if encoding else "")
            + ") came; check source.url, and whether a proxy or a login page stands in between"
        )


def _checked_base(url: str) -> str:
    try:
        parts = urlsplit(url)
        valid = parts.hostname and parts.port != 0
    except ValueError:  # a port that is not a number, for example
        valid = False
    if not valid:
        raise ConfigError("source.url is not an http or https URL; write it like https://openrouter.ai/api/v1")
    if "@" in parts.netloc:
        raise ConfigError("source.url holds a user name or password; keys belong in source.api_key_file")
    return url


def _next_link(answer: Answer, body: bytes) -> str | None:
    """Return `links.next`. A body that ends as the API's last page does is not parsed."""
    if body.endswith(b'"links":{"next":null}}'):
        return None
    try:
        link = (json.loads(body).get("links") or {}).get("next")
        if not isinstance(link, str | None):
            raise TypeError(f"it is {link!r}")
    except (ValueError, RecursionError, AttributeError, TypeError) as error:
        raise NotPromisedError(
            f"{shown(answer.url)}: the list of models is not JSON, or its links.next is not a string "
            f"({excerpt(str(error))}); {LATER}"
        ) from None
    return link or None


def _seconds(pattern: str, header: str) -> int | None:
    found = re.search(pattern, header, re.ASCII | re.IGNORECASE)
    return int(found[1]) if found else None
