"""The pretend OpenRouter as an HTTP server, for tests, demonstrations and trying things by hand.

`GET /api/v1/…` is answered as the API would, with the fault that is switched on. `/simulator/…` controls it from
another process: `POST advance`, `PUT fault` (JSON, see `Fault.from_json`), `DELETE fault`, `GET state`.
"""

import threading
from collections import deque
from collections.abc import Iterable
from typing import Any, Self

import msgspec
from msgspec.structs import replace

from watcher.api import answer as api
from watcher.api.answer import Catalogue, Request, Response
from watcher.errors import UsageError
from watcher.simulator.faults import Fault
from watcher.simulator.scenes import Scene
from watcher.simulator.wire import HOST, Server

CONTROL = "/simulator/"

_MAX_REQUESTS = 10_000


class Simulator:
    """Serves scenes until it is closed; a context manager. Every method may be called from any thread."""

    def __init__(self, scenes: Iterable[Scene], port: int = 0) -> None:
        """Start to serve on 127.0.0.1 at `port` (0: any free one). The next scene is made when `advance` asks for it.

        Raises UsageError: there is no scene, or the port cannot be used.
        """
        self._scenes = iter(scenes)
        first = next(self._scenes, None)
        if first is None:
            raise UsageError("the archive holds no recorded answer to serve")
        self._scene, self._fault = first, first.fault
        self._lock = threading.Lock()
        self._requests: deque[Request] = deque(maxlen=_MAX_REQUESTS)
        self._by_hand = False
        try:
            self._server = Server(port, self._reply)
        except (OSError, OverflowError) as problem:
            raise UsageError(f"the simulator cannot listen on {HOST}:{port}: {problem}") from problem
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def origin(self) -> str:
        """`http://HOST:PORT`."""
        return f"http://{HOST}:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """The base of the API, for `source.url` in the configuration."""
        return f"{self.origin}{api.BASE}"

    @property
    def scene(self) -> Scene:
        """The scene that is served now."""
        with self._lock:
            return self._scene

    @property
    def requests(self) -> list[Request]:
        """The requests to the API so far, oldest first; the last 10,000 are kept."""
        with self._lock:
            return list(self._requests)

    def advance(self) -> Scene | None:
        """Go one step on. At the end nothing changes, and None is returned.

        The fault of the step before ends. A step with its own fault replaces one that was set by hand.
        """
        with self._lock:
            scene = next(self._scenes, None)
            if scene is not None:
                self._scene = scene
                if scene.fault is not None or not self._by_hand:
                    self._fault, self._by_hand = scene.fault, False
            return scene

    def set_fault(self, fault: Fault | None) -> None:
        """Switch a fault on, in place of any other; None: switch it off."""
        with self._lock:
            self._fault, self._by_hand = fault, fault is not None

    def close(self) -> None:
        """End open connections and free the port. It may be called twice."""
        self._server.stop()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def state(self) -> dict[str, Any]:
        """Return what `GET /simulator/state` answers."""
        with self._lock:
            scene = self._scene
            return {
                "step": scene.number,
                "title": scene.title,
                "at": scene.at.isoformat(),
                "models": None if scene.models is None else len(scene.models),
                "fault": msgspec.to_builtins(self._fault),
                "requests": len(self._requests),
            }

    def _reply(self, request: Request, body: bytes) -> tuple[Response, Fault]:
        """Return the answer to a request, and the fault to apply while it is sent."""
        if request.path.startswith(CONTROL):
            return self._control(request, body), Fault()
        with self._lock:
            self._requests.append(request)
            scene = self._scene
            fault = self._take_fault(request)
        return fault.spoil(self._answer(request, scene)), fault

    def _control(self, request: Request, body: bytes) -> Response:
        match request.method, request.path.removeprefix(CONTROL):
            case "POST", "advance":
                moved = self.advance() is not None
                return api.ok(api.to_json({"advanced": moved, **self.state()}), cache="no-store")
            case "PUT", "fault":
                try:
                    self.set_fault(Fault.from_json(body))
                except UsageError as problem:
                    return api.error(400, str(problem))
            case "DELETE", "fault":
                self.set_fault(None)
            case "GET", "state":
                pass
            case _, "advance" | "fault" | "state":
                return api.error(405)
            case _:
                return api.error(404)
        return api.ok(api.to_json(self.state()), cache="no-store")

    def _take_fault(self, request: Request) -> Fault:
        """Return the fault for a request, and count it. A `Fault()` changes nothing."""
        fault = self._fault
        if fault is None or not fault.matches(f"{request.path}?{request.query}" if request.query else request.path):
            return Fault()
        if fault.times is not None:
            self._fault = replace(fault, times=fault.times - 1) if fault.times > 1 else None
        return fault

    def _answer(self, request: Request, scene: Scene) -> Response:
        if scene.models is None:
            if request.path == f"{api.BASE}/models":
                return Response(200, {"content-type": "application/json"}, scene.body)
            return api.error(500, "The recorded answer is not a list of models")
        catalogue = Catalogue(scene.models, scene.at, self.origin, scene.default_output, endpoints=scene.endpoints)
        return api.answer(request, catalogue)
