"""The pretend OpenRouter as an HTTP server, for tests, demonstrations and trying things by hand.

`GET /api/v1/…` is answered as the API answers, spoiled by the fault that is switched on. `/simulator/…` controls it
from another process: `POST advance`, `PUT fault` (JSON, see `Fault.from_json`), `DELETE fault`, `GET state`.
"""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Any

import msgspec

from watcher.api import answer as api
from watcher.api.answer import Catalogue, Request, Response
from watcher.errors import UsageError
from watcher.simulator.faults import Fault
from watcher.simulator.source import Scene, SceneSource
from watcher.simulator.wire import ReceivedRequest, Server

CONTROL = "/simulator/"

_KEPT_ANSWERS = 64
_KEPT_REQUESTS = 10_000


class Simulator:
    """Serves a source until it is closed; a context manager.

    Every method may be called from any thread.
    """

    def __init__(
        self,
        source: SceneSource,
        port: int = 0,
        host: str = "127.0.0.1",
        clock: Callable[[], datetime] | None = None,
        gzip: bool = False,
    ) -> None:
        """Binds to `host` and `port` (0: any free one) and starts to serve.

        `clock` gives the moment by which time-of-day prices and ages are told, with its time zone; without it that is
        the source's own time. With `gzip` large bodies are compressed for clients that accept it. Raises UsageError
        when the address cannot be had.
        """
        self._source = source
        self._clock = clock
        self._lock = threading.Lock()
        self._answers: OrderedDict[tuple[Any, ...], Response] = OrderedDict()
        self._requests: deque[ReceivedRequest] = deque(maxlen=_KEPT_REQUESTS)
        self._fault = source.current().fault
        self._left = self._fault.times if self._fault else None
        try:
            self._server = Server(host, port, self, gzip)
        except (OSError, OverflowError) as problem:
            raise UsageError(f"the simulator cannot listen on {host}:{port}: {problem}") from problem
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def origin(self) -> str:
        """`http://HOST:PORT`."""
        host, port = self._server.server_address[:2]
        name = f"[{host!s}]" if ":" in str(host) else str(host)
        return f"http://{name}:{port}"

    @property
    def url(self) -> str:
        """The base of the API, as the configuration's `source.url` takes it."""
        return f"{self.origin}{api.BASE}"

    @property
    def scene(self) -> Scene:
        """What is served now."""
        with self._lock:
            return self._source.current()

    @property
    def requests(self) -> list[ReceivedRequest]:
        """The requests to the API so far, oldest first; the last 10,000 are kept."""
        with self._lock:
            return list(self._requests)

    def advance(self) -> Scene | None:
        """Goes one step on in the source; None at its end, when all stays as it is.

        The fault of the step that is left ends; a step with its own fault replaces one that was set.
        """
        with self._lock:
            leaving = self._source.current().fault
            scene = self._source.advance()
            if scene is not None and (scene.fault is not None or self._fault is leaving):
                self._switch(scene.fault)
            return scene

    def set_fault(self, fault: Fault) -> None:
        """From now on requests that match meet this fault, in place of any other."""
        with self._lock:
            self._switch(fault)

    def clear_fault(self) -> None:
        """From now on all is well."""
        with self._lock:
            self._switch(None)

    def close(self) -> None:
        """Stops serving, ends open connections, frees the port. Doing it twice does no harm."""
        self._server.stop()
        self._thread.join()

    def __enter__(self) -> "Simulator":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def state(self) -> dict[str, Any]:
        """What is going on, as `GET /simulator/state` tells it."""
        with self._lock:
            scene = self._source.current()
            fault = None if self._fault is None else {**msgspec.to_builtins(self._fault), "times": self._left}
            return {
                "step": scene.number,
                "title": scene.title,
                "at": scene.at.isoformat(),
                "models": None if scene.models is None else len(scene.models),
                "fault": fault,
                "requests": len(self._requests),
            }

    def reply(self, request: ReceivedRequest, body: bytes) -> tuple[Response, Fault | None]:
        """The answer to a request, and the fault whose effects on the wire are still to be carried out."""
        if request.path.startswith(CONTROL):
            return self._control(request, body), None
        with self._lock:
            self._requests.append(request)
            scene = self._source.current()
            fault = self._take_fault(request)
        answer = self._answer(request, scene)
        return (answer, None) if fault is None else (fault.spoil(answer), fault)

    def _control(self, request: ReceivedRequest, body: bytes) -> Response:
        match request.method, request.path.removeprefix(CONTROL):
            case "POST", "advance":
                moved = self.advance() is not None
                return _told({"advanced": moved, **self.state()})
            case "PUT", "fault":
                try:
                    self.set_fault(Fault.from_json(body))
                except UsageError as problem:
                    return api.error(400, str(problem))
            case "DELETE", "fault":
                self.clear_fault()
            case "GET", "state":
                pass
            case _, "advance" | "fault" | "state":
                return api.error(405)
            case _:
                return api.error(404)
        return _told(self.state())

    def _switch(self, fault: Fault | None) -> None:
        self._fault = fault
        self._left = fault.times if fault else None

    def _take_fault(self, request: ReceivedRequest) -> Fault | None:
        fault = self._fault
        target = f"{request.path}?{request.query}" if request.query else request.path
        if fault is None or not fault.matches(target):
            return None
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                self._switch(None)
        return fault

    def _answer(self, request: ReceivedRequest, scene: Scene) -> Response:
        if scene.models is None:
            if request.path == f"{api.BASE}/models":
                return Response(200, {"content-type": "application/json"}, scene.body)
            return api.error(500, "The recorded answer is no list of models")
        now = self._clock() if self._clock else scene.at
        has_key = request.headers.get("authorization", "").lower().startswith("bearer ")
        # Prices of the day go by the minute, so within one the same question has the same answer.
        minute = int(now.timestamp()) // 60
        key = (scene.number, minute, request.method, request.path, request.query, has_key)
        with self._lock:
            known = self._answers.get(key)
        if known is None:
            asked = Request(request.path, request.query, request.method, has_key)
            known = api.answer(asked, Catalogue(scene.models, now, self.origin, self._source.default_output))
            with self._lock:
                self._answers[key] = known
                while len(self._answers) > _KEPT_ANSWERS:
                    self._answers.popitem(last=False)
        return known


def _told(document: dict[str, Any]) -> Response:
    return Response(200, {"content-type": "application/json", "cache-control": "no-store"}, api.to_json(document))
