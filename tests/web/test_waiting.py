"""Requests that wait for a worker: equal ones share an answer, and more than a hundred different ones are too many."""

import asyncio
import threading
from collections import Counter
from datetime import datetime
from typing import Any

import pytest

from tests.web.conftest import NOW, make_config
from watcher.store.store import Store
from watcher.web.app import App


class Slow:
    """A clock that keeps workers waiting until it is let go."""

    def __init__(self) -> None:
        self.asked = 0
        self.go = threading.Event()

    def __call__(self) -> datetime:
        if threading.current_thread().name.startswith("watcher-web"):
            self.asked += 1
            assert self.go.wait(20)
        return NOW


async def ask(app: App, path: str) -> tuple[int, bytes]:
    scope = {
        "type": "http", "method": "GET", "scheme": "http", "raw_path": path.encode(), "query_string": b"",
        "headers": [(b"host", b"127.0.0.1:8080")],
    }  # fmt: skip
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, asyncio.Event().wait, send)
    return sent[0]["status"], sent[-1]["body"]


@pytest.fixture
def clock() -> Slow:
    return Slow()


@pytest.fixture
def app(polls: object, database: str, clock: Slow) -> App:
    return App(make_config(database), Store(database, read_only=True), clock)


@pytest.mark.parametrize("path", ["/status", "/badge/a/one.svg", "/metrics", "/healthz", "/model/a/nope"])
def test_equal_requests_that_come_at_once_are_answered_by_one_worker(app: App, clock: Slow, path: str) -> None:
    async def run() -> list[tuple[int, bytes]]:
        asking = [asyncio.create_task(ask(app, path)) for _ in range(50)]
        await asyncio.sleep(0)  # each has begun
        clock.go.set()
        return await asyncio.gather(*asking)

    answers = Counter(asyncio.run(run()))
    assert len(answers) == 1 and clock.asked == 1


def test_of_many_different_questions_some_are_sent_away(app: App, clock: Slow) -> None:
    async def run() -> list[tuple[int, bytes]]:
        asking = [asyncio.create_task(ask(app, f"/badge/a/{number}.svg")) for number in range(130)]
        done, _ = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        assert all(task.result()[0] == 503 for task in done)
        clock.go.set()
        return await asyncio.gather(*asking)

    answers = asyncio.run(run())
    away = [body for status, body in answers if status == 503]
    assert len(away) == 30 and all(b"Too many requests" in body for body in away)
