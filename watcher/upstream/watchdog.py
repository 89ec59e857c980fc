"""A deadline for a whole request, also where httpx gives us no say."""

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import Any


class Watchdog:
    """Cuts the connection when a request takes too long, also where httpx gives us no say.

    The read loop checks the deadline itself, but the headers are read inside httpx, with a timeout for each piece
    alone: a server that drips them would hold us for hours. httpx tells of each connection through its `trace`
    extension; shutting the socket down ends whatever waits on it.
    """

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self.barked = False

    @contextlib.contextmanager
    def watching(self, seconds: float) -> Iterator[None]:
        self.barked = False
        timer = threading.Timer(seconds, self._bark)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        if not event.endswith(("connect_tcp.complete", "start_tls.complete")):
            return
        connection = info["return_value"].get_extra_info("socket")
        if isinstance(connection, socket.socket):
            with self._lock:
                self._sockets = [known for known in self._sockets if known.fileno() >= 0] + [connection]
                if self.barked:
                    _shut(connection)

    def _bark(self) -> None:
        with self._lock:
            self.barked = True
            for connection in self._sockets:
                _shut(connection)


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        # Not the method of an SSL socket, which would take its TLS state away from the thread that reads.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
