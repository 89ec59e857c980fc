"""The client against a real socket that behaves, misbehaves and lies. No test sleeps: the clock is passed in."""

import gzip
import json
import logging
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.upstream.server import Request, answer, serve
from watcher.errors import ConfigError, SourceError
from watcher.redaction import remember
from watcher.upstream.client import Client
from watcher.upstream.errors import (
    NotPromisedError,
    StatusError,
    TooLargeError,
    TooSlowError,
    UnreachableError,
    UpstreamError,
)
from watcher.upstream.key import ApiKey
from watcher.upstream.transport import Limits, RetryClock, follow

KEY = "sk-or-v1-0123456789abcdef"
API_KEY = ApiKey(KEY, "OPENROUTER_API_KEY")
NOW = datetime(2026, 9, 25, 19, 0, 0, tzinfo=UTC)
LIST = b'{"data":[{"id":"a/b","links":{"details":"/x"}}],"total_count":1,"links":{"next":null}}'


class Pauses(list[float]):
    """Stands in for time.sleep: remembers the pauses and takes none."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def client(
    url: str,
    query: dict[str, str] | None = None,
    *,
    key: ApiKey | None = None,
    sleep: Callable[[float], object] = lambda _: None,
    random: Callable[[], float] = lambda: 0.5,
    **settings: Any,
) -> Client:
    if key is not None:
        remember(key.secret)  # as `find_api_key` does
    return Client(url, query or {}, key=key, clock=RetryClock(sleep, random, lambda: NOW), **settings)


def page(number: int, next_link: str | None) -> bytes:
    return json.dumps({"data": [{"id": f"a/m{number}"}], "links": {"next": next_link}}).encode()


# What is asked


def test_the_list_is_asked_for_with_the_query_and_our_name() -> None:
    with (
        serve(answer(LIST, cache_control="public, max-age=120, stale-while-revalidate=3600")) as server,
        client(server.url, {"output_modalities": "all"}) as upstream,
    ):
        listing = upstream.models()
    assert listing.pages == (LIST,)
    assert listing.max_age == 120
    (request,) = server.requests
    assert request.target == "/api/v1/models?output_modalities=all"
    assert request.headers["user-agent"].startswith("openrouter-watcher/")
    assert request.headers["accept-encoding"] == "gzip"
    assert request.headers["accept"] == "application/json"
    assert "authorization" not in request.headers


def test_the_feed_is_the_same_query_with_use_rss() -> None:
    rss = b"<?xml version='1.0'?><rss version='2.0'/>"
    with (
        serve(answer(rss, kind="application/rss+xml")) as server,
        client(server.url, {"category": "legal"}) as upstream,
    ):
        assert upstream.feed() == rss
        upstream.feed(chat_links=True)
    assert server.targets == [
        "/api/v1/models?category=legal&use_rss=true",
        "/api/v1/models?category=legal&use_rss=true&use_rss_chat_links=true",
    ]


def test_the_count_takes_the_modalities_of_the_query_alone() -> None:
    with (
        serve(answer(b'{"data":{"count":631}}')) as server,
        client(server.url, {"output_modalities": "all", "category": "legal"}) as upstream,
    ):
        assert upstream.count() == 631
    assert server.targets == ["/api/v1/models/count?output_modalities=all"]


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"data":{"count":-1}}', b'{"data":{"count":"9"}}', b"<p>", b"[" * 10**5]
)
def test_a_count_that_is_none_is_refused(body: bytes) -> None:
    with serve(answer(body)) as server, client(server.url) as upstream, pytest.raises(NotPromisedError):
        upstream.count()


def test_the_key_is_a_bearer_token() -> None:
    with serve(answer(LIST)) as server, client(server.url, key=API_KEY) as upstream:
        upstream.models()
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    "url",
    ["", "openrouter.ai/api", "http://", "http://h:x/", "http://h:0", "http://[bad", "http://me:secret@h/"],
)
def test_a_base_that_is_none_is_a_configuration_error_and_not_quoted(url: str) -> None:
    with pytest.raises(ConfigError, match=r"^source\.url") as caught:
        Client(url, {})
    assert "secret" not in str(caught.value)


def test_a_proxy_in_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(answer(LIST)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        with client("http://upstream.invalid/api/v1") as upstream:
            upstream.models()
    assert proxy.targets == ["http://upstream.invalid/api/v1/models"]


def test_proxy_settings_that_make_no_sense_are_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "gopher://me:secret@h:1")
    with client("http://upstream.invalid/api/v1") as upstream, pytest.raises(ConfigError, match="HTTP_PROXY") as caught:
        upstream.models()
    assert "secret" not in str(caught.value)


# Bodies


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", lambda body: gzip.compress(body[:10]) + gzip.compress(body[10:])),
        ("gzip", lambda body: gzip.compress(body) + bytes(700)),
        ("gzip", lambda body: gzip.compress(body[:10]) + bytes(9) + gzip.compress(body[10:]) + bytes(9)),
        ("identity, GZIP", gzip.compress),
        ("identity", bytes),
        ("gzip", bytes),
        ("br", bytes),
        ("aws-chunked", bytes),
        ("utf-8", bytes),
        ("none", bytes),
        (",;=nonsense", bytes),
    ],
)
def test_a_compressed_body_is_inflated(encoding: str, encode: Callable[[bytes], bytes]) -> None:
    def one_byte_at_a_time(_: Request) -> Iterator[bytes]:
        whole = answer(encode(LIST), content_encoding=encoding)
        return (whole[i : i + 1] for i in range(len(whole)))

    with serve(one_byte_at_a_time) as server, client(server.url) as upstream:
        assert upstream.models().pages == (LIST,)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [("deflate", zlib.compress(LIST)), ("gzip, gzip", gzip.compress(gzip.compress(LIST, mtime=0), mtime=0))],
)
def test_an_encoding_that_was_not_asked_for_is_refused(encoding: str, body: bytes) -> None:
    with (
        serve(answer(body, content_encoding=encoding)) as server,
        client(server.url) as upstream,
        pytest.raises(NotPromisedError, match=f"encoded as {encoding}"),
    ):
        upstream.models()


def test_a_plain_feed_under_an_unknown_encoding_is_read() -> None:
    rss = b"<?xml version='1.0'?><rss version='2.0'/>"
    with serve(answer(rss, content_encoding="utf-8")) as server, client(server.url) as upstream:
        assert upstream.feed() == rss


def test_an_unknown_encoding_of_what_is_no_list_is_named() -> None:
    with (
        serve(answer(b"\x0b\x02\x80", content_encoding="x-\x1b[2Jsecret-sauce")) as server,
        client(server.url) as upstream,
        pytest.raises(NotPromisedError, match="secret-sauce") as caught,
    ):
        upstream.models()
    assert str(caught.value).isprintable()


def test_what_follows_a_gzip_stream_and_is_none_is_refused() -> None:
    with (
        serve(answer(gzip.compress(LIST) + bytes(3) + b"more", content_encoding="gzip")) as server,
        client(server.url) as upstream,
        pytest.raises(NotPromisedError, match="cannot be decompressed"),
    ):
        upstream.models()


def test_a_body_that_cannot_be_decompressed_is_refused() -> None:
    with (
        serve(answer(gzip.compress(LIST)[:10] + LIST, content_encoding="gzip")) as server,
        client(server.url) as upstream,
        pytest.raises(NotPromisedError, match="cannot be decompressed"),
    ):
        upstream.models()


def test_a_bomb_is_given_up_at_the_cap_in_little_memory() -> None:
    with (
        serve(answer(gzip.compress(bytes(200 * 1024 * 1024), 1), content_encoding="gzip")) as server,
        client(server.url, limits=Limits(body=4 * 1024 * 1024)) as upstream,
    ):
        tracemalloc.start()
        try:
            with pytest.raises(TooLargeError, match=r"4194304 bytes"):
                upstream.models()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 16 * 1024 * 1024


@pytest.mark.parametrize("length", [None, "no"])
def test_a_huge_body_is_given_up_at_the_cap(length: str | None) -> None:
    sent = 0

    def endless(_: Request) -> Iterator[bytes]:
        nonlocal sent
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
        yield head + (b"Content-Length: 99999999999\r\n\r\n" if length is None else b"\r\n")
        while True:
            yield b"{" * 65536
            sent += 65536

    with (
        serve(endless) as server,
        client(server.url, limits=Limits(body=1024 * 1024)) as upstream,
        pytest.raises(TooLargeError),
    ):
        upstream.models()
    assert len(server.requests) == 1
    assert sent < 32 * 1024 * 1024


def test_a_body_of_exactly_the_cap_is_read() -> None:
    with serve(answer(LIST)) as server, client(server.url, limits=Limits(body=len(LIST))) as upstream:
        assert upstream.models().pages == (LIST,)


@pytest.mark.parametrize(
    "cut",
    [
        answer(LIST[:40], length=len(LIST)),
        answer(gzip.compress(LIST, mtime=0)[:-9], content_encoding="gzip"),
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"dat',
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"",
        b"this is not HTTP\r\n\r\n",
    ],
)
def test_a_broken_connection_is_tried_again_and_then_told(cut: bytes) -> None:
    pauses = Pauses()
    with serve(cut) as server, client(server.url, sleep=pauses) as upstream, pytest.raises(UnreachableError) as caught:
        upstream.models()
    assert len(server.requests) == 3
    assert len(pauses) == 2
    assert server.url in str(caught.value)
    with serve(cut, answer(LIST)) as server, client(server.url) as upstream:
        assert upstream.models().pages == (LIST,)


def test_a_list_cut_off_without_a_length_is_refused() -> None:
    cut = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + LIST[:50]
    with serve(cut) as server, client(server.url) as upstream, pytest.raises(NotPromisedError, match="cut off"):
        upstream.models()


@pytest.mark.parametrize(
    "body", [b"<!DOCTYPE html><title>Log in\x1b[2J</title>", b"[]", b"", b"null", b"\xff\xfe{\x00}\x00"]
)
def test_what_is_no_list_is_refused_and_shown_safely(body: bytes) -> None:
    with (
        serve(answer(body, kind="text/html; charset=utf-8")) as server,
        client(server.url) as upstream,
        pytest.raises(NotPromisedError, match="text/html") as caught,
    ):
        upstream.models()
    assert str(caught.value).isprintable()
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error":{"code":429,"message":"Slow\\u001b[2J down, please"}}', "Slow\\x1b[2J down, please"),
        (b'\xef\xbb\xbf\n{"error": "Out of order"}', "Out of order"),
        (b'{"error":{"code":502}}', '{"code":502}'),
        (b'{"data":[],"error":{"message":"Half of it is missing"}}', "Half of it is missing"),
        (b'{"error":{"message":"No such key: %s"}}' % KEY.encode(), "No such key: ***"),
    ],
)
def test_an_error_with_status_200_is_quoted(body: bytes, said: str) -> None:
    with serve(answer(body)) as server, client(server.url, key=API_KEY) as upstream:
        for call in (upstream.models, upstream.feed, upstream.count):
            with pytest.raises(NotPromisedError) as caught:
                call()
            assert f"an error came with status 200: {said};" in str(caught.value)
            assert str(caught.value).isprintable()


@pytest.mark.parametrize("more", [b',"error":null', b',"error":{"message":"one provider is slow"}'])
def test_a_list_that_mentions_an_error_is_a_list(more: bytes) -> None:
    body = LIST[:-1] + more + b"}"
    with serve(answer(body)) as server, client(server.url) as upstream:
        assert upstream.models().pages == (body,)


@pytest.mark.parametrize("rest", [b"</body></html>", b"\n\n<!-- served by a proxy -->", b"\x00\x00", b'{"data":[]} ok'])
def test_what_follows_the_list_is_told_and_it_is_not_called_cut_off(rest: bytes) -> None:
    with (
        serve(answer(LIST + rest)) as server,
        client(server.url) as upstream,
        pytest.raises(NotPromisedError) as caught,
    ):
        upstream.models()
    assert "followed by '" in str(caught.value)
    assert "cut off" not in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("body", [LIST[:50], b'{"a":' * 100_000, b'{"a":"\xff', b'{"a":' + b"9" * 5000])
def test_a_list_without_an_end_is_cut_off(body: bytes) -> None:
    with (
        serve(answer(body)) as server,
        client(server.url) as upstream,
        pytest.raises(NotPromisedError, match="cut off"),
    ):
        upstream.models()


@pytest.mark.parametrize("body", [b"<!DOCTYPE html><p>", b"  <HTML>", b"{}", b""])
def test_what_is_no_feed_is_refused(body: bytes) -> None:
    with serve(answer(body)) as server, client(server.url) as upstream, pytest.raises(NotPromisedError):
        upstream.feed()


@pytest.mark.parametrize("kind", ["text/html", "text/plain", "application/octet-stream", "nonsense"])
def test_json_under_a_wrong_content_type_is_read(kind: str) -> None:
    with serve(answer(b"\xef\xbb\xbf\n" + LIST + b"\n", kind=kind)) as server, client(server.url) as upstream:
        assert upstream.models().pages == (LIST,)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("max-age=300", 300),
        ("public,MAX-AGE=5", 5),
        ("s-maxage=9", None),
        ("no-store", None),
        ("max-age=" + "9" * 40, None),
    ],
)
def test_max_age_is_told(header: str, seconds: int | None) -> None:
    with serve(answer(LIST, cache_control=header)) as server, client(server.url) as upstream:
        assert upstream.models().max_age == seconds


@pytest.mark.parametrize(
    ("header", "seconds"),
    [({"age": "17"}, 17), ({"age": "0"}, 0), ({}, None), ({"age": "-1"}, None), ({"age": "9" * 30}, None)],
)
def test_how_long_a_cache_had_it_is_told(header: dict[str, str], seconds: int | None) -> None:
    with serve(answer(LIST, **header)) as server, client(server.url) as upstream:
        assert upstream.models().age == seconds


# Time


@pytest.mark.parametrize("headers_too", [True, False])
def test_no_drip_holds_us_beyond_the_deadline_in_real_time(headers_too: bool) -> None:
    """Headers are read inside httpx, so that only the watchdog can end this; and the end must not pass for a body."""
    gone = threading.Event()

    def drip(_: Request) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n" + (b"" if headers_too else b"Connection: close\r\n\r\n" + LIST)
        try:
            while not gone.wait(0.05):
                yield b"X-More: x\r\n" if headers_too else b" "
        finally:
            gone.set()

    started = time.monotonic()
    with serve(drip) as server, client(server.url, limits=Limits(total=0.3, read=5)) as upstream:
        with pytest.raises(TooSlowError):
            upstream.models()
        assert time.monotonic() - started < 4
        gone.set()


def test_ctrl_c_ends_a_request_that_took_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a name is looked up there is no connection that the watchdog could cut."""

    def look_up(*_: object, **__: object) -> None:
        for thread in threading.enumerate():
            if isinstance(thread, threading.Timer):
                thread.join()
        raise KeyboardInterrupt

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with client("http://there.invalid", limits=Limits(total=0)) as upstream, pytest.raises(KeyboardInterrupt):
        upstream.models()


