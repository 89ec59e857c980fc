"""The HTTP server: a socket, uvicorn on a thread of its own, and deadlines for slow clients."""

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from logging import ERROR, getLogger
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from watcher.api.answer import error
from watcher.config.settings import Config
from watcher.errors import ConfigError
from watcher.store.store import Store
from watcher.web.access import BUSY_SECONDS, LONGEST_HEADERS, LONGEST_URL, is_loopback
from watcher.web.app import App

HEAD_SECONDS = 10.0
"""How long a client may take to send a request."""
BODY_SECONDS = 60.0
"""How long a request may take from then on, the client's reading of the answer included."""
MAX_CONNECTIONS = 256
"""More connections are closed at once: the watcher needs file descriptors, too."""
_GRACE = 3

_log = getLogger("watcher")


class WebServer:
    """Serves the API from a thread until it is stopped.

    Raises ConfigError if the address cannot be listened on, or the tokens cannot be used.
    """

    def __init__(self, config: Config, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        assert config.web.listen is not None
        self._store = Store(config.store.url.reveal(), read_only=True, busy_seconds=BUSY_SECONDS)
        app = App(config, self._store, clock)
        host, _, port = config.web.listen.rpartition(":")
        host = host.strip("[]")  # of an IPv6 address
        if not is_loopback(host) and config.web.tokens_file is None:
            _log.warning("the API at %s has no tokens_file: everyone who reaches it may ask", config.web.listen)
        self._socket = _listen(host, int(port))
        self._server = _Server(
            uvicorn.Config(
                app,
                http=_Protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level=ERROR,  # what a client does wrong is not news
                access_log=False,
                proxy_headers=False,
                server_header=False,
                h11_max_incomplete_event_size=LONGEST_HEADERS + LONGEST_URL,
                timeout_graceful_shutdown=_GRACE,
            )
        )
        self._thread = threading.Thread(target=self._run, name="watcher-web", daemon=True)

    @property
    def url(self) -> str:
        """The address that it really listens on."""
        host, port = self._socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Serve no more, and end every connection."""
        self._server.end()
        self._thread.join(_GRACE + 2)
        self._socket.close()
        self._store.close()

    def _run(self) -> None:
        try:
            asyncio.run(self._server.serve(sockets=[self._socket]))
        except Exception:
            _log.exception("the API is not served any more: this is a bug in openrouter-watcher")


class _Server(uvicorn.Server):
    """uvicorn's server, which looks once a second for the end and not ten times."""

    _loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        while not await self.on_tick(0):  # it sets the date of answers
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), 1.0)

    def end(self) -> None:
        """Make it end, from another thread."""
        self.should_exit = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ended.set)


class _Protocol(H11Protocol):
    """uvicorn's protocol, with a deadline for each request and a bound for connections."""

    _until = float("inf")
    """When the connection is closed, by the loop's clock; a timer looks at it now and then."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
        else:
            self._until = self.loop.time() + HEAD_SECONDS
            self._watch()

    def data_received(self, data: bytes) -> None:
        if self._until == float("inf"):
            self._until = self.loop.time() + HEAD_SECONDS
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._until = self.loop.time() + BODY_SECONDS

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be read, as the API does. Where an answer has begun already, only close."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            answer = error(400, "This is no valid HTTP request, or its head is too long", {"connection": "close"})
            headers = [*answer.headers.items(), ("content-length", str(len(answer.body)))]
            events = h11.Response(status_code=400, headers=headers), h11.Data(data=answer.body), h11.EndOfMessage()
            for event in events:
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def on_response_complete(self) -> None:
        before = self.cycle
        self._until = float("inf")
        super().on_response_complete()
        if self.cycle is not before:  # the client has sent the next request already
            self._until = self.loop.time() + BODY_SECONDS

    def _watch(self) -> None:
        if self.transport.is_closing():
            return
        if self.loop.time() >= self._until:
            self.transport.abort()
        else:
            self.loop.call_later(HEAD_SECONDS / 4, self._watch)


def _listen(host: str, port: int) -> socket.socket:
    listening = None
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # asyncio sends at once only where a socket is told to be TCP; else small answers wait for an acknowledgement.
        listening = socket.socket(family, kind, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
    except OSError as error:
        if listening is not None:
            listening.close()
        raise ConfigError(f"web.listen: cannot listen on {host} port {port}: {error.strerror}") from None
    return listening
