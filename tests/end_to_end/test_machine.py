"""What the machine lacks, and signals at the worst moment: each end is one of the guide, and nothing is lost."""

import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from testkit.command import ROOT, TOGETHER, Command, Watcher, clean_environment
from testkit.receivers import Sink
from tests.end_to_end.test_check import channel, configure, story
from tests.end_to_end.test_run import Start, start
from watcher.cli import check
from watcher.simulator import Simulator, story_scenes

__all__ = ["start"]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(story_scenes(story())) as simulator:
        yield simulator


KILLED_ITSELF = {-signal.SIGSEGV, -signal.SIGABRT}
"""CPython 3.11 does so in 4 of 1,000 checks below, where it gets no memory while it raises a MemoryError."""


def limited_check(watcher: Watcher, megabytes: int) -> tuple[int, str]:
    """Check as a process with so much memory."""
    done = subprocess.run(
        [*TOGETHER, sys.executable, "-m", "watcher", "--check"],
        cwd=watcher.folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20,) * 2),
    )
    return done.returncode, done.stderr


@pytest.mark.slow
def test_a_check_without_memory_says_so_and_the_next_one_does_it(
    watcher: Watcher, simulator: Simulator, sink: Sink
) -> None:
    configure(Command(watcher.folder), simulator, channel(sink))
    assert watcher.run("--check").code == 0
    simulator.advance()
    ends = {}
    for megabytes in (*range(20, 64, 4), *range(64, 96, 8)):
        code, said = limited_check(watcher, megabytes)
        if code in KILLED_ITSELF:
            continue
        assert "this is a bug" not in said, (megabytes, said)
        assert "Traceback" not in said
        ends[code] = said
    assert 71 in ends
    assert "no memory or no thread left" in ends[71]
    assert ends.keys() <= {0, 69, 71, 74, 75}
    while watcher.run("--check", "--json").json["deliveries"]:
        pass
    told = [one["id"] for at in range(len(sink.requests)) for one in sink.json(at)["events"]]
    assert len(told) == len(set(told)) == 3, "each is told once"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(12, "Cannot allocate memory"),
        ImportError("x.so: failed to map segment from shared object"),
        RuntimeError("can't start new thread"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_runs_out_is_no_bug(
    error: Exception, command: Command, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(command, simulator)

    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("watcher.cycle.decide", fail)
    code, _, said = command.run("--check")
    assert (code, said.count("\n")) == (71, 1)
    assert "no memory or no thread left" in said


def test_without_memory_to_tell_of_it_the_end_is_the_same() -> None:
    program = """
from unittest.mock import patch
from watcher import __main__, cli

with patch.object(cli, "redact", side_effect=MemoryError), patch("sys.argv", ["watcher", "nonsense"]):
    __main__.main()
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (71, "watcher: The machine has no memory left for this.\n")


@pytest.mark.parametrize("year", [1, 9999])
def test_a_clock_at_the_end_of_time_is_told(
    year: int, command: Command, simulator: Simulator, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Wrong(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime(1, 1, 1, 1, tzinfo=UTC) if year == 1 else datetime(9999, 12, 31, 23, tzinfo=UTC)

    configure(command, simulator, channel(sink))
    assert command.run("--check").code == 0
    simulator.advance()
    with monkeypatch.context() as patch:
        patch.setattr(check, "datetime", Wrong)
        patch.setattr("watcher.errors.time.time", Wrong.now().timestamp)
        code, _, said = command.run("--check")
    assert (code, said.count("\n")) == (71, 1)
    assert "clock cannot be right" in said
    assert command.run("--check").code == 0
    assert len(sink.json()["events"]) == 2, "what was news then still is"


EARLY = """
import os, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "click" and self in sys.meta_path:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), {number})
sys.meta_path.insert(0, Finder())
"""
"""Sends the process a signal when it has hardly begun."""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_before_anything_reacts_to_it_waits(
    number: signal.Signals, watcher: Watcher, simulator: Simulator, start: Start, tmp_path_factory: Any
) -> None:
    site: Path = tmp_path_factory.mktemp("site")
    (site / "sitecustomize.py").write_text(EARLY.format(number=int(number)))
    configure(Command(watcher.folder), simulator)
    run = start(env={"PYTHONPATH": f"{site}:{ROOT}"})
    if number in (signal.SIGTERM, signal.SIGINT):
        assert run.ends() == 0
        assert any("stopping" in line for line in run.lines)
    else:
        run.says("polled: good")
        assert run.stops() == 0


def test_other_commands_end_at_a_signal_as_ever(watcher: Watcher, simulator: Simulator) -> None:
    configure(Command(watcher.folder), simulator)
    code = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"
    for arguments in (["show", "run"], ["--config", "run", "status"]):
        command = f"import sys; sys.argv = ['watcher', *{arguments}]; from watcher import __main__ as m, cli\n"
        command += f"def end(): {code}\ncli.main = end\nm.main()"
        done = subprocess.run([sys.executable, "-c", command], cwd=watcher.folder, env=clean_environment(), check=False)
        assert done.returncode == -signal.SIGTERM