def test_a_silent_server_is_given_up_after_the_read_timeout() -> None:
    release = threading.Event()

    def silent(_: Request) -> Iterator[bytes]:
        release.wait(10)
        yield b""

    with serve(silent) as server, client(server.url, limits=Limits(read=0.05, retries=1)) as upstream:
        with pytest.raises(UnreachableError, match=r"nothing came for 0\.05 s"):
            upstream.models()
        release.set()
        assert len(server.requests) == 2


def test_a_connection_that_is_refused_is_tried_again_and_then_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    pauses = Pauses()
    with (
        client(f"http://127.0.0.1:{port}/api/v1", sleep=pauses, key=API_KEY) as upstream,
        pytest.raises(UnreachableError, match="refused") as caught,
    ):
        upstream.models()
    assert pauses == [1.0, 2.0]
    assert isinstance(caught.value, SourceError)
    assert caught.value.exit_code == 69


# Statuses


@pytest.mark.parametrize("status", ["500 Oops", "502 Bad Gateway", "503 Later", "429 Too Many Requests", "599 x"])
def test_a_passing_failure_is_tried_twice_more(status: str) -> None:
    pauses = Pauses()
    with (
        serve(answer(status=status), answer(status=status), answer(LIST)) as server,
        client(server.url, sleep=pauses) as upstream,
    ):
        assert upstream.models().pages == (LIST,)
    assert pauses == [1.0, 2.0]


