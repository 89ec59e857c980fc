"""Who may ask: hosts, tokens, proxies and bounds."""

import socket
import threading
import time

import pytest

from testkit.command import run_here
from tests.web.conftest import ids
from watcher.errors import ConfigError
from watcher.web import server as server_module

TOKEN = {"authorization": "Bearer first-token"}


@pytest.fixture
def tokens(tmp_path):
    file = tmp_path / "tokens"
    file.write_text("# of the team\nfirst-token\n\n  second-token \n")
    return file


def test_known_hosts_and_addresses_are_served(serve):
    client = serve(allowed_hosts=("models.example.org",))
    known = ("127.0.0.1", "localhost:80", "LOCALHOST", "[::1]:8399", "192.168.1.7", "models.example.org:443")
    assert [client.get("models", headers={"host": host}).status_code for host in known] == [200] * len(known)


def test_a_name_that_was_rebound_to_our_address_is_403(client):
    for host in (
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "[::1",
        "a b",
        "x@localhost",
        b"localhost:\xb2",
    ):
        response = client.get("models", headers={"host": host})
        assert response.status_code == 403 and "allowed_hosts" in response.json()["error"]["message"], host


def test_all_but_the_health_check_needs_a_token(serve, tokens):
    client = serve(tokens_file=tokens)
    for path in ("models", "models/count", "model/a/one", "nothing", "../../export/csv"):
        refused = client.get(path)
        assert refused.status_code == 401, path
        assert refused.headers["www-authenticate"] == "Bearer"
        assert refused.json()["error"]["code"] == 401
        assert client.get(path, headers=TOKEN).status_code in (200, 404)
    assert client.get(str(client.base_url).replace("/api/v1/", "/healthz")).json() == {"status": "ok"}


def test_only_whole_tokens_of_the_file_count(serve, tokens):
    client = serve(tokens_file=tokens)
    wrong = ("Bearer first", "Bearer # of the team", "Basic first-token", "first-token", "Bearer first-token2")
    for given in ("Bearer second-token", "bearer second-token", *wrong):
        status = client.get("models", headers={"authorization": given}).status_code
        assert status == (401 if given in wrong else 200), given


def test_tokens_are_compared_byte_for_byte(serve, tmp_path):
    (tmp_path / "tokens").write_bytes("\ufefffirst\r\nschlüssel\r\n".encode())
    client = serve(tokens_file=tmp_path / "tokens")
    for token, status in (("first", 200), ("schlüssel", 200), ("schlussel", 401)):
        assert client.get("models", headers={"authorization": f"Bearer {token}".encode()}).status_code == status


def test_guarded_answers_are_private(serve, tokens):
    headers = serve(tokens_file=tokens).get("models", headers=TOKEN).headers
    assert headers["cache-control"].startswith("private, max-age=120")
    assert "Authorization" in headers["vary"]


def test_tokens_are_read_anew_when_the_file_changes(serve, tokens):
    client = serve(tokens_file=tokens)
    assert client.get("models", headers=TOKEN).status_code == 200
    tokens.write_text("another-token\n")
    assert client.get("models", headers=TOKEN).status_code == 401
    tokens.unlink()
    assert client.get("models", headers={"authorization": "Bearer another-token"}).status_code == 503


def test_a_file_of_tokens_that_cannot_be_used_stops_the_start(serve, tmp_path):
    with pytest.raises(ConfigError, match="cannot read"):
        serve(tokens_file=tmp_path / "nothing")
    (tmp_path / "empty").write_text("# nobody\n")
    with pytest.raises(ConfigError, match="no token"):
        serve(tokens_file=tmp_path / "empty")


def test_a_key_is_nowhere_afterwards(serve, tokens, tmp_path, caplog, capfd):
    client = serve(tokens_file=tokens)
    assert client.get("models/user", headers=TOKEN).status_code == 200
    assert client.get("models?api_key=first-token&limit=bad", headers=TOKEN).status_code == 400
    printed = "".join(capfd.readouterr()) + caplog.text
    assert "first-token" not in printed
    assert all(b"first-token" not in file.read_bytes() for file in tmp_path.glob("watcher.db*"))


def next_page(client, **headers):
    return client.get("models?limit=1", headers=headers).json()["links"]["next"]


FORWARDED = {"x-forwarded-proto": "https", "x-forwarded-host": "models.example.org"}


def test_forwarding_headers_count_from_a_trusted_proxy_alone(serve):
    names = ("models.example.org",)
    stranger = serve(allowed_hosts=names)
    assert next_page(stranger, **FORWARDED).startswith(str(stranger.base_url))
    elsewhere = serve(allowed_hosts=names, trusted_proxies=("10.0.0.0/8",))
    assert next_page(elsewhere, **FORWARDED).startswith(str(elsewhere.base_url))
    proxy = serve(allowed_hosts=names, trusted_proxies=("127.0.0.0/8",), prefix="/openrouter")
    assert next_page(proxy, **FORWARDED).startswith("https://models.example.org/openrouter/api/v1/models?")
    forged = proxy.get("models", headers={**FORWARDED, "x-forwarded-host": "evil.example"})
    assert forged.status_code == 403


