"""Validators, compression, methods and headers, on the bytes that arrive."""

import gzip
import json
import socket
from contextlib import suppress
from datetime import timedelta
from email.utils import format_datetime

import pytest

from tests.store.samples import START, document
from tests.web.conftest import NOW, ids

CACHED = "public, max-age=120, stale-while-revalidate=3600, stale-if-error=3600"


def test_a_list_has_a_strong_etag_and_its_time_and_may_be_cached_as_upstream(client):
    headers = client.get("models").headers
    assert headers["etag"].startswith('"') and headers["etag"].endswith('"')
    assert headers["last-modified"] == "Sun, 04 Jan 2026 16:30:00 GMT"  # the price of the day began to hold
    assert headers["cache-control"] == CACHED
    assert headers["age"] == str(5 * 3600)
    assert "Accept-Encoding" in headers["vary"]


def test_past_lists_have_the_time_of_their_last_change_and_no_age(serve, polls):
    one = document("a/one", created=1)
    polls.see(one, document("c/c"), at=START + timedelta(hours=2))
    headers = serve().get("models?at=2026-01-04T14:30Z").headers
    assert headers["last-modified"] == "Sun, 04 Jan 2026 14:00:00 GMT"
    assert "age" not in headers and "x-watcher-stale" not in headers


def test_past_lists_with_benchmarks_of_today_have_no_time_of_their_last_change(client):
    """They change with each poll, and when they did is not stored."""
    assert "last-modified" not in client.get("models?at=2026-01-04T12:30Z").headers


def test_what_the_client_has_already_is_304_without_a_body(client):
    for query in ["models", "models?at=2026-01-04T12:30Z", "models?use_rss=true", "model/a/one"]:
        first = client.get(query)
        dated = [
            {"if-modified-since": date} for date in (format_datetime(NOW, usegmt=True), "Sun, 04 Jan 2026 16:30:00 GMT")
        ]
        for header in (
            {"if-none-match": first.headers["etag"]},
            {"if-none-match": f'"other", W/{first.headers["etag"]}'},
            *([] if "at=" in query else dated),
        ):
            again = client.get(query, headers=header)
            assert again.status_code == 304 and again.content == b"", header
            assert again.headers["etag"] == first.headers["etag"]
            assert not {"content-length", "content-type", "last-modified"}.intersection(again.headers)


def test_what_the_client_does_not_have_comes_whole(client):
    for header in [
        {"if-none-match": '"other"'},
        {"if-none-match": '"other"', "if-modified-since": format_datetime(NOW, usegmt=True)},
        {"if-modified-since": format_datetime(START, usegmt=True)},
        {"if-modified-since": "yesterday"},
        {"if-modified-since": "Sun, 04 Jan 99999999999999999999 12:00:00 GMT"},
        {"if-modified-since": "Sun, 04 Jan 2099 12:00:00 +99999999999999"},
        {"if-modified-since": "Sun, 04 Jan 2099 12:00:00"},
    ]:
        assert client.get("models", headers=header).status_code == 200


def test_the_etag_changes_with_the_list_and_not_with_a_poll_that_changed_nothing(client, polls):
    same = (document("a/one", prompt="0.000002", created=1), document("a/free", prompt="0", created=3))
    first = client.get("models?model_authors=a").headers
    polls.see(*same, at=START + timedelta(hours=2))
    changed = client.get("models?model_authors=a").headers
    polls.see(*same, at=START + timedelta(hours=3))
    unchanged = client.get("models?model_authors=a").headers
    assert first["etag"] != changed["etag"] == unchanged["etag"]
    assert changed["last-modified"] == unchanged["last-modified"]
    assert int(unchanged["age"]) == int(changed["age"]) - 3600


def test_the_etag_changes_with_the_price_of_the_day_and_with_each_question(serve):
    host = {"host": "localhost"}
    times = [START + timedelta(hours=hours) for hours in (1, 4, 4.4, 4.5, 5)]
    tags = [serve(now).get("models", headers=host).headers["etag"] for now in times]
    assert tags[0] == tags[1] == tags[2] != tags[3] == tags[4]
    client = serve()
    questions = ("models", "models?sort=newest", "models?limit=1", "models?raw=1", "models/count", "model/a/one")
    assert len({client.get(question).headers["etag"] for question in questions}) == len(questions)
    assert serve(prefix="/x").get("models?limit=1").headers["etag"] != client.get("models?limit=1").headers["etag"]