def test_the_pause_is_jittered() -> None:
    for dice, expected in ((0.0, [0.5, 1.0]), (1.0, [1.5, 3.0])):
        pauses = Pauses()
        with (
            serve(answer(status="500 x"), answer(status="500 x"), answer(LIST)) as server,
            client(server.url, sleep=pauses, random=lambda dice=dice: dice) as upstream,
        ):
            upstream.models()
        assert pauses == expected


def test_a_lasting_failure_ends_after_three_attempts() -> None:
    body = b'{"error":{"code":500,"message":"boiler\\u001b[1m room"}}'
    with (
        serve(answer(body, status="500 Oops")) as server,
        client(server.url) as upstream,
        pytest.raises(StatusError, match="500 Oops: boiler") as caught,
    ):
        upstream.models()
    assert len(server.requests) == 3
    assert caught.value.status == 500
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 204, 304, 300])
def test_another_status_is_told_at_once(status: int) -> None:
    with (
        serve(answer(status=f"{status} x")) as server,
        client(server.url) as upstream,
        pytest.raises(StatusError) as caught,
    ):
        upstream.models()
    assert (caught.value.status, len(server.requests)) == (status, 1)


@pytest.mark.parametrize(
    ("header", "waited"),
    [
        ("7", 7.0),
        ("0", 1.0),
        ("60", 60.0),
        ("Fri, 25 Sep 2026 19:00:30 GMT", 30.0),
        ("Fri, 25 Sep 2026 18:00:00 GMT", 1.0),
        ("soon", 1.0),
        ("-5", 1.0),
        ("", 1.0),
        ("Fri, 99 Sep 99999 99:00:00 GMT", 1.0),
    ],
)
@pytest.mark.parametrize("status", ["429 x", "503 x"])
def test_retry_after_is_honoured(status: str, header: str, waited: float) -> None:
    pauses = Pauses()
    with (
        serve(answer(status=status, retry_after=header), answer(LIST)) as server,
        client(server.url, sleep=pauses) as upstream,
    ):
        upstream.models()
    assert pauses == [waited]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("61", 61.0), ("Fri, 25 Sep 2026 20:00:00 GMT", 3600.0), ("9" * 500, 30 * 86400.0)],
)
def test_a_retry_after_beyond_the_bound_is_told_and_not_waited_for(header: str, seconds: float) -> None:
    pauses = Pauses()
    with (
        serve(answer(status="429 x", retry_after=header)) as server,
        client(server.url, sleep=pauses) as upstream,
        pytest.raises(StatusError) as caught,
    ):
        upstream.models()
    assert (caught.value.retry_after, pauses, len(server.requests)) == (seconds, [], 1)


