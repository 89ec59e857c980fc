"""Fixtures that all tests share: databases, receivers, recorded snapshots."""

import ctypes
import gc
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.util import LRUCache

from testkit.archive import model_archives
from testkit.lasting import RecordedResponse, captures
from testkit.receivers import MailServer, Sink
from tests.databases import Server, running
from watcher import redaction
from watcher.store.store import Store

DIE_WITH_PARENT = 1
"""`PR_SET_PDEATHSIG` of prctl(2)."""


MEMORY = Path("/dev/shm")
_HOMES = count()


def keep_files_in_memory() -> None:
    """Put temporary files in memory if it has room, because a commit waits for a disk."""
    if "TMPDIR" in os.environ:
        return
    try:
        found = os.statvfs(MEMORY)
    except OSError:
        return
    if found.f_bavail * found.f_frsize > 2 * 1024**3 and not found.f_flag & os.ST_NOEXEC:
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


keep_files_in_memory()
# How long an example takes says only how busy the machine is.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


def pytest_configure(config: pytest.Config) -> None:
    """Make workers of pytest-xdist die with the run, and let Ctrl-C reach the processes of tests.

    A shell without job control makes its background jobs ignore SIGINT, and their children inherit that.
    """
    if hasattr(config, "workerinput") and sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what needs a database server: its time is the server's as well."""
    for item in items:
        database = item.callspec.params.get("database") if hasattr(item, "callspec") else None
        if database == "postgresql" or "postgresql" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    """Have no search for garbage go through all that was imported and collected, again and again."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def statements_compiled_once() -> Iterator[None]:
    """Let all databases in SQLite share compiled statements, as if they were one: SQLAlchemy keeps them for each."""
    kept = LRUCache[Any, Any](1000)
    with (
        patch.object(SQLiteDialect, "__eq__", lambda one, other: type(one) is type(other)),
        patch.object(SQLiteDialect, "__hash__", lambda one: hash(type(one))),
        patch.object(Engine, "_compiled_cache", property(lambda _: kept, lambda *_: None), create=True),
    ):
        yield


@pytest.fixture(autouse=True)
def no_secrets_of_other_tests() -> None:
    """Forget what is hidden from text: what one test calls a secret may be a word in another."""
    redaction.forget()


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Give the test a home that is not there yet, so that it finds nobody's configuration and database."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.getbasetemp() / f"home-{next(_HOMES)}"))


@pytest.fixture(autouse=True)
def same_signals() -> Iterator[None]:
    """Fail a test that leaves signals blocked: processes that later tests start would inherit that."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield
    after = signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert after == before


@pytest.fixture(scope="session")
def archive_path() -> Path:
    """The oldest recorded archive. Without one, the test is skipped."""
    found = model_archives()
    if not found:
        pytest.skip("no recorded snapshots: set WATCHER_DATA to their folder")
    return found[0]


@pytest.fixture(scope="session")
def recorded(archive_path: Path) -> list[RecordedResponse]:
    """Every recorded snapshot: its time (UTC) and body."""
    return list(captures(archive_path))


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database with the current schema. Copy it before use."""
    path = tmp_path_factory.mktemp("empty") / "watcher.db"
    Store.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture(scope="session")
def postgresql(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The PostgreSQL server of this run. With the parameter `own`, a server that the test may stop.

    Without PostgreSQL, the test is skipped.
    """
    meeting = tmp_path_factory.getbasetemp()
    if getattr(request, "param", None) == "own":
        meeting = tmp_path_factory.mktemp("own")
    elif hasattr(request.config, "workerinput"):
        meeting = meeting.parent
    with running(meeting) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, empty: Path, tmp_path: Path) -> Iterator[str]:
    """The `[store] url` of an empty database. The test runs once for SQLite and once for PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{shutil.copy(empty, tmp_path / 'watcher.db')}"
    else:
        with request.getfixturevalue("postgresql").database() as url:
            yield url


@pytest.fixture
def sink() -> Iterator[Sink]:
    """A web server for this test."""
    sink = Sink()
    yield sink
    sink.close()


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    """A mail server for this test."""
    server = MailServer()
    yield server
    server.close()