def test_the_etag_of_a_question_about_age_changes_with_the_month(serve, polls):
    polls.see(document("a/one"), document("a/free"), document("b/new"), at=START + timedelta(hours=2))  # no schedules
    question = {"url": "models?max_age_days=36500", "headers": {"host": "localhost"}}
    january, again, february = (serve(NOW + timedelta(days=days)).get(**question) for days in (0, 0, 31))
    assert january.headers["etag"] == again.headers["etag"] != february.headers["etag"]


def test_large_answers_are_compressed_for_those_who_take_it(client):
    plain = client.get("models", headers={"accept-encoding": "identity"})
    zipped = client.get("models", headers={"accept-encoding": "br, gzip;q=0.5"})
    refused = client.get("models", headers={"accept-encoding": "gzip;q=0"})
    assert "content-encoding" not in plain.headers and "content-encoding" not in refused.headers
    assert zipped.headers["content-encoding"] == "gzip"
    assert zipped.content == plain.content == refused.content
    assert int(zipped.headers["content-length"]) < len(plain.content)
    assert plain.headers["etag"] != zipped.headers["etag"]
    assert client.get("models", headers={"if-none-match": zipped.headers["etag"]}).status_code == 304
    with client.stream("GET", "models", headers={"accept-encoding": "gzip"}) as response:
        assert gzip.decompress(b"".join(response.iter_raw())) == plain.content


def test_head_is_get_without_a_body(client):
    for path in ["models", "models/count", "models?at=2026-01-04T12:00Z", "nothing", "models?limit=0"]:
        head, get = client.head(path), client.get(path)
        assert head.content == b"" and head.status_code == get.status_code
        assert {**head.headers, "date": ""} == {**get.headers, "date": ""}


def test_web_pages_may_read_the_public_lists(client):
    origin = {"origin": "https://app.example"}
    preflight = client.options("models", headers={**origin, "access-control-request-method": "GET"})
    assert preflight.status_code == 204 and preflight.content == b""
    assert "GET" in preflight.headers["access-control-allow-methods"]
    assert "Authorization" in preflight.headers["access-control-allow-headers"]
    errors = ("models?limit=0", "models?at=2026-01-01", "models?at=x", "nothing")
    for path in ("models", "model/a/one", "models?use_rss=true", *errors):
        response = client.get(path, headers=origin)
        assert response.status_code == (400 if path in errors[::2] else 404 if path in errors else 200)
        assert response.headers["access-control-allow-origin"] == "*"
        assert "X-Watcher-As-Of" in response.headers["access-control-expose-headers"]
        if response.headers["cache-control"] != "no-store":
            assert "Origin" in response.headers["vary"] and "Origin" in client.get(path).headers["vary"]
    written = client.post("models", headers=origin)
    assert written.status_code == 405 and written.headers["access-control-allow-origin"] == "*"
    account = client.get("models/user", headers={"authorization": "Bearer x", **origin})
    assert account.status_code == 200 and "access-control-allow-origin" not in account.headers
    assert account.headers["cache-control"] == "private, no-store" and "etag" not in account.headers


def test_web_pages_may_read_why_they_were_refused(serve, tmp_path):
    (tmp_path / "tokens").write_text("token\n")
    origin = {"origin": "https://app.example"}
    refused = serve(tokens_file=tmp_path / "tokens").get("models", headers=origin)
    assert refused.status_code == 401 and refused.headers["access-control-allow-origin"] == "*"
    missing = serve(url=f"sqlite:///{tmp_path / 'none.db'}").get("models", headers=origin)
    assert missing.status_code == 503 and missing.headers["access-control-allow-origin"] == "*"
    assert "Retry-After" in missing.headers["access-control-expose-headers"]


