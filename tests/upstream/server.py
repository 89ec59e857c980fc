"""A scripted HTTP server on a loopback port: it says exactly the bytes that a test tells it to, and remembers what
it was asked."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

Script = Callable[["Request"], Iterable[bytes]]


@dataclass(frozen=True)
class Request:
    target: str
    """Path and query, as sent (the whole URL, when the server is used as a proxy)."""
    headers: dict[str, str]


@dataclass
class Server:
    host: str
    port: int
    requests: list[Request] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/api/v1"

    @property
    def targets(self) -> list[str]:
        return [request.target for request in self.requests]


def answer(
    body: bytes = b"", status: str = "200 OK", *, length: int | None = None, kind: str = "application/json", **more: str
) -> bytes:
    """A whole HTTP answer; `more` are headers (`retry_after` is Retry-After), `length` a Content-Length that lies."""
    head = {"Content-Type": kind, "Content-Length": str(len(body) if length is None else length)}
    head |= {name.replace("_", "-").title(): value for name, value in more.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    return f"HTTP/1.1 {status}\r\n{lines}Connection: close\r\n\r\n".encode() + body


@contextlib.contextmanager
def serve(*scripts: Script | bytes, host: str = "127.0.0.1") -> Iterator[Server]:
    """Answers the first request by the first script and so on; the last one answers all that follow."""
    with socket.create_server((host, 0)) as listener:
        server = Server(host, listener.getsockname()[1])
        stopping = threading.Event()

        def one(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                request = _read_request(connection)
                if request is None:
                    return
                server.requests.append(request)
                script = scripts[min(len(server.requests), len(scripts)) - 1]
                for chunk in [script] if isinstance(script, bytes) else script(request):
                    if stopping.is_set():
                        return
                    connection.sendall(chunk)
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_WR)

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                if stopping.is_set():
                    connection.close()
                    return
                threading.Thread(target=one, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            stopping.set()
            with contextlib.suppress(OSError), socket.create_connection((host, server.port), timeout=5):
                pass
            thread.join(timeout=5)


def _read_request(connection: socket.socket) -> Request | None:
    head = b""
    while b"\r\n\r\n" not in head:
        piece = connection.recv(65536)
        if not piece:
            return None
        head += piece
    first, *lines = head.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Request(first.split(" ")[1], headers)
