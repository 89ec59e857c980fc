"""A line to a server that can be cut: nothing comes through any more, and nobody is told."""

import select
import socket
import threading
from contextlib import suppress


class Proxy:
    """Passes on what comes to a port of its own, until it is cut."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._open = threading.Event()
        self._open.set()
        self._closed = False
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Hold back everything from now on; connections stay open."""
        self._open.clear()

    def mend(self) -> None:
        """Pass on again, what was held back included."""
        self._open.set()

    def close(self) -> None:
        self._closed = True
        self._open.set()
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            self._open.wait()
            with socket.create_connection(("127.0.0.1", self._to)) as server:
                other = {client: server, server: client}
                while not self._closed:
                    ready, _, _ = select.select(list(other), [], [], 0.2)
                    self._open.wait()
                    for side in ready:
                        piece = side.recv(65536)
                        if not piece:
                            return
                        other[side].sendall(piece)
