"""A web server over a database that a few polls have filled, asked over a real socket."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import CodeType
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from jinja2 import BytecodeCache, Environment
from jinja2.bccache import Bucket
from msgspec.structs import replace

from tests.store.samples import START, Polls, document
from watcher.config.load import load_config
from watcher.config.secret import DatabaseURL
from watcher.config.settings import Config, WebSettings
from watcher.store.store import Store
from watcher.web.pages import render
from watcher.web.server import WebServer

NOW = START + timedelta(hours=6)
DAY_PRICES = {
    "prompt": "0.0000005",
    "completion": "0.000004",
    "overrides": [
        {"utc_start": 30, "utc_end": 1630, "prompt": "0.0000005"},
        {"utc_start": 1630, "utc_end": 30, "prompt": "0.00000025"},
    ],
}


def make_config(url: str, **web: Any) -> Config:
    """Return the default configuration over a database, with the API at a free port."""
    settings = WebSettings(**{"listen": "127.0.0.1:0", **web})
    config = load_config(None, {"HOME": "/nonexistent"})
    return replace(config, web=settings, store=replace(config.store, url=DatabaseURL(url)))


class Compiled(BytecodeCache):
    """Keeps compiled templates, so that they are compiled once a run and not once for each server."""

    def __init__(self) -> None:
        self.kept: dict[str, CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self.kept.get(bucket.key)

    def dump_bytecode(self, bucket: Bucket) -> None:
        assert bucket.code is not None
        self.kept[bucket.key] = bucket.code


@pytest.fixture(scope="session", autouse=True)
def compiled_once() -> Iterator[None]:
    with patch.object(render, "Environment", partial(Environment, bytecode_cache=Compiled())):
        yield


def fill(store: Store) -> Polls:
    """Poll twice: at `START`, and an hour later with a new price, a model more and one less."""
    made = Polls(store)
    free = document("a/free", prompt="0", created=3)
    made.see(document("a/one", created=1), document("a/gone", created=2), free, at=START)
    one = document("a/one", prompt="0.000002", created=1, benchmarks={"design_arena": []})
    new = document("b/new", created=4, pricing=DAY_PRICES)
    made.see(one, free, new, at=START + timedelta(hours=1))
    return made


@pytest.fixture(scope="session")
def filled(empty: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file after these polls. Copy it before use."""
    path = Path(shutil.copy(empty, tmp_path_factory.mktemp("filled") / "watcher.db"))
    with Store.open(f"sqlite:///{path}") as store:
        fill(store)
    return path


@pytest.fixture
def database(request: pytest.FixtureRequest, empty: Path, tmp_path: Path) -> Iterator[str]:
    """The `[store] url` of an empty SQLite database; of PostgreSQL where a test asks for that as well."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield f"sqlite:///{shutil.copy(empty, tmp_path / 'watcher.db')}"
    else:
        with request.getfixturevalue("postgresql").database() as url:
            yield url


@pytest.fixture
def polls(database: str, filled: Path) -> Iterator[Polls]:
    """A database after these polls."""
    if database.startswith("sqlite"):
        shutil.copy(filled, database.removeprefix("sqlite:///"))
    with Store.open(database) as store:
        yield Polls(store) if database.startswith("sqlite") else fill(store)


@pytest.fixture
def serve(polls: Polls, database: str) -> Iterator[Callable[..., httpx.Client]]:
    """Start a server with some settings of `[web]`, and return a client of it."""
    with ExitStack() as stack:

        def start(
            now: datetime = NOW, url: str = database, config: Mapping[str, Any] | None = None, **web: Any
        ) -> httpx.Client:
            server = WebServer(replace(make_config(url, **web), **(config or {})), clock=lambda: now)
            server.start()
            stack.callback(server.stop)
            return stack.enter_context(make_client(f"{server.url}/api/v1/"))

        yield start


@pytest.fixture
def client(serve: Callable[..., httpx.Client]) -> httpx.Client:
    """A client of a server with the default settings."""
    return serve()


def make_client(url: str) -> httpx.Client:
    """Return a client for plain HTTP: loading the certificates of the world takes longer than most tests."""
    return httpx.Client(base_url=url, trust_env=False, verify=False, timeout=20)


def ids(response: httpx.Response) -> list[str]:
    """Return the ids in a list."""
    assert response.status_code == 200, response.text
    return [model["id"] for model in response.json()["data"]]