def test_an_error_body_without_end_does_not_hold_us() -> None:
    def endless(_: Request) -> Iterator[bytes]:
        yield b"HTTP/1.1 404 x\r\n\r\n"
        while True:
            yield b"x" * 65536

    with serve(endless) as server, client(server.url) as upstream, pytest.raises(StatusError) as caught:
        upstream.models()
    assert len(str(caught.value)) < 400


# Redirects


@pytest.mark.parametrize("status", ["301 x", "302 x", "303 x", "307 x", "308 x"])
def test_a_redirect_on_the_same_host_is_followed(status: str) -> None:
    with (
        serve(answer(status=status, location="/v2/models?a=b#there"), answer(LIST)) as server,
        client(server.url, key=API_KEY) as upstream,
    ):
        assert upstream.models().pages == (LIST,)
    assert server.targets == ["/api/v1/models", "/v2/models?a=b"]
    assert server.requests[1].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"])
def test_neither_we_nor_the_key_go_to_another_server(host: str) -> None:
    with (
        serve(answer(LIST), host=host) as other,
        serve(answer(status="302 x", location=f"http://{host}:{other.port}/api/v1/models")) as server,
        client(server.url, key=API_KEY) as upstream,
        pytest.raises(UpstreamError, match="not the same host"),
    ):
        upstream.models()
    assert other.requests == []


