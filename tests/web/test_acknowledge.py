"""The form at /ack: the one write over HTTP."""

import re
import socket
from urllib.parse import urlencode

import pytest

from watcher.store.store import Store
from watcher.web import acknowledge

TOKEN = "first-token"


@pytest.fixture
def tokens(tmp_path):
    file = tmp_path / "tokens"
    file.write_text("first-token\n")
    return file


@pytest.fixture
def ask(serve, tokens):
    """Ask the form of a server with tokens."""
    client = serve(tokens_file=tokens)
    root = str(client.base_url).removesuffix("/api/v1/")

    def ask(method="POST", query="", headers=None, url="/ack", **fields):
        given = {"data": fields} if method == "POST" else {}
        return client.request(method, root + url + query, headers=headers, **given)

    return ask


def known(database):
    with Store.open(database) as store, store.reading() as session:
        return session.personal.acknowledged()


def test_a_token_in_the_form_acknowledges(ask, database):
    answer = ask(model="a/one", token=TOKEN, until="2026-01-20", price="1")
    assert answer.status_code == 200
    assert "a/one: prices up to prompt $2/M, completion $4/M; until 2026-01-20 00:00 UTC" in answer.text
    assert list(known(database)) == ["a/one"]


def test_so_does_one_as_the_bearer_key(ask, database):
    assert ask(model="a/one", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert list(known(database)) == ["a/one"]


def test_following_a_link_changes_nothing(ask, database):
    for method in ("GET", "HEAD"):
        answer = ask(method, f"?model=a/one&token={TOKEN}", {"authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 200
    assert known(database) == {}


def test_the_form_is_shown_without_a_token_and_has_none_in_it(ask):
    answer = ask("GET", "?model=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&token=first-token")
    assert answer.status_code == 200 and '<form method="post">' in answer.text
    assert "<script" not in answer.text and "first-token" not in answer.text
    headers = answer.headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store" and headers["referrer-policy"] == "no-referrer"


def test_the_form_looks_like_the_other_pages_without_a_token(ask):
    answer = ask("GET")
    sheet = re.search(r'<link rel="stylesheet" href="([^"]*)"', answer.text)[1]
    assert ask("GET", url=sheet).status_code == 200
    assert "style-src 'self'" in answer.headers["content-security-policy"]
    assert "form-action 'self'" in answer.headers["content-security-policy"]
    assert 'href="/model/a/one"' in ask(model="a/one", token=TOKEN).text


def test_the_page_of_a_model_leads_to_the_form_where_there_are_tokens(ask, serve):
    link, key = 'href="/ack?model=a/one"', {"authorization": f"Bearer {TOKEN}"}
    assert link in ask("GET", url="/model/a/one", headers=key).text
    open_to_all = serve()
    root = str(open_to_all.base_url).removesuffix("/api/v1/")
    assert "openrouter.ai" in (shown := open_to_all.get(f"{root}/model/a/one").text) and link not in shown


@pytest.mark.parametrize("given", [{}, {"token": ""}, {"token": "first"}, {"token": "first-token2"}])
def test_without_a_valid_token_nothing_is_written(ask, database, given):
    answer = ask(model="a/one", **given)
    assert (answer.status_code, known(database)) == (401, {})
    assert ask(query=f"?token={TOKEN}", model="a/one", **given).status_code == 401
    assert ask(model="a/one", headers={"cookie": f"token={TOKEN}"}, **given).status_code == 401
    assert ask(model="a/one", headers={"authorization": "Basic first-token"}, **given).status_code == 401


def test_a_browser_with_a_wrong_token_gets_a_page_that_says_so(ask, database):
    answer = ask(model="a/one", token="wrong", headers={"accept": "text/html"})
    assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
    assert "no valid token, so nothing was acknowledged" in answer.text and "wrong" not in answer.text
    assert known(database) == {}


def test_where_there_are_no_tokens_nobody_may_write(serve, database):
    client = serve()
    form = str(client.base_url).replace("/api/v1/", "/ack")
    for fields in ({"model": "a/one"}, {"model": "a/one", "token": ""}, {"model": "a/one", "token": TOKEN}):
        answer = client.post(form, data=fields)
        assert answer.status_code == 403 and "tokens_file" in answer.json()["error"]["message"]
    assert known(database) == {}


def test_no_other_page_can_send_it(ask, database):
    """A browser sends what another site wrote as one of three types without asking, and asks before it adds a key."""
    for kind in ("text/plain", "multipart/form-data; boundary=x", "application/json", ""):
        headers = {"content-type": kind, "authorization": f"Bearer {TOKEN}"}
        assert ask(headers=headers, model="a/one").status_code == 415
    asked = ask("OPTIONS", headers={"origin": "https://evil.example", "access-control-request-method": "POST"})
    assert not [name for name in asked.headers if name.startswith("access-control-")]
    assert known(database) == {}


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"model": "a/nothing"}, "was ever listed"),
        ({"model": "a/gone"}, "a/gone is gone already"),
        ({}, "was ever listed"),
        ({"model": "a/one", "until": "soon"}, "soon is no date such as 2026-01-20"),
        ({"model": "a/one", "until": "2026-01-01"}, "2026-01-01 is not in the future"),
        ({"model": "<b>", "until": ""}, "&lt;b&gt;"),
    ],
)
def test_what_cannot_be_is_said(ask, database, fields, says):
    answer = ask(token=TOKEN, **fields)
    assert answer.status_code == 400 and says in answer.text and "<b>" not in answer.text
    assert known(database) == {}


def test_a_large_form_and_many_fields_are_refused(ask, database):
    assert ask(model="a" * 9000, token=TOKEN).status_code == 413
    many = "&".join(f"{number}=1" for number in range(20))
    assert ask("GET", f"?{many}").status_code == 400
    assert known(database) == {}


def test_a_form_that_is_cut_off_writes_nothing(ask, database, serve, tokens):
    url = serve(tokens_file=tokens).base_url
    body = urlencode({"model": "a/one", "token": TOKEN}).encode()
    head = f"POST /ack HTTP/1.1\r\nHost: {url.host}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    with socket.create_connection((url.host, url.port)) as connection:
        connection.sendall(f"{head}Content-Length: {len(body) + 5}\r\n\r\n".encode() + body)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass
    assert known(database) == {}


def test_other_methods_and_other_paths_take_no_post(ask, serve, tokens):
    key = {"authorization": f"Bearer {TOKEN}"}
    assert ask("PUT", headers=key).status_code == ask("DELETE", headers=key).status_code == 405
    assert serve(tokens_file=tokens).post("models", headers=key).status_code == 405


def test_a_database_that_cannot_be_written_is_503(ask, monkeypatch, polls):
    monkeypatch.setattr(acknowledge, "BUSY_SECONDS", 0.1)
    with polls.store.writing():
        answer = ask(model="a/one", token=TOKEN)
    assert answer.status_code == 503 and answer.headers["retry-after"] == "30"