def test_a_proxy_is_trusted_on_a_socket_for_both_kinds_of_addresses(serve):
    client = serve(listen="[::]:0", allowed_hosts=("models.example.org",), trusted_proxies=("127.0.0.0/8",))
    client.base_url = str(client.base_url).replace("[::]", "127.0.0.1")
    assert next_page(client, **FORWARDED).startswith("https://models.example.org/api/v1/models?")


def test_a_prefix_is_in_the_links_of_documents(serve):
    client = serve(prefix="/openrouter")
    details = client.get("model/a/one").json()["data"]["links"]["details"]
    assert details == "/openrouter/api/v1/models/a/one/endpoints"
    assert client.get(client.base_url.join(details)).json()["data"]["id"] == "a/one"


def test_a_prefix_works_whether_the_proxy_removes_it_or_not(serve):
    client = serve(prefix="/openrouter")
    origin = str(client.base_url).removesuffix("/api/v1/")
    for path in ("/openrouter/api/v1/models", "/api/v1/models"):
        assert ids(client.get(origin + path)) == ["b/new", "a/free", "a/one"]
    following = client.get(f"{origin}/openrouter/api/v1/models?limit=2").json()["links"]["next"]
    assert following.startswith(f"{origin}/openrouter/api/v1/models?")
    assert ids(client.get(following)) == ["a/one"]
    assert client.get(f"{origin}/openrouterx/api/v1/models").status_code == 404


def test_long_urls_and_headers_are_refused(client):
    response = client.get("models?q=" + "a" * 8192)
    assert response.status_code == 414 and response.json()["error"]["code"] == 414
    assert client.get("models", headers={"x": "a" * 20_000}).status_code == 431
    assert client.get("models?limit=1001").status_code == 400
    assert client.get("models").status_code == 200


def test_a_nul_in_a_url_is_400_whatever_the_database(client):
    origin = str(client.base_url).removesuffix("/api/v1/")
    for path in ("/badge/a/%00.svg", "/feed.atom?before=%00", "/feed.rss?model=a%00", "/api/v1/model/a/%00"):
        assert client.get(origin + path).status_code == 400, path


def address(client):
    return client.base_url.host, client.base_url.port


def test_a_client_that_does_not_finish_its_request_is_cut_off(serve, monkeypatch):
    monkeypatch.setattr(server_module, "HEAD_SECONDS", 0.3)
    client = serve()
    with socket.create_connection(address(client)) as slow:
        slow.sendall(b"GET /api/v1/models HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        assert _closed(slow)


def _closed(connection):
    connection.settimeout(20)
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_slow_clients_hold_nobody_up(serve):
    client = serve()
    slow = [socket.create_connection(address(client)) for _ in range(50)]
    for connection in slow:
        connection.sendall(b"GET /api/v1/models HTTP/1.1\r\nHost: localhost\r\n")
    statuses = []

    def ask():
        statuses.append(client.get("models").status_code)

    quick = [threading.Thread(target=ask) for _ in range(50)]
    began = time.monotonic()
    for thread in quick:
        thread.start()
    for thread in quick:
        thread.join()
    assert statuses == [200] * 50
    assert time.monotonic() - began < server_module.HEAD_SECONDS / 2
    for connection in slow:
        connection.close()


def test_more_connections_than_there_is_room_for_are_closed(serve, monkeypatch):
    monkeypatch.setattr(server_module, "MAX_CONNECTIONS", 3)
    client = serve()
    held = [socket.create_connection(address(client)) for _ in range(3)]
    for connection in held:  # each is known to the server once it has been answered
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 200"
    with socket.create_connection(address(client)) as refused:
        assert _closed(refused)
    for connection in held:
        connection.close()


def test_an_address_that_is_taken_is_a_clear_error(serve):
    client = serve()
    with pytest.raises(
        ConfigError, match=f"cannot listen on 127.0.0.1 port {client.base_url.port}: Address already in use"
    ):
        serve(listen=f"127.0.0.1:{client.base_url.port}")


@pytest.mark.parametrize("listen", ["8399", "localhost", "1.2.3.4:99999", "http://localhost:1", ":1"])
def test_an_address_that_is_none_is_a_usage_error(tmp_path, listen):
    done = run_here(tmp_path, "web", "--listen", listen, env={"HOME": str(tmp_path)})
    assert done.code == 64 and "--listen" in done.err