@pytest.mark.parametrize(
    "location",
    [
        "ftp://{host}/x",
        "//elsewhere.invalid/x",
        "http://me:secret@{host}/x",
        "http://[bad/",
        "javascript:x",
        "http://h:x/",
    ],
)
def test_a_redirect_to_anywhere_else_is_refused(location: str) -> None:
    with serve(lambda _: [answer(status="302 x", location=location.format(host=netloc[0]))]) as server:
        netloc = [f"127.0.0.1:{server.port}"]
        with client(server.url) as upstream, pytest.raises(UpstreamError, match=r"(leads|redirects) to") as caught:
            upstream.models()
    assert "secret" not in str(caught.value)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("here", "there", "followed"),
    [
        ("https://h/a", "https://h/b", True),
        ("http://h/a", "https://h/b", True),
        ("http://h:81/a", "https://h:81/b", True),
        ("https://h/a", "http://h/b", False),
        ("https://h/a", "https://h:444/b", False),
        ("http://h/a", "https://h:8443/b", False),
        ("https://h/a", "https://h.evil/b", False),
        ("https://h/a", "//H/b", True),
        ("https://h/a", "https://h:443/b", True),
    ],
)
def test_the_scheme_never_gets_worse(here: str, there: str, followed: bool) -> None:
    import httpx

    if followed:
        assert follow(httpx.URL(here), there, "a redirect").host == "h"
    else:
        with pytest.raises(UpstreamError, match="leads to"):
            follow(httpx.URL(here), there, "a redirect")


