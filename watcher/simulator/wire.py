"""HTTP/1.1 for the simulator: reads requests, and sends answers as well or as badly as the fault wants them sent."""

import gzip
import http.server
import logging
import socket
import socketserver
import sys
import threading
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from watcher.api.answer import Response, error
from watcher.simulator.faults import Fault

_MAX_BODY = 1024 * 1024
_WORTH_COMPRESSING = 1024
_CHUNK = 64 * 1024

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReceivedRequest:
    """A request as it came: method, path (percent-encoded), query string, headers with names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]


class Replies(Protocol):
    """Who knows the answers."""

    def reply(self, request: ReceivedRequest, body: bytes) -> tuple[Response, Fault | None]:
        """The answer to a request, and the fault to be carried out while it is sent."""


class Server(http.server.ThreadingHTTPServer):
    """One thread a connection; `stop` ends them all at once, even those that wait or drip."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, host: str, port: int, replies: Replies, compress: bool) -> None:
        self.replies = replies
        self.compress = compress
        self.stopping = threading.Event()
        self._connections: set[Any] = set()
        self._guard = threading.Lock()
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """As `TCPServer` does it: the one of `HTTPServer` looks the host's name up, which can take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Keeps the connection in mind, to end it in `stop`."""
        with self._guard:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forgets a connection that has ended."""
        with self._guard:
            self._connections.discard(request)
        super().shutdown_request(request)

    def stop(self) -> None:
        """Serves no more, ends every connection, frees the port."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        with self._guard:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # the other side was faster

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is nothing to tell; anything else is a bug of ours."""
        problem = sys.exc_info()[1]
        if not isinstance(problem, OSError):
            log.error("the simulator failed on a request", exc_info=problem)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "pretend-openrouter"
    sys_version = ""
    timeout = 60
    # Head and body leave together when they are small, and the rest never waits for the client's acknowledgement.
    wbufsize = _CHUNK
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        body = self._body()
        if body is None:
            return
        path, _, query = self.path.partition("?")
        headers = {name.lower(): text for name, text in self.headers.items()}
        try:
            answer, fault = self.server.replies.reply(ReceivedRequest(self.command, path, query, headers), body)
        except Exception:
            log.exception("the simulator could not answer %s %r", self.command, self.path)
            answer, fault = error(500, "The simulator has a bug"), None
        self._send(answer, fault)

    def __getattr__(self, name: str) -> Any:
        """`do_GET` and its like: every method is served, so that it is the API that refuses it."""
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _body(self) -> bytes | None:
        """The request's body; None when it was refused, and the refusal sent."""
        length = self.headers.get("content-length", "0")
        if "transfer-encoding" in self.headers or not (length.isascii() and length.isdigit()):
            self.send_error(400, "A body needs a Content-Length")
            return None
        if len(length) > 9 or int(length) > _MAX_BODY:
            self.send_error(413, "The body is larger than 1 MiB")
            return None
        return self.rfile.read(int(length))

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refusals of `http.server` itself (a malformed request line, say) in the API's form; the connection ends."""
        self.close_connection = True
        # Where no version could be read, the server would take it for HTTP/0.9 and send no status line.
        self.request_version = "HTTP/1.1"
        self._send(error(code, message or "Bad Request"), None)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what is asked is recorded, see `Simulator.requests`."""

    def _send(self, answer: Response, fault: Fault | None) -> None:
        fault = fault or _NONE
        headers, body = dict(answer.headers), answer.body
        padding = max(0, fault.size - len(body))
        parts = _padded(body, padding)
        length = len(body) + padding
        if fault.bomb or (self.server.compress and not padding and self._wants_gzip(body)):
            compressed = _compressed(parts) if padding else gzip.compress(body, compresslevel=1)
            parts, length = iter([compressed]), len(compressed)
            headers["content-encoding"] = "gzip"
            headers["vary"] = "accept-encoding"
        if fault.delay and self.server.stopping.wait(fault.delay):
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, text in headers.items():
            self.send_header(name, text.encode("latin-1", "replace").decode("latin-1"))
        if answer.status not in (204, 304):
            self.send_header("content-length", str(length))
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()
        if getattr(self, "command", None) == "HEAD" or answer.status in (204, 304):
            return
        self._write(parts, length, fault)

    def _write(self, parts: Iterator[bytes], length: int, fault: Fault) -> None:
        promised = length if fault.cut is None else int(length * fault.cut)
        for part in parts:
            sending = part[:promised]
            promised -= len(sending)
            if not fault.drip:
                self.wfile.write(sending)
                continue
            for start in range(0, len(sending), fault.drip):
                if self.server.stopping.wait(fault.interval):
                    self.close_connection = True
                    return
                self.wfile.write(sending[start : start + fault.drip])
                self.wfile.flush()
        if fault.cut is not None:
            self.close_connection = True

    def _wants_gzip(self, body: bytes) -> bool:
        return len(body) >= _WORTH_COMPRESSING and "gzip" in self.headers.get("accept-encoding", "")


_NONE = Fault()


def _padded(body: bytes, padding: int) -> Iterator[bytes]:
    """The body, then so many spaces: white space after JSON or XML changes nothing but the size."""
    yield body
    for start in range(0, padding, _CHUNK):
        yield b" " * min(_CHUNK, padding - start)


def _compressed(parts: Iterator[bytes]) -> bytes:
    squeeze = zlib.compressobj(level=1, wbits=31)  # 31: gzip, with the largest window
    return b"".join([*(squeeze.compress(part) for part in parts), squeeze.flush()])
