"""A run of the tests that is killed leaves nothing behind: no worker, no watcher, no database server."""

import json
import os
import select
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from testkit.command import ROOT, TOGETHER

SECONDS = 60

HELD = """
import json, os, socket
from testkit.command import Running, Watcher

def test_that_is_killed(postgresql, tmp_path):
    watcher = Watcher(tmp_path)
    watcher.configure('[source]\\nurl = "http://127.0.0.1:9"\\n[store]\\nurl = "sqlite:///w.db"\\n')
    running = Running(watcher, "run")
    with socket.create_connection(("127.0.0.1", int(os.environ["OUTER"]))) as outer:
        outer.sendall(json.dumps([os.getpid(), running.process.pid, postgresql.pid]).encode())
        running.process.communicate()
"""


@pytest.mark.slow
@pytest.mark.skipif(not TOGETHER, reason="setpriv, which lets a process die with another, is not installed")
@pytest.mark.parametrize("how", [["-n", "2"], ["-p", "no:xdist"]])
def test_a_killed_run_leaves_nothing_behind(how: list[str], tmp_path: Path) -> None:
    (tmp_path / "test_held.py").write_text(HELD)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        command = [sys.executable, "-m", "pytest", *how, "-p", "tests.conftest", "-c", "pyproject.toml", str(tmp_path)]
        run = subprocess.Popen(
            [*TOGETHER, *command], cwd=ROOT, env={**environ, "OUTER": str(listening.getsockname()[1])}
        )
        listening.settimeout(SECONDS)
        held, _ = listening.accept()
    with held:
        processes = [os.pidfd_open(pid) for pid in json.loads(held.recv(1000))]
    run.kill()
    run.wait()
    for process in processes:
        assert select.select([process], [], [], SECONDS)[0], "it goes on"
        os.close(process)