def test_redirects_without_end_end() -> None:
    with (
        serve(lambda request: [answer(status="302 x", location=request.target + "x")]) as server,
        client(server.url) as upstream,
        pytest.raises(UpstreamError, match="more than 5"),
    ):
        upstream.models()
    assert len(server.requests) == 6


# Pages


@pytest.mark.parametrize("form", ["{url}/models?offset=1", "/api/v1/models?offset=1", "?offset=1", "models?offset=1"])
def test_pages_are_followed(form: str) -> None:
    urls: list[str] = []

    def pages(request: Request) -> list[bytes]:
        last = "offset" in request.target
        return [answer(page(2, None) if last else page(1, form.format(url=urls[0])))]

    with (
        serve(pages) as server,
        client(server.url, {"category": "legal"}, key=API_KEY) as upstream,
    ):
        urls.append(server.url)
        assert upstream.models().pages == (page(1, form.format(url=server.url)), page(2, None))
    assert server.targets == ["/api/v1/models?category=legal", "/api/v1/models?offset=1"]
    assert "authorization" in server.requests[1].headers


def test_pages_that_come_round_are_refused() -> None:
    def pages(request: Request) -> list[bytes]:
        return [answer(page(1, "?offset=2" if "=1" in request.target else "?offset=1"))]

    with serve(pages) as server, client(server.url) as upstream, pytest.raises(NotPromisedError, match="leads back"):
        upstream.models()
    assert len(server.requests) == 3


def test_pages_without_end_are_refused() -> None:
    with (
        serve(lambda request: [answer(page(1, request.target + ("&x" if "?" in request.target else "?x")))]) as server,
        client(server.url, limits=Limits(pages=4)) as upstream,
        pytest.raises(TooLargeError, match="4 pages"),
    ):
        upstream.models()
    assert len(server.requests) == 4


def test_a_page_on_another_server_is_not_asked_for() -> None:
    with (
        serve(answer(LIST), host="127.0.0.2") as other,
        serve(answer(page(1, f"{other.url}/models"))) as server,
        client(server.url, key=API_KEY) as upstream,
        pytest.raises(UpstreamError, match=r"links\.next"),
    ):
        upstream.models()
    assert other.requests == []