def test_the_origin_is_a_setting(serve):
    client = serve(allow_origin="https://app.example")
    assert client.get("models").headers["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-origin" not in serve(allow_origin="none").get("models").headers


def test_nothing_can_be_written(client):
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "BREW"]:
        response = client.request(method, "models", content=b"{}")
        assert response.status_code == 405 and response.json()["error"]["code"] == 405
        assert response.headers["allow"] == "GET, HEAD, OPTIONS"


def test_a_silent_source_is_said_in_a_header(serve):
    """The interval is five minutes by default: after two of them, and a minute, the source is silent."""
    last = START + timedelta(hours=1)
    assert "x-watcher-stale" not in serve(last + timedelta(minutes=11)).get("models").headers
    silent = serve(last + timedelta(minutes=11, seconds=1)).get("models")
    assert silent.headers["x-watcher-stale"] == silent.headers["age"] == "661"


def test_errors_have_the_api_s_body(client):
    for path in ["", "nothing", "models/", "model/a", "models/a/one", "model/a/nothing"]:
        response = client.get(path)
        assert response.status_code == 404 and response.json()["error"]["code"] == 404
        assert response.headers["content-type"] == "application/json"


def test_a_past_answer_follows_what_is_learned_later(client, polls):
    past = "models?at=2026-01-04T12:00Z"
    before = client.get(past)
    polls.see(document("a/one", created=1, benchmarks={"design_arena": [{"elo": 1}]}), document("a/free", created=3),
              document("b/new", created=4), at=START + timedelta(hours=2))  # fmt: skip
    after = client.get(past)
    assert before.headers["etag"] != after.headers["etag"]
    assert after.json()["data"][-1]["benchmarks"] == {"design_arena": [{"elo": 1}]}


def exchange(client, *parts):
    """Send parts of a request, each after the answer to the one before has begun, and return all that comes back."""
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=20) as connection:
        came = b""
        for number, part in enumerate(parts):
            while number and not came:
                came += connection.recv(65536)
            connection.sendall(part)
        with suppress(ConnectionResetError):
            while more := connection.recv(65536):
                came += more
    return came


HOST = b"Host: localhost\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        b"no request\r\n\r\n",
        b"\x16\x03\x01\x00\xf1\x01\x00\x00\xed\x03\x03\r\n\r\n",
        b"GET /api/v1/models HTTP/1.1\r\n\r\n",
        b"GET /api/v1/models HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
        b"GET /api/v1/model/a/\xc3\xa9 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /api/v1/models HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 25_000,
    ],
)
def test_what_is_no_request_gets_an_error_of_the_api_and_no_line_in_the_log(client, sent, caplog, capfd):
    head, _, body = exchange(client, sent).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ") and b"content-type: application/json" in head
    assert json.loads(body)["error"]["code"] == 400
    assert not caplog.records and capfd.readouterr() == ("", "")


def test_a_request_that_turns_to_rubbish_after_its_answer_ends_the_connection(client, caplog, capfd):
    head = b"POST /api/v1/models HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    came = exchange(client, head, b"ZZZ\r\n")
    assert came.startswith(b"HTTP/1.1 405 ") and came.count(b"HTTP/1.1") == 1
    assert ids(client.get("models"))
    assert not caplog.records and capfd.readouterr() == ("", "")


def test_a_wish_for_another_protocol_is_answered_as_usual(client, caplog):
    for wish in ("websocket", "h2c"):
        assert ids(client.get("models", headers={"connection": "upgrade", "upgrade": wish}))
    assert not caplog.records


def test_requests_that_come_together_are_answered_one_after_the_other(client):
    one = b"GET /api/v1/models/count HTTP/1.1\r\n" + HOST
    came = exchange(client, (one + b"\r\n") * 9 + one + b"Connection: close\r\n\r\n")
    assert came.count(b"HTTP/1.1 200 ") == came.count(b'{"data":{"count":3}}') == 10


def test_a_request_may_name_the_whole_address(client):
    asked = b"GET http://localhost/api/v1/models/count?x=1 HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    assert exchange(client, asked).endswith(b'{"data":{"count":3}}')
