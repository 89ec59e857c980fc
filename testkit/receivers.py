"""Real receivers on loopback: an HTTP server that answers as told, and a mail server."""

import json
import socket
import threading
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller


class Sink:
    """An HTTP server that keeps what it is sent and answers with `status`; 0 hangs up, -1 never answers."""

    def __init__(self) -> None:
        self.status = 200
        self.statuses: list[int] = []
        self.requests: list[tuple[str, str, bytes]] = []
        self.over = threading.Event()
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                sink.requests.append((self.command, self.path, body))
                status = sink.statuses.pop(0) if sink.statuses else sink.status
                if status == -1:
                    sink.over.wait(20)
                if status <= 0:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            do_GET = do_POST

            def log_message(self, *_: Any) -> None:
                pass

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except (OSError, ValueError):
                    self.close_connection = True

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def json(self, at: int = -1) -> Any:
        return json.loads(self.requests[at][2])

    def close(self) -> None:
        self.over.set()
        self.server.shutdown()
        self.server.server_close()


class MailServer:
    """An SMTP server that keeps its mails and refuses recipients with `nobody` in their address."""

    def __init__(self) -> None:
        self.envelopes: list[Any] = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.controller = Controller(self, hostname="127.0.0.1", port=port)
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
