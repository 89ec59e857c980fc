"""The API of `watcher web`: its rate against a bare Starlette route, time travel, and the memory of `watcher run`.

Both servers run uvicorn as `watcher web` does, each in a process of its own; the client is a few sockets that
read as fast as they can.
"""

import json
import multiprocessing
import os
import re
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from msgspec.structs import replace

from testkit.archive import newest_models
from testkit.command import Running, Watcher
from watcher.config.load import load_config
from watcher.config.secret import DatabaseURL
from watcher.config.settings import WebSettings
from watcher.simulator import Scene, Simulator

MODELS = 640
SECONDS = 3.0
ROUNDS = 5
_PROCESSES: dict[str, int | None] = {}
"""The process of each server, by its address."""


def main() -> None:
    """Print the figures."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        models = newest_models(MODELS)
        _fill(folder, models)
        url = f"sqlite:///{folder / 'w.db'}"
        with serving(serve_api, url) as api:
            _print_rates(api)
            _print_time_travel(api, folder)
        _print_memory(models)


def _print_rates(api: str) -> None:
    body, etag = _get(api, "/api/v1/models?output_modalities=all", "localhost")
    print(f"GET /models with {MODELS} models ({len(body) / 1e6:.2f} MB), median of {ROUNDS} rounds")
    fresh = b"GET /api/v1/models?output_modalities=all HTTP/1.1\r\nHost: localhost\r\n\r\n"
    known = fresh[:-2] + f"If-None-Match: {etag}\r\n\r\n".encode()
    with serving(_serve_constant, (200, body)) as bare, serving(_serve_constant, (304, b"")) as empty:
        pairs = {"whole list": (api, bare, fresh), "304": (api, empty, known)}
        for what, (ours, theirs, request) in pairs.items():
            plain = request.replace(b"/api/v1/models", b"/")
            rounds = [(_rate(ours, request), _rate(theirs, plain)) for _ in range(ROUNDS)]
            for by, unit in enumerate(("second", "second of processor time")):
                rates = [(one[by], other[by]) for one, other in rounds]
                own, floor = (statistics.median(each) for each in zip(*rates, strict=True))
                ratio = statistics.median(one / other for one, other in rates)
                print(f"{what:<12} {own:7.0f}, a Starlette route {floor:7.0f}, ratio {ratio:.2f}, a {unit}")


def _print_time_travel(api: str, folder: Path) -> None:
    dice, times = Random(1), []
    start = datetime(2026, 6, 7, 18, 24, tzinfo=UTC)
    for _ in range(60):
        at = start + timedelta(minutes=dice.randrange(60 * 24 * 20))
        began = time.perf_counter()
        _get(api, f"/api/v1/models?output_modalities=all&at={at:%Y-%m-%dT%H:%M:%SZ}")
        times.append(time.perf_counter() - began)
    size = (folder / "w.db").stat().st_size / 1e6
    quantiles = statistics.quantiles(times, n=20)
    median, most = statistics.median(times) * 1000, quantiles[-1] * 1000
    print(f"a moment not in memory, database of {size:.1f} MB: median {median:.0f} ms, p95 {most:.0f} ms (goal: 150)")


def _print_memory(models: list[dict]) -> None:
    resident = {}
    for what, web in (("without", ""), ("with", '[web]\nlisten = "127.0.0.1:0"\n')):
        found = [_memory_of_run(models, web) for _ in range(3)]
        resident[what] = statistics.median(found)
    before, after = resident["without"], resident["with"]
    print(f"watcher run: {before:.1f} MB without the API, {after:.1f} MB with it and one client (goal: 25 more)")


def _memory_of_run(models: list[dict], web: str) -> float:
    scene = Scene(0, "", datetime.now(UTC), models, default_output="all")
    with TemporaryDirectory() as name, Simulator([scene]) as simulator:
        watcher = Watcher(Path(name))
        watcher.configure(f'[source]\nurl = "{simulator.url}"\n[store]\nurl = "sqlite:///w.db"\n{web}')
        running = Running(watcher, "--verbose", "run", env={"MALLOC_ARENA_MAX": "1"})
        try:
            url = re.search(r"http://\S+?(?=/api/v1)", running.says("serving the models API"))[0] if web else None
            running.says("polled: good")
            running.polls()
            for _ in range(20 if url else 0):
                _get(url, "/api/v1/models?output_modalities=all")
            running.polls()
            status = Path(f"/proc/{running.pid}/status").read_text()
            return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1000
        finally:
            running.stops()


def _fill(folder: Path, models: list[dict]) -> None:
    """Import a list that changes a little every hour for three weeks."""
    dice = Random(1)
    archive = folder / "archive"
    archive.mkdir()
    at = datetime(2026, 6, 7, 18, 24, tzinfo=UTC)
    for hour in range(0, 24 * 21, 6):
        for model in dice.sample(models, 8):
            model["pricing"] = {**model["pricing"], "prompt": f"{dice.randrange(1, 90) / 1e7:.7f}"}
        name = f"{at + timedelta(hours=hour):%Y-%m-%dT%H-%M-%SZ}.json"
        (archive / name).write_text(json.dumps({"data": models}))
    watcher = Watcher(folder)
    watcher.configure('[store]\nurl = "sqlite:///w.db"\n')
    done = watcher.run("import", str(archive))
    assert done.code == 0, done.err


@contextmanager
def serving(serve, argument) -> Iterator[str]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(argument, theirs), daemon=True)
    process.start()
    try:
        origin = ours.recv()
        _PROCESSES[origin] = process.pid
        yield origin
    finally:
        process.terminate()
        process.join()


def serve_api(url: str, told: Connection) -> None:
    from watcher.web.server import WebServer

    config = load_config(None, {"HOME": "/"})
    web = WebSettings(listen="127.0.0.1:0")
    server = WebServer(replace(config, web=web, store=replace(config.store, url=DatabaseURL(url))))
    server.start()
    told.send(server.url)
    threading.Event().wait()


def _serve_constant(answer: tuple[int, bytes], told: Connection) -> None:
    import asyncio

    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    status, body = answer
    names = ("cache-control", "last-modified", "vary", "etag", "access-control-allow-origin", "age", "x-watcher-as-of")
    headers = dict.fromkeys(names, "the same for everybody, as of 2026-06-07T18:24:00Z")

    async def constant(_: Request) -> Response:
        return Response(body, status, headers, media_type="application/json" if body else None)

    listening = socket.create_server(("127.0.0.1", 0))
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=listening.detach())
    told.send(f"http://127.0.0.1:{listening.getsockname()[1]}")
    config = uvicorn.Config(
        Starlette(routes=[Route("/", constant)]),
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
    )
    asyncio.run(uvicorn.Server(config).serve(sockets=[listening]))


def _rate(origin: str, request: bytes) -> tuple[float, float]:
    """Return how many requests are answered to four connections: a second, and a second of processor time."""
    used = _used(origin)
    parts = urlsplit(origin)
    end = time.perf_counter() + SECONDS
    counts: list[int] = []

    def ask() -> None:
        count = 0
        with socket.create_connection((parts.hostname, parts.port)) as connection:
            buffer = bytearray(1 << 20)
            while time.perf_counter() < end:
                connection.sendall(request)
                _skip_answer(connection, buffer)
                count += 1
        counts.append(count)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / SECONDS, sum(counts) / (_used(origin) - used)


def _used(origin: str) -> float:
    """Return the processor time that the server has used, in seconds."""
    words = Path(f"/proc/{_PROCESSES[origin]}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def _skip_answer(connection: socket.socket, buffer: bytearray) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(65536)
    head, _, start = head.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    left = (int(length[1]) if length else 0) - len(start)
    while left > 0:
        left -= connection.recv_into(buffer)


def _get(origin: str, path: str, host: str | None = None) -> tuple[bytes, str | None]:
    parts = urlsplit(origin)
    connection = HTTPConnection(parts.hostname, parts.port, timeout=60)
    connection.request("GET", path, headers={"Host": host} if host else {})
    response = connection.getresponse()
    body = response.read()
    assert response.status == 200, body[:300]
    connection.close()
    return body, response.headers["etag"]
