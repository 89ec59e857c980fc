"""Measure the memory of `watcher run` at rest, with 631 models, a mailbox and a Slack channel that were all used.

The command runs with the environment variables of its systemd unit. It uses TLS to openrouter.ai and hooks.slack.com,
with all certificates that Python trusts. A proxy in this process stands in for both hosts.
"""

import re
import select
import shutil
import socket
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import certifi

from testkit.archive import newest_models
from testkit.command import Running, Watcher
from testkit.receivers import MailServer, Sink
from watcher.simulator import Scene, Simulator
from watcher.store.store import Store

UNIT = Path(__file__).parents[1] / "deploy" / "systemd" / "openrouter-watcher.service"
MODELS = 631
GOAL = 75
"""In MB, like all figures here."""
STILL = 2.0
"""The daemon rests when it has used no processor time for this many seconds."""

CONFIG = """
[source]
url = "https://openrouter.ai/api/v1"
[store]
url = "sqlite:///w.db"
[announce]
settle = "0s"
[[channels]]
name = "mail"
url = "{mail}"
[[channels]]
name = "slack"
url = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7/#general"
"""


class Changing(Simulator):
    """A simulator whose models are whatever they were set to last."""

    def __init__(self, models: list[dict[str, Any]]) -> None:
        self._models = models
        super().__init__(self._shown())

    def _shown(self) -> Iterator[Scene]:
        for number in count():
            yield Scene(number, "", datetime.now(UTC), self._models, default_output="all")

    def show(self, models: list[dict[str, Any]]) -> None:
        """Serve these models from now on."""
        self._models = models
        self.advance()


class Proxy:
    """A web proxy that ends TLS for known hosts and forwards their requests to servers on loopback."""

    def __init__(self, folder: Path, hosts: dict[str, tuple[str, int]]) -> None:
        key, certificate = folder / "key.pem", folder / "certificate.pem"
        self.trusted = folder / "trusted.pem"
        names = ",".join(f"DNS:{host}" for host in hosts)
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=bench"]
        command += ["-addext", f"subjectAltName={names}", "-keyout", str(key), "-out", str(certificate)]
        subprocess.run(command, check=True, capture_output=True)
        self.trusted.write_text(Path(certifi.where()).read_text() + certificate.read_text())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                host = self.rfile.readline().split()[1].decode().partition(":")[0]
                while self.rfile.readline().strip():
                    pass
                self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                with (
                    context.wrap_socket(self.request, server_side=True) as near,
                    socket.create_connection(hosts[host]) as far,
                ):
                    threading.Thread(target=_pump, args=(far, near), daemon=True).start()
                    _pump(near, far)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        """Stop the proxy."""
        self._server.shutdown()
        self._server.server_close()


def _pump(near: socket.socket, far: socket.socket) -> None:
    try:
        while data := near.recv(65536):
            far.sendall(data)
        far.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # one side closed the connection


def main(rounds: int = 3) -> None:
    """Print the memory of each run."""
    if shutil.which("openssl") is None:
        print("The memory at rest is measured over TLS, which needs openssl to make a certificate.")
        return
    print(f"`watcher run` at rest with {MODELS} models, after it polled and sent to a mailbox and a Slack channel, MB")
    print(f"{'':<24}{'resident':>10}{'share':>10}{'peak':>10}   (goal: resident under {GOAL})")
    for what, creates in (("at each start", False), ("at the first start", True)):
        for _ in range(rounds):
            resident, share, peak = _rested(creates=creates)
            print(f"{what:<24}{resident:>10.1f}{share:>10.1f}{peak:>10.1f}")


def _rested(*, creates: bool) -> tuple[float, float, float]:
    models = newest_models(MODELS + 1)
    sink, mail = Sink(), MailServer()
    with TemporaryDirectory() as name, Changing(models[1:]) as simulator:
        folder = Path(name)
        host, _, port = simulator.origin.removeprefix("http://").rpartition(":")
        proxy = Proxy(folder, {"openrouter.ai": (host, int(port)), "hooks.slack.com": sink.server.server_address[:2]})
        watcher = Watcher(folder)
        watcher.configure(CONFIG.format(mail=mail.url))
        if not creates:
            Store.open(f"sqlite:///{folder / 'w.db'}").close()
        (folder / "config.toml").chmod(0o600)
        trusted = str(proxy.trusted)
        env = _unit_environment() | {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": trusted, "REQUESTS_CA_BUNDLE": trusted}
        running = Running(watcher, "--verbose", "run", env=env)
        try:
            running.says("polled: good")
            simulator.show(_cheaper(models))
            running.polls()
            for _ in range(2):
                running.says("channel (mail|slack): .*: sent")
            running.polls()
            _wait_for_rest(running.pid)
            found = _memory(running.pid)
        finally:
            running.stops()
            proxy.close()
            mail.close()
            sink.close()
        assert len(sink.requests) == len(mail.envelopes) == 1
        return found


def _unit_environment() -> dict[str, str]:
    lines = re.findall(r"^Environment=(.*)$", UNIT.read_text(), re.MULTILINE)
    return dict(word.split("=", 1) for line in lines for word in line.split())


def _cheaper(models: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one more model, and another price for five of them."""
    cheaper = [{**model, "pricing": {**model["pricing"], "prompt": "0.0000123"}} for model in models[1:6]]
    return [models[0], *cheaper, *models[6:]]


def _wait_for_rest(pid: int) -> None:
    before = -1
    while (now := _ticks(pid)) != before:
        before = now
        select.select([], [], [], STILL)


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _memory(pid: int) -> tuple[float, float, float]:
    """Return the resident and the proportional set size, and the peak of the resident size, in MB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text() + Path(f"/proc/{pid}/status").read_text()
    kilobytes = dict(line.split()[:2] for line in lines.splitlines() if line.endswith(" kB"))
    return tuple(int(kilobytes[key]) * 1024 / 1e6 for key in ("Rss:", "Pss:", "VmHWM:"))  # type: ignore[return-value]
