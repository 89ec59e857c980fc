"""Databases for tests: a file of SQLite's, or a database on a PostgreSQL server that is started for the tests."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from watcher.store.postgresql import Postgresql
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
"""Who runs the server where the tests are run by root, whom it refuses."""


class Server:
    """A PostgreSQL server on a free port, with a database for whoever asks for one."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self._numbers = count()
        self.port = _free_port()
        options = ("-U", "watcher", "-A", "trust", "-E", "UTF8", "--no-sync", *_sorting(programs))
        self._run("initdb", "-D", self._data, *options)
        with (folder / "data" / "postgresql.conf").open("a") as file:
            file.write("\n".join((*SETTINGS, f"port = {self.port}", f"unix_socket_directories = '{folder}'", "")))
        self.start()
        with Store.open(self.url("postgres")):
            pass  # with our tables in it, it is what the others are copied from
        self.ask("ALTER DATABASE postgres RENAME TO filled", "template1")

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def start(self) -> None:
        log = str(self._folder / "log")
        self._run("pg_ctl", "-D", self._data, "-l", log, "-w", "-t", "60", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", self._data, "-m", "fast", "-w", "stop")

    def url(self, name: str) -> str:
        return f"postgresql://watcher@127.0.0.1:{self.port}/{name}"

    def ask(self, statement: str, name: str = "template1") -> None:
        engine = Postgresql(make_url(self.url(name))).engine(30)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(statement))
        engine.dispose()

    @contextmanager
    def database(self, *, empty: bool = False) -> Iterator[str]:
        """Have a database of one's own: with our tables and nothing in them, or (`empty`) without."""
        name = f"test_{next(self._numbers)}"
        self.ask(f"CREATE DATABASE {name} TEMPLATE {'template0' if empty else 'filled'}")
        try:
            yield self.url(name)
        finally:
            self.ask(f"DROP DATABASE {name} WITH (FORCE)")

    def _run(self, program: str, *arguments: str) -> None:
        as_whom = ["runuser", "-u", _USER, "--"] if os.geteuid() == 0 else []
        # Not a pipe for its output: the server would hold it open.
        with (self._folder / f"{program}.out").open("w+") as out:
            command = [*as_whom, str(self._programs / program), *arguments]
            done = subprocess.run(command, cwd="/", stdout=out, stderr=out, stdin=subprocess.DEVNULL, check=False)
            out.seek(0)
            assert done.returncode == 0, out.read()


@contextmanager
def running() -> Iterator[Server]:
    """Have a server. The test is skipped where PostgreSQL is not installed."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="watcher-postgresql-"))  # not pytest's, which only its user may enter
    try:
        if os.geteuid() == 0:
            try:
                pwd.getpwnam(_USER)
            except KeyError:
                pytest.skip(f"PostgreSQL does not run as root, and there is no user {_USER}")
            shutil.chown(folder, _USER)
        server = Server(programs, folder)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path | None:
    """The folder of the newest version's programs: Debian has them beside each other, others on the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).resolve().parent if on_path else None


def _sorting(programs: Path) -> list[str]:
    """Have words sorted as people do, so that a test sees where we rely on another order."""
    said = subprocess.run([programs / "initdb", "--version"], capture_output=True, text=True, check=True).stdout
    version = float(said.split()[2])
    return ["--locale", "C.UTF-8", *(["--locale-provider=icu", "--icu-locale=en-US"] if version >= 15 else [])]


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
