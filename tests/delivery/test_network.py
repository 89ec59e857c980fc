"""Source, pings and channels use proxies and certificates alike, on real sockets."""

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from testkit.command import Command
from testkit.receivers import MailServer, Sink, send_events
from tests.events import NEW
from watcher import network
from watcher.config.secret import Secret
from watcher.config.settings import HealthSettings
from watcher.daemon.health_ping import Pings
from watcher.delivery.plugins import open_plugin
from watcher.errors import WatcherError
from watcher.upstream.client import Client
from watcher.upstream.transport import Limits

LIST = b'{"data":[{"id":"a/b"}],"total_count":1,"links":{"next":null}}'
SECRET = "hUnTeR2"


def by_source(url: str) -> str:
    try:
        with Client(url, {}, limits=Limits(retries=0)) as upstream:
            upstream.models()
    except WatcherError as error:
        return str(error)
    return ""


def by_ping(url: str) -> str:
    said: list[str] = []
    with closing(Pings(os.environ, said.append)) as pings, pings.around(HealthSettings(Secret(url))):
        pass
    return "; ".join(said)


def by_channel(url: str) -> str:
    result = send_events(url.replace("http", "json", 1), [NEW])
    return "" if result.ok else result.detail


WAYS: dict[str, Callable[[str], str]] = {"source": by_source, "ping": by_ping, "channel": by_channel}
"""Calls a URL, and returns what is said of a failure, or nothing."""


@pytest.fixture(params=WAYS)
def reach(request: pytest.FixtureRequest) -> Callable[[str], str]:
    return WAYS[request.param]


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keeps the machine's own settings out."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in network.CERTIFICATES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def proxy(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> Sink:
    sink.answer = LIST
    monkeypatch.setenv("http_proxy", f"http://ann:{SECRET}@{sink.address}")
    return sink


def test_a_proxy_is_used_with_its_login(reach: Callable[[str], str], proxy: Sink) -> None:
    assert reach("http://there.invalid/x") == ""
    assert {request.headers["Proxy-Authorization"] for request in proxy.requests} == {"Basic YW5uOmhVblRlUjI="}
    assert all(request.path.startswith("http://there.invalid/x") for request in proxy.requests)


@pytest.mark.parametrize(
    "entries",
    ["127.0.0.0/8", "fe80::/10,127.0.0.1", "::1 [::1]:80, 127.0.0.1/32", "10.0.0.0/33,fe80::/200,127.0.0.1", "*"],
)
def test_no_proxy_can_hold_addresses_and_networks_of_both_kinds(
    reach: Callable[[str], str], web: Sink, monkeypatch: pytest.MonkeyPatch, entries: str
) -> None:
    web.answer = LIST
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", entries)
    assert reach(f"http://{web.address}/x") == ""
    assert web.requests[-1].path.startswith("/x")


@pytest.mark.parametrize(
    ("url", "entry", "direct"),
    [
        ("http://a.example", "a.example", True),
        ("http://b.a.example", "a.example", True),
        ("http://b.a.example", ".a.example", True),
        ("http://b.a.example", "*.a.example", True),
        ("http://ba.example", "a.example", False),
        ("http://A.Example.", "a.example", True),
        ("http://a.example:81", "a.example:81", True),
        ("https://a.example", "a.example:443", True),
        ("http://a.example", "a.example:81", False),
        ("http://a.example", "http://a.example", True),
        ("https://a.example", "http://a.example", False),
        ("http://10.1.2.3", "10.0.0.0/8", True),
        ("http://10.1.2.3", "10.1.2.3/30", True),
        ("http://11.1.2.3", "10.0.0.0/8", False),
        ("http://[fe80::1]:8080", "fe80::/10", True),
        ("http://[fe80::1]:8080", "[fe80::1]", True),
        ("http://[fe80::1]:8080", "[fe80::1]:8080", True),
        ("http://[fe80::1]:8080", "[fe80::1]:8081", False),
        ("http://10.1.2.3", "fe80::/10", False),
        ("http://a.example", "10.0.0.0/8", False),
        ("http://a.example", "b.example, a.example", True),
        ("http://a.example", "a.example/8 <a.example>", False),
    ],
)
def test_what_no_proxy_names(url: str, entry: str, direct: bool) -> None:
    environ = {"HTTP_PROXY": "proxy.example:3128", "https_proxy": "https://proxy.example", "NO_PROXY": entry}
    usual = "http://proxy.example:3128" if url.startswith("http:") else "https://proxy.example"
    assert network.proxy_for(url, environ) == (None if direct else usual)


def test_small_letters_count_before_capital_ones_and_an_empty_value_is_none() -> None:
    both = {"HTTP_PROXY": "http://one", "http_proxy": "http://two"}
    assert network.proxy_for("http://a.example", both) == "http://two"
    assert network.proxy_for("http://a.example", both | {"http_proxy": ""}) is None
    assert network.proxy_for("https://a.example", {"ALL_PROXY": "http://all"}) == "http://all"


