"""A deadline for a whole request."""

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import Any


class Watchdog:
    """Cuts the connection when a request takes too long.

    httpx's timeouts are for each piece of an answer alone: a server that sends a byte now and then could hold us for
    hours. httpx reports each connection through its `trace` extension. Shutting its socket down ends every wait for it.
    """

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self.barked = False
        """Whether the last request took too long."""

    @contextlib.contextmanager
    def watching(self, seconds: float) -> Iterator[None]:
        """Cut every connection of the block after that time."""
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
        """Take what httpx reports."""
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
        # The method of an SSL socket would take its TLS state away from the thread that reads.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