def test_a_later_page_that_fails_fails_the_list() -> None:
    with (
        serve(answer(page(1, "?offset=1")), answer(status="404 x")) as server,
        client(server.url) as upstream,
        pytest.raises(StatusError),
    ):
        upstream.models()


def test_the_cap_is_for_all_pages_together() -> None:
    body = page(1, "?offset=1")
    with (
        serve(answer(body)) as server,
        client(server.url, limits=Limits(body=len(body) + 10)) as upstream,
        pytest.raises(TooLargeError),
    ):
        upstream.models()


@pytest.mark.parametrize("links", [b'{"next":7}', b'[{"next":"x"}]', b'{"next":"x"', b'{"next":"http://[x"}'])
def test_a_next_that_is_no_link_is_refused(links: bytes) -> None:
    with (
        serve(answer(b'{"data":[],"links":' + links + b"}")) as server,
        client(server.url) as upstream,
        pytest.raises(UpstreamError, match=r"links\.next|list"),
    ):
        upstream.models()


def test_a_lone_surrogate_does_not_hide_the_next_page() -> None:
    first = b'{"data":[{"name":"\\ud800"}],"links":{"next":"?offset=1"}}'
    with serve(answer(first), answer(LIST)) as server, client(server.url) as upstream:
        assert upstream.models().pages == (first, LIST)


@pytest.mark.parametrize(
    "links", [b'"links":{"next":null}', b'"links": {"next": null}', b'"links":{"next":""}', b'"a":"next"']
)
def test_a_last_page_is_one(links: bytes) -> None:
    body = b'{"data":[],' + links + b"}"
    with serve(answer(body)) as server, client(server.url) as upstream:
        assert upstream.models().pages == (body,)


@pytest.mark.parametrize(
    ("page", "link"),
    [
        (b'{"links":{"next":"?offset=1"},"data":[],"links":{"next":null}}', None),
        (b'{"data":[{"links":{"next":null}}],"links":{"next":"?offset=1"}}', "?offset=1"),
        (b'{"links":{"next":"?offset=1"},"data":[{"links":{"next":null}}]}', "?offset=1"),
        (b'{"links":{"next":"?offset=1"},"more":{"links":{"next":null}}}', "?offset=1"),
    ],
)
def test_only_the_links_of_the_list_itself_lead_on(page: bytes, link: str | None) -> None:
    with serve(answer(page), answer(LIST)) as server, client(server.url) as upstream:
        assert upstream.models().pages == ((page, LIST) if link else (page,))


# Secrets


def test_the_key_is_in_no_message_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    echo = json.dumps({"error": {"message": f"no such key: {KEY}"}}).encode()
    with (
        serve(answer(echo, status="401 x")) as server,
        client(server.url, key=API_KEY) as upstream,
    ):
        with pytest.raises(StatusError, match="check the API key") as caught:
            upstream.models()
        assert KEY not in repr(upstream)
    assert KEY not in str(caught.value)
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    ("status", "with_key", "without"),
    [
        (
            "401 x",
            "check the API key in the file",
            "it asks for an API key: set OPENROUTER_API_KEY or source.api_key_file",
        ),
        (
            "403 x",
            "check what the API key in the file may do, and whether this network is allowed",
            "check whether this network is allowed",
        ),
    ],
)
def test_a_refusal_names_the_key_only_where_there_is_one(status: str, with_key: str, without: str) -> None:
    for key, advice in ((ApiKey(KEY, "the file"), with_key), (None, without)):
        with (
            serve(answer(b"{}", status=status)) as server,
            client(server.url, key=key) as upstream,
            pytest.raises(StatusError) as caught,
        ):
            upstream.models()
        assert str(caught.value).endswith(f"; {advice}") and KEY not in str(caught.value)


def test_importing_the_package_loads_neither_httpx_nor_feedparser() -> None:
    code = (
        "import sys, watcher.upstream.client, watcher.upstream.feed, watcher.upstream.archive\n"
        "print([m for m in ('httpx', 'feedparser', 'tarfile') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