@pytest.mark.parametrize(
    "given", ["socks5://ann:hUnTeR2@127.0.0.1:1080", "socks://127.0.0.1:1080", "socks4a://127.0.0.1"]
)
def test_socks_is_a_clear_sentence(reach: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("ALL_PROXY", given)
    said = reach("http://there.invalid/x")
    assert "ALL_PROXY in the environment: SOCKS is not supported; name an HTTP proxy there, or unset it" in said
    assert SECRET not in said


@pytest.mark.parametrize(
    "given", ["gopher://hUnTeR2@h:1", "http://:1", "http://hUnTeR2@h:99999", "http://hUnTeR2@h x:1", "http://[::1"]
)
def test_a_proxy_that_is_none_is_a_clear_sentence(
    reach: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", given)
    said = reach("http://there.invalid/x")
    assert "HTTP_PROXY in the environment: not the URL of a proxy such as http://proxy.example:3128" in said
    assert SECRET not in said


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_one_file_of_certificates_serves_all(
    reach: Callable[[str], str], secure_web: Sink, certificate: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    secure_web.answer = LIST
    assert reach(f"https://{secure_web.address}/x")
    assert secure_web.requests == []
    monkeypatch.setenv(variable, str(certificate.with_suffix(".crt")))
    assert reach(f"https://{secure_web.address}/x") == ""
    assert secure_web.requests


@pytest.mark.parametrize(
    ("name", "says"), [("nothing", "No such file or directory"), ("text", "holds no certificates")]
)
def test_certificates_that_cannot_be_read_are_a_clear_sentence(
    reach: Callable[[str], str], secure_web: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, says: str
) -> None:
    (tmp_path / "text").write_text("none")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / name))
    assert says in reach(f"https://{secure_web.address}/x")


def test_nobody_reads_netrc(reach: Callable[[str], str], web: Sink, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text(f"machine 127.0.0.1 login ann password {SECRET}\n")
    web.answer = LIST
    assert reach(f"http://{web.address}/x") == ""
    assert all("Authorization" not in request.headers for request in web.requests)


def test_netrc_replaces_no_token_of_a_channel(web: Sink, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text(f"machine 127.0.0.1 login ann password {SECRET}\n")
    assert send_events(f"ntfy://tk_token@{web.address}/topic", [NEW]).ok
    assert send_events(f"json://{web.address}/?%2BAuthorization=Bearer own", [NEW]).ok
    assert send_events(f"json://bob:own@{web.address}/", [NEW]).ok
    assert [request.headers["Authorization"] for request in web.requests] == [
        "Bearer tk_token",
        "Bearer own",
        "Basic Ym9iOm93bg==",
    ]


# The command


def test_config_check_tries_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = Command(tmp_path)
    monkeypatch.setenv("NO_PROXY", "10.0.0.0/8,fe80::/10,10.0.0.0/33,<x>,a.example")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("SSL_CERT_FILE", str(Path(__file__)))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/other.pem")
    ran = command.run("config", "check")
    assert ran.code == 78
    assert ran.err.strip().endswith("which the environment names, holds no certificates in PEM format")
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setenv("ALL_PROXY", f"socks5://ann:{SECRET}@127.0.0.1")
    ran = command.run("config", "check")
    assert ran.code == 78
    assert "ALL_PROXY in the environment: SOCKS is not supported" in ran.err
    assert "REQUESTS_CA_BUNDLE in the environment: cannot read /etc/other.pem" in ran.err
    assert SECRET not in ran.err
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    monkeypatch.delenv("ALL_PROXY")
    ran = command.run("config", "check")
    assert ran.code == 0
    assert ran.err == (
        "warning: NO_PROXY in the environment: neither a host nor a network, so passed over: 10.0.0.0/33, <x>\n"
    )


def test_mail_is_sent_with_the_same_certificates_in_mind(
    mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
    result = send_events(mail_server.url.replace("insecure", "ssl"), [NEW])
    assert result.detail == "REQUESTS_CA_BUNDLE in the environment: cannot read /nowhere: No such file or directory"


def test_what_a_plugin_asks_after_its_sending_uses_the_same_network(web: Sink, tmp_path: Path) -> None:
    """Apprise's Matrix logs out when it is collected, in any thread. `requests` alone would use `.netrc`."""
    from apprise.plugins import custom_json

    open_plugin("json://there.invalid")
    netrc = tmp_path / ".netrc"
    netrc.write_text(f"machine 127.0.0.1 login ann password {SECRET}\n")
    netrc.chmod(0o600)
    custom_json.requests.post(f"http://{web.address}/logout", timeout=5)
    assert [(request.path, "Authorization" in request.headers) for request in web.requests] == [("/logout", False)]
