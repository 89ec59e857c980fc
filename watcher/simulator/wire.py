"""HTTP/1.1 for the simulator: reads requests, and sends answers with the faults that concern time and connection."""

import contextlib
import gzip
import http.server
import logging
import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from watcher.api.answer import Request, Response, error
from watcher.simulator.faults import Fault

HOST = "127.0.0.1"

_MAX_BODY = 1024 * 1024
_NO_FAULT = Fault()

log = logging.getLogger(__name__)

Reply = Callable[[Request, bytes], tuple[Response, Fault]]
"""Takes a request and its body. Returns the answer, and the fault to apply while it is sent."""


class Server(socketserver.ThreadingTCPServer):
    """A server with one thread a connection."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, reply: Reply) -> None:
        self.reply = reply
        self.stopping = threading.Event()
        self._connections: WeakSet[socket.socket] = WeakSet()
        super().__init__((HOST, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection for `stop`."""
        self._connections.add(request)
        super().process_request(request, client_address)

    def stop(self) -> None:
        """End every connection at once, also those that wait or drip, and free the port."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        for connection in self._connections:
            with contextlib.suppress(OSError):  # it may have ended already
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log an error, unless it is only a client that went away."""
        problem = sys.exc_info()[1]
        if not isinstance(problem, OSError):
            log.error("the simulator failed on a request", exc_info=problem)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "pretend-openrouter"
    sys_version = ""
    timeout = 60
    # Small answers leave in one piece, and large ones do not wait for the client's acknowledgement.
    wbufsize = 64 * 1024
    disable_nagle_algorithm = True

    def __getattr__(self, name: str) -> Any:
        """Serve every method (`do_GET` and so on), so that the API refuses the ones it does not have."""
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        length = self.headers.get("content-length", "0")
        if "transfer-encoding" in self.headers or not (length.isascii() and length.isdigit()):
            self.send_error(400, "A body needs a Content-Length")
            return
        if len(length) > 9 or int(length) > _MAX_BODY:
            self.send_error(413, "The body is larger than 1 MiB")
            return
        body = self.rfile.read(int(length))
        path, _, query = self.path.partition("?")
        headers = {name.lower(): text for name, text in self.headers.items()}
        try:
            answer, fault = self.server.reply(Request(path, query, self.command, headers), body)
        except Exception:
            log.exception("the simulator could not answer %s %r", self.command, self.path)
            answer, fault = error(500, "The simulator has a bug"), _NO_FAULT
        self._send(answer, fault)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse a request in the API's form and end the connection. `http.server` calls this, too."""
        self.close_connection = True
        # Without a version that it could read, http.server would assume HTTP/0.9 and send no status line.
        self.request_version = "HTTP/1.1"
        self._send(error(code, message or "Bad Request"), _NO_FAULT)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing; see `Simulator.requests`."""

    def _send(self, answer: Response, fault: Fault) -> None:
        headers, body = dict(answer.headers), answer.body.ljust(fault.size)  # spaces do not change JSON or XML
        if fault.bomb:
            body = gzip.compress(body, compresslevel=1)
            headers |= {"content-encoding": "gzip", "vary": "accept-encoding"}
        if fault.delay and self.server.stopping.wait(fault.delay):
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, text in headers.items():
            self.send_header(name, text.encode("latin-1", "replace").decode("latin-1"))
        has_body = answer.status not in (204, 304)
        if has_body:
            self.send_header("content-length", str(len(body)))
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()
        if has_body and getattr(self, "command", None) != "HEAD":
            self._write(body, fault)

    def _write(self, body: bytes, fault: Fault) -> None:
        if fault.cut is not None:
            body = body[: int(len(body) * fault.cut)]
            self.close_connection = True
        step = fault.drip or max(len(body), 1)
        for start in range(0, len(body), step):
            if fault.drip and self.server.stopping.wait(fault.interval):
                self.close_connection = True
                return
            self.wfile.write(body[start : start + step])
            self.wfile.flush()
