"""PostgreSQL for tests: one server for all workers of a run, and a database for each test."""

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from watcher.store.store import Store

SETTINGS = (
    "listen_addresses = '127.0.0.1'",
    "fsync = off",  # what a power cut would leave behind is the server's affair, and tested there
    "full_page_writes = off",
    "max_connections = 200",
    "shared_buffers = 32MB",
    "log_min_messages = fatal",
)
_USER = "postgres"
"""Runs the server where root runs the tests: it refuses to run as root."""

_KEEPER = """
import fcntl, shutil, subprocess, sys
used, folder, *stop = sys.argv[1:]
with open(used, "r+") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    subprocess.run(stop)
    shutil.rmtree(folder, ignore_errors=True)
    lock.truncate(0)
"""
"""Waits until every user of a server has ended, however that happened, and stops it."""


class Server:
    """A PostgreSQL server in a folder of its own, with a database for each test that asks."""

    def __init__(self, programs: str, folder: str, port: int) -> None:
        self._programs = programs
        self._folder = Path(folder)
        self._numbers = count()
        self.port = port

    def start(self) -> None:
        log = str(self._folder / "log")
        self._run(*self._pg_ctl, "-l", log, "-w", "-t", "60", "start")

    def stop(self) -> None:
        self._admin.close()
        del self._admin  # whoever needs it after the next start opens another
        self._run(*self.stopping)

    @property
    def stopping(self) -> list[str]:
        """The command that stops it."""
        return [*self._pg_ctl, "-m", "immediate", "-w", "stop"]

    def fill(self) -> None:
        """Make and start the server, and in it the database that others are copied from."""
        data = self._folder / "data"
        options = ("-U", "watcher", "-A", "trust", "-E", "UTF8", "--no-sync", *_sorting(self._programs))
        self._run(*self._program("initdb"), "-D", str(data), *options)
        with (data / "postgresql.conf").open("a") as file:
            file.write("\n".join((*SETTINGS, f"port = {self.port}", f"unix_socket_directories = '{self._folder}'", "")))
        self.start()
        self.ask("CREATE DATABASE filled TEMPLATE template0")
        Store.open(self.url("filled")).close()

    def use_tls(self, certificate: Path, key: Path) -> None:
        """Have it speak TLS with those who ask for it."""
        data = self._folder / "data"
        for name, file in (("server.crt", certificate), ("server.key", key)):
            shutil.copy(file, data / name)
            (data / name).chmod(0o600)
            if os.geteuid() == 0:
                shutil.chown(data / name, _USER)
        with (data / "postgresql.conf").open("a") as settings:
            settings.write("ssl = on\n")
        self._run(*self._pg_ctl, "reload")
        end = time.monotonic() + 30
        while self._admin.execute("SHOW ssl").fetchone() != ("on",) and time.monotonic() < end:
            time.sleep(0.02)

    @property
    def pid(self) -> int:
        return int((self._folder / "data" / "postmaster.pid").read_text().split()[0])

    def url(self, name: str) -> str:
        return f"postgresql://watcher@127.0.0.1:{self.port}/{name}"

    def ask(self, statement: str, name: str = "postgres") -> None:
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            connection.execute(statement.encode())

    @contextmanager
    def database(self, *, empty: bool = False) -> Iterator[str]:
        """Have a database of one's own: with our tables and nothing in them, or (`empty`) without."""
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        # Its files are copied: since version 15 the default is to log each page, which takes longer.
        how = "STRATEGY FILE_COPY" if self._admin.info.server_version >= 150_000 else ""
        self._admin.execute(f"CREATE DATABASE {name} TEMPLATE {'template0' if empty else 'filled'} {how}".encode())
        try:
            yield self.url(name)
        finally:
            self._admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    @cached_property
    def _admin(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.url("postgres"), autocommit=True)

    @property
    def _pg_ctl(self) -> list[str]:
        return [*self._program("pg_ctl"), "-D", str(self._folder / "data")]

    def _program(self, name: str) -> list[str]:
        as_whom = ["runuser", "-u", _USER, "--"] if os.geteuid() == 0 else []
        return [*as_whom, f"{self._programs}/{name}"]

    def _run(self, *command: str) -> None:
        # Not a pipe for its output: the server would hold it open.
        with (self._folder / "out").open("w+") as out:
            done = subprocess.run(command, cwd="/", stdout=out, stderr=out, stdin=subprocess.DEVNULL, check=False)
            out.seek(0)
            assert done.returncode == 0, out.read()


@contextmanager
def running(meeting: Path) -> Iterator[Server]:
    """Have the server of all processes that name this folder; the first of them starts it.

    It stops when the last of them has ended. The test is skipped where PostgreSQL is not installed.
    """
    used = meeting / "postgresql"
    used.touch()
    with used.open("r+") as using:
        with (meeting / "postgresql.starting").open("w") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            fcntl.flock(using, fcntl.LOCK_SH)
            known = using.read()
            server = Server(**json.loads(known)) if known else _started(used)
        yield server


def _started(used: Path) -> Server:
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    folder = tempfile.mkdtemp(prefix="watcher-postgresql-")  # not pytest's, which only its user may enter
    if os.geteuid() == 0:
        try:
            shutil.chown(folder, _USER)
        except LookupError:
            pytest.skip(f"PostgreSQL does not run as root, and there is no user {_USER}")
    where = {"programs": programs, "folder": folder, "port": _free_port()}
    server = Server(**where)
    keeper = [sys.executable, "-c", _KEEPER, str(used), folder, *server.stopping]
    null = subprocess.DEVNULL
    subprocess.Popen(keeper, start_new_session=True, cwd="/", stdin=null, stdout=null, stderr=null)
    server.fill()
    used.write_text(json.dumps(where))
    return server


def _programs() -> str | None:
    """The folder of the newest version's programs: Debian has them beside each other, others on the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("initdb")
    initdb = found[-1] if found else Path(on_path).resolve() if on_path else None
    return str(initdb.parent) if initdb else None


def _sorting(programs: str) -> list[str]:
    """Have words sorted as people do, so that a test sees where we rely on another order."""
    said = subprocess.run([f"{programs}/initdb", "--version"], capture_output=True, text=True, check=True).stdout
    version = float(said.split()[2])
    return ["--locale", "C.UTF-8", *(["--locale-provider=icu", "--icu-locale=en-US"] if version >= 15 else [])]


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
