"""A mail server that repeats what it was sent: nothing of the login is in what is told, or in what is remembered."""

import base64
import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import pytest
from msgspec.structs import replace

from testkit.receivers import send_events
from tests.delivery.test_outbox import OK, A, B, World, event
from watcher.config.secret import Secret, read_url
from watcher.daemon import logs
from watcher.delivery.channel import Result

USER, PASSWORD = "ann@example.org", "kzq9-Word/with%25 5igns"
SENT = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()

ECHOES: Mapping[str, Callable[[str], str]] = {
    "as it was sent": lambda line: line,
    "decoded": lambda line: PASSWORD,
    "in upper case": lambda line: PASSWORD.upper(),
    "percent-encoded": lambda line: "".join(f"%{byte:02x}" for byte in PASSWORD.encode()),
    "as in the URL": lambda line: quote(PASSWORD),
    "a piece": lambda line: PASSWORD[:10],
    "a piece of what was sent": lambda line: SENT[14:40],
    "cut": lambda line: f"{'x ' * 135}{PASSWORD}",
    "cut as it was sent": lambda line: f"{'x ' * 130}{line}",
}


@contextlib.contextmanager
def mail_server(echo: Callable[[str], str]) -> Iterator[str]:
    """Refuse each login, and repeat it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with connection, connection.makefile("rwb", buffering=0) as stream:
                        stream.write(b"220 hello\r\n")
                        while line := stream.readline().decode().strip():
                            verb, _, rest = line.partition(" ")
                            if verb.upper() == "EHLO":
                                stream.write(b"250-hello\r\n250 AUTH PLAIN\r\n")
                            elif verb.upper() == "AUTH":
                                stream.write(f"535 no such login: {echo(rest)}\r\n".encode())
                            else:
                                stream.write(b"221 bye\r\n")
                                break

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def pieces(secret: str) -> set[str]:
    return {secret[at : at + 8].lower() for at in range(len(secret) - 7)}


@pytest.mark.parametrize("echo", ECHOES)
def test_a_login_that_a_mail_server_repeats_is_told_nobody(
    echo: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with mail_server(ECHOES[echo]) as address:
        url = (
            f"mailto://{quote(USER, safe='')}:{quote(PASSWORD, safe='')}@{address}"
            "?mode=insecure&smtp=127.0.0.1&from=watcher@example.org&to=bob@example.org"
        )
        channel = replace(A, url=Secret(url))
        read_url("a", channel, "url", {})

        class Mails(World):
            def _send(self, channel: object, events: object) -> Result:
                return send_events(url, events) if channel == self.config.channels[0] else OK  # type: ignore[arg-type]

        world = Mails(f"sqlite:///{tmp_path / 'w.db'}", channel, B)
        logs.set_up("json", {}, verbose=True)
        attempts = world.queue(event(1)).drain()
    with world.store.reading() as session:
        stored = [row.last_error or "" for row in session.outbox.listed()]
    world.store.close()
    (failed,) = (attempt for attempt in attempts if attempt.state != "sent")
    assert "535" in failed.detail
    for text in (failed.detail, *stored, capsys.readouterr().err):
        plain = re.sub(r"\s+", " ", text.lower())
        for secret in (PASSWORD, SENT.rstrip("="), quote(PASSWORD, safe="")):
            assert not {piece for piece in pieces(secret) if piece in plain}, text
