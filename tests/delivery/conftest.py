"""Real receivers on loopback, a fresh one for each test."""

import shutil
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from testkit.receivers import Sink
from watcher.delivery import services


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's rate limit is hurt by a test, so parts of a message follow each other at once."""
    monkeypatch.setattr(services, "_MAX_PAUSE", 0.0)


@pytest.fixture
def web() -> Iterator[Sink]:
    web = Sink()
    yield web
    web.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for 127.0.0.1 that nobody has signed."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    subprocess.run(
        [*command, "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", path, "-out", path.with_suffix(".crt")],
        capture_output=True,
        check=True,
    )
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


@pytest.fixture
def secure_web(certificate: Path) -> Iterator[Sink]:
    web = Sink(certificate)
    yield web
    web.close()


CHATS = (
    ("slack", "NotifySlack", "webhook_url"),
    ("discord", "NotifyDiscord", "notify_url"),
    ("telegram", "NotifyTelegram", "notify_url"),
)


def divert(address: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return URLs of services that post to the address instead of their own host."""
    for module, plugin, attribute in CHATS:
        kind = getattr(import_module(f"apprise.plugins.{module}"), plugin)
        monkeypatch.setattr(kind, attribute, f"http://{address}/")
    return {
        "slack": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7/#general",
        "discord": "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
        "telegram": "tgram://123456789:abcdefghijklmnopqrstuvwxyz012345678/12315544/",
        "mattermost": f"mmost://{address}/3ccdd113474722377935511fc85d3dd4",
    }


@pytest.fixture
def chats(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """URLs of services that post to the sink instead of their own host."""
    return divert(sink.address, monkeypatch)


def urls_of(address: str, chats: dict[str, str]) -> dict[str, str]:
    """Return the URL of every kind of channel that can be reached on loopback over HTTP."""
    return {
        **chats,
        "json": f"json://{address}/hook",
        "form": f"form://{address}/hook",
        "xml": f"xml://{address}/hook",
        "ntfy": f"ntfy://{address}/topic",
        "gotify": f"gotify://{address}/AbCdEf123",
        "matrix": f"matrix://{address}/{'t' * 64}?mode=slack",
        "rocket": f"rocket://aaaabbbbccccddddeeee1111/222233334444555566667777aaaabbbbccccddddeeee1111222@{address}/#news",
    }
