"""`deploy/systemd`: what systemd itself says of the units, and that the watcher can live in their sandbox."""

import ctypes
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from testkit.command import SECONDS, Running, Watcher
from testkit.receivers import Sink
from tests.end_to_end.test_run import channel, configure
from watcher.cli import root
from watcher.simulator import Simulator

FOLDER = Path(__file__).parents[2] / "deploy" / "systemd"
UNITS = sorted(FOLDER.iterdir())
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
DAEMON, CHECK = FOLDER / "openrouter-watcher.service", FOLDER / "openrouter-watcher-check.service"
MOST_EXPOSED = 1.5
SET_MDWE, GET_MDWE = 65, 66
"""Of prctl(2): what MemoryDenyWriteExecute= forbids, without systemd."""

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed (Debian: systemd)"
)


def settings(unit: Path) -> dict[str, list[str]]:
    """Each setting's values, in the order of the file."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        if match := re.fullmatch(r"([A-Za-z]+)=(.*)", line):
            found.setdefault(match[1], []).append(match[2])
    return found


def analyze(*arguments: str) -> tuple[int, str]:
    done = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=SECONDS, check=False)
    return done.returncode, done.stdout + done.stderr


@needs_systemd
@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_a_service_is_hardly_exposed(unit: Path) -> None:
    _, out = analyze("security", "--offline=true", str(unit))
    exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", out)
    assert exposure is not None, out
    assert float(exposure[1]) <= MOST_EXPOSED


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_has_nothing_to_say_of_a_unit(unit: Path, tmp_path: Path) -> None:
    for one in UNITS:  # where it is installed, the program is there
        text = re.sub(
            r"^(ExecStart|ExecStartPre)=(-?)\S+", rf"\1=\2{sys.executable}", one.read_text(), flags=re.MULTILINE
        )
        (tmp_path / one.name).write_text(text)
    assert analyze("verify", str(tmp_path / unit.name)) == (0, "")


@needs_systemd
def test_systemd_would_say_so(tmp_path: Path) -> None:
    (tmp_path / "wrong.service").write_text("[Service]\nExecStart=/nowhere\nTypo=yes\n")
    _, out = analyze("verify", str(tmp_path / "wrong.service"))
    assert "Typo" in out


@pytest.mark.parametrize(("unit", "expected"), [(DAEMON, ["run"]), (CHECK, ["--check"])])
def test_a_service_starts_a_command_that_there_is(unit: Path, expected: list[str]) -> None:
    (line,) = settings(unit)["ExecStart"]
    program, option, config, *rest = line.split()
    assert (program, option) == ("/opt/openrouter-watcher/bin/watcher", "--config")
    assert (config, rest) == ("%E/openrouter-watcher/config.toml", expected)
    with root.make_context("watcher", [option, "config.toml", *rest]) as context:
        assert context.params["config_path"] == Path("config.toml")


def test_the_database_is_migrated_by_a_process_of_its_own_whose_failure_is_left_to_the_service() -> None:
    has = settings(DAEMON)
    assert has["ExecStartPre"] == [f"-{has['ExecStart'][0].removesuffix(' run')} db upgrade"]


def test_the_daemons_protocol_and_its_memory_are_those_of_its_unit() -> None:
    has = settings(DAEMON)
    assert has["Type"] == ["notify"], "notify-reload needs systemd 253"
    assert has["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert has["RestartPreventExitStatus"] == ["78 64"]
    assert has["Restart"] == ["on-failure"]
    assert has["Environment"] == ["MALLOC_ARENA_MAX=1"]


def test_its_times_leave_it_those_that_it_takes() -> None:
    from watcher.daemon.clock import LONGEST_SLEEP
    from watcher.daemon.main import GRACE
    from watcher.daemon.polling import LEAST_INTERVAL

    has = settings(DAEMON)
    assert int(has["TimeoutStopSec"][0]) >= 2 * GRACE.total_seconds()
    assert int(has["RestartSec"][0]) >= LEAST_INTERVAL.total_seconds(), "each start polls"
    assert has["WatchdogSec"] == ["2min"]
    assert LONGEST_SLEEP * 3 <= 120


def test_both_services_have_the_same_sandbox_and_the_same_folders() -> None:
    own = {"Description", "Type", "ExecStart", "ExecReload", "SuccessExitStatus", "TimeoutStopSec", "WatchdogSec"}
    own |= {"ExecStartPre", "Restart", "RestartPreventExitStatus", "RestartSec", "WantedBy", "Environment"}
    daemon, check = ({k: v for k, v in settings(unit).items() if k not in own} for unit in (DAEMON, CHECK))
    assert daemon == check


def test_the_key_is_looked_for_where_the_unit_puts_it() -> None:
    from watcher.upstream.key import CREDENTIAL

    for unit in SERVICES:
        assert settings(unit)["LoadCredential"] == [CREDENTIAL]


# In the sandbox, as far as one can go without systemd


def one_story(watcher: Watcher, simulator: Simulator, sink: Sink, wrapped: Callable[[], Running]) -> None:
    """A baseline, an alert, and an orderly end."""
    configure(watcher, simulator, channel(sink))
    run = wrapped()
    try:
        run.says("polled: good")
        simulator.advance()
        run.polls()
        run.says("channel hook: 2 alerts: sent")
        assert run.stops() == 0
    finally:
        run.process.kill()


def allowed() -> set[str]:
    """The system calls that the units' filter lets through."""

    def expanded(group: str) -> set[str]:
        _, out = analyze("syscall-filter", group)
        names = {line.strip() for line in out.splitlines()[1:] if not line.strip().startswith("#")} - {""}
        return {name for one in names for name in (expanded(one) if one.startswith("@") else {one})}

    calls = set[str]()
    for line in settings(DAEMON)["SystemCallFilter"]:
        for group in line.removeprefix("~").split():
            calls = calls - expanded(group) if line.startswith("~") else calls | expanded(group)
    return calls | expanded("@default")


@pytest.mark.slow
@needs_systemd
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_it_calls_nothing_that_the_filter_forbids(
    watcher: Watcher, simulator: Simulator, sink: Sink, tmp_path_factory: pytest.TempPathFactory
) -> None:
    log = tmp_path_factory.mktemp("strace") / "log"
    strace = ["strace", "-f", "-qq", "-o", str(log)]
    if subprocess.run([*strace, "true"], capture_output=True, check=False).returncode:
        pytest.skip("strace may not trace here")
    one_story(watcher, simulator, sink, lambda: Running(watcher, "--verbose", "run", before=strace))
    called = {match[1] for line in log.read_text().splitlines() if (match := re.match(r"\d+ +(\w+)\(", line))}
    assert {"socket", "connect", "fsync"} & called, "the trace holds something"
    as_root = {"fchown"} if os.geteuid() == 0 else set()  # SQLite gives its files to the database's owner, if it may
    assert called - allowed() - as_root == set()


def test_it_needs_no_memory_that_can_be_written_and_executed(
    watcher: Watcher, simulator: Simulator, sink: Sink
) -> None:
    if ctypes.CDLL(None).prctl(GET_MDWE, 0, 0, 0, 0) < 0:
        pytest.skip("this kernel has no PR_SET_MDWE")
    deny = f"assert not ctypes.CDLL(None).prctl({SET_MDWE}, 1, 0, 0, 0)"
    before = [sys.executable, "-c", f"import ctypes, os, sys; {deny}; os.execv(sys.argv[1], sys.argv[1:])"]
    one_story(watcher, simulator, sink, lambda: Running(watcher, "--verbose", "run", before=before))
