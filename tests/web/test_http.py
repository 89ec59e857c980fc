"""Validators, compression, methods and headers, on the bytes that arrive."""

import gzip
import shutil
from datetime import timedelta
from email.utils import format_datetime

import pytest

from tests.store.samples import START, document
from tests.web.conftest import NOW

CACHED = "public, max-age=120, stale-while-revalidate=3600, stale-if-error=3600"


@pytest.fixture
def database(empty, tmp_path):
    """Nothing here depends on the kind of database."""
    return f"sqlite:///{shutil.copy(empty, tmp_path / 'watcher.db')}"


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
            assert "content-length" not in again.headers and "content-type" not in again.headers


def test_what_the_client_does_not_have_comes_whole(client):
    for header in [
        {"if-none-match": '"other"'},
        {"if-none-match": '"other"', "if-modified-since": format_datetime(NOW, usegmt=True)},
        {"if-modified-since": format_datetime(START, usegmt=True)},
        {"if-modified-since": "yesterday"},
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
    for path in ("models", "model/a/one", "models?limit=0"):
        assert client.get(path, headers=origin).headers["access-control-allow-origin"] == "*"
    account = client.get("models/user", headers={"authorization": "Bearer x", **origin})
    assert account.status_code == 200 and "access-control-allow-origin" not in account.headers
    assert account.headers["cache-control"] == "private, no-store" and "etag" not in account.headers


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
