"""Real receivers on loopback: a web server that answers as a test says, and a mail server."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from aiosmtpd.controller import Controller

from watcher.catalog.model import Event
from watcher.delivery.channel import DEFAULT_TIMEOUT, Result, send
from watcher.messages.builder import compose_within


class Request(NamedTuple):
    """What a `Sink` received."""

    verb: str
    path: str
    body: bytes
    headers: dict[str, str]


class Sink:
    """A web server that keeps what it is sent and answers with `status`, `headers` and `answer`.

    `statuses` come first, one each, and `judge` returns the status for a body. Status 0 hangs up, -1 never answers, -2
    cuts the answer off.
    """

    def __init__(self, certificate: Path | None = None) -> None:
        self.status = 200
        self.statuses: list[int] = []
        self.judge: Callable[[bytes], int] | None = None
        self.headers: dict[str, str] = {}
        self.answer = b"ok"
        self.requests: list[Request] = []
        self.over = threading.Event()
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                sink.requests.append(Request(self.command, self.path, body, dict(self.headers)))
                status = sink.statuses.pop(0) if sink.statuses else sink.status
                if sink.judge is not None:
                    status = sink.judge(body)
                if status == -1:
                    sink.over.wait(20)
                if status == -2:
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut off")
                if status <= 0:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.send_response(status)
                redirect = {"Location": "/elsewhere"} if 300 <= status < 400 else {}
                for name, value in (redirect | sink.headers).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(sink.answer)))
                self.end_headers()
                self.wfile.write(sink.answer)

            do_GET = do_PUT = do_POST

            def log_message(self, *_: Any) -> None:
                pass

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except (OSError, ValueError):
                    self.close_connection = True

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def json(self, at: int = -1) -> Any:
        return json.loads(self.requests[at].body)

    def close(self) -> None:
        self.over.set()
        self.server.shutdown()
        self.server.server_close()


class MailServer:
    """An SMTP server that keeps its mails and refuses recipients with `nobody` in their address."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.envelopes: list[Any] = []
        with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as free:
            port = free.getsockname()[1]
        self.controller = Controller(self, hostname=host, port=port)
        self.controller.start()
        self.url = f"mailto://127.0.0.1:{port}?mode=insecure&smtp=127.0.0.1&from=watcher@example.org&to=ann@example.org"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if "nobody" in address:
            return f"550 5.1.1 {address} is not known here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.envelopes.append(envelope)
        return "250 OK"

    def mail(self, at: int = -1) -> EmailMessage:
        mail = message_from_bytes(self.envelopes[at].content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        return mail

    def text(self, at: int = -1) -> str:
        """The plain-text part of a mail."""
        part = self.mail(at).get_body(("plain",))
        assert part is not None
        return str(part.get_content())

    def close(self) -> None:
        self.controller.stop()


def send_events(url: str, events: Sequence[Event], *, timeout: float = DEFAULT_TIMEOUT) -> Result:
    """Send the events in the built-in words."""
    return send(url, compose_within, events, timeout=timeout)
