"""`watcher run` as a process: what signals do, from its first moment to its end, and what systemd hears of it."""

import os
import re
import signal
import socket
import time
from pathlib import Path

import pytest

from testkit.command import Watcher
from testkit.receivers import Sink
from tests.end_to_end.test_check import channel
from tests.end_to_end.test_run import (
    SECONDS,
    Start,
    assert_clean,
    configure,
    rows,
    simulator,
    start,
    until,
)
from watcher.simulator import Fault, Simulator

pytestmark = pytest.mark.slow

__all__ = ["simulator", "start"]

# The end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_a_signal_with_what_is_in_hand_done(
    watcher: Watcher, simulator: Simulator, start: Start, number: signal.Signals
) -> None:
    configure(watcher, simulator)
    run = start()
    run.says("polled: good")
    before = len(simulator.requests)
    simulator.set_fault(Fault(path="/api/v1/models?output*", delay=0.5, times=1))
    run.gets(signal.SIGUSR1)
    until(lambda: len(simulator.requests) > before)
    assert run.stops(number) == 0
    assert any("stopping" in line for line in run.lines)
    assert len(rows(watcher, "SELECT 1 FROM polls")) == 2, "the poll that was in hand is stored"
    assert_clean(watcher)


def test_it_ends_within_its_bound_though_a_channel_hangs(
    watcher: Watcher, simulator: Simulator, sink: Sink, start: Start
) -> None:
    configure(watcher, simulator, 'timeout = "2s"\n' + channel(sink))
    run = start()
    run.says("polled: good")
    simulator.advance()
    sink.status = -1
    run.polls()
    until(lambda: sink.requests)
    assert run.stops() == 0
    assert_clean(watcher)
    noted = rows(watcher, "SELECT state, attempts, last_error FROM deliveries")
    assert [(state, attempts) for state, attempts, _ in noted] == [("pending", 1)] * 2, "what became of it is noted"
    assert all("no answer" in error for _, _, error in noted)


def test_a_second_signal_ends_it_at_once(watcher: Watcher, simulator: Simulator, sink: Sink, start: Start) -> None:
    configure(watcher, simulator, 'timeout = "10m"\n' + channel(sink))
    run = start()
    run.says("polled: good")
    simulator.advance()
    sink.status = -1
    run.polls()
    until(lambda: sink.requests)
    run.gets(signal.SIGTERM)
    run.says("stopping")
    began = time.monotonic()
    assert run.stops(signal.SIGINT) == 130
    assert time.monotonic() - began < 10, "it would wait for 25 s"
    assert rows(watcher, "PRAGMA integrity_check") == [("ok",)]


def slow_configuration(watcher: Watcher) -> tuple[Path, bytes]:
    """Make a pipe of the configuration, and return it and what is to be written to it."""
    path = watcher.folder / "config.toml"
    text = path.read_bytes()
    path.unlink()
    os.mkfifo(path)
    return path, text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_it_reads_its_configuration_ends_it_before_it_makes_a_database(
    watcher: Watcher, simulator: Simulator, start: Start, number: signal.Signals
) -> None:
    configure(watcher, simulator)
    path, text = slow_configuration(watcher)
    run = start(env={"WATCHER_CONFIG": "config.toml"})
    with path.open("wb") as pipe:  # it opens when the other side does
        run.gets(number)
        run.says("stopping")
        pipe.write(text)
    assert run.ends() == 0
    assert not (watcher.folder / "w.db").exists()


def test_other_signals_while_it_reads_its_configuration_are_heard_and_do_not_end_it(
    watcher: Watcher, simulator: Simulator, start: Start
) -> None:
    configure(watcher, simulator)
    path, text = slow_configuration(watcher)
    run = start(env={"WATCHER_CONFIG": "config.toml"})
    with path.open("wb") as pipe:
        run.gets(signal.SIGUSR1)
        run.gets(signal.SIGHUP)
        pipe.write(text)
    run.says("watching")
    path.write_bytes(text)
    run.says("the configuration was reloaded")
    assert run.stops() == 0


def test_a_database_server_that_says_nothing_does_not_keep_it_from_hearing_signals(
    watcher: Watcher, simulator: Simulator, start: Start
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        configure(watcher, simulator)
        config = watcher.folder / "config.toml"
        url = f"postgresql://watcher@127.0.0.1:{silent.getsockname()[1]}/w?connect_timeout=600"
        config.write_text(config.read_text().replace("sqlite:///w.db", url))
        run = start()
        silent.settimeout(SECONDS)
        with silent.accept()[0]:
            run.gets(signal.SIGTERM)
            run.says("stopping")
            assert run.stops(signal.SIGINT) == 130


def test_it_ends_within_its_bound_though_the_source_hangs(
    watcher: Watcher, simulator: Simulator, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it takes the connection, and says nothing
        host, port = silent.getsockname()
        configure(watcher, simulator)
        config = watcher.folder / "config.toml"
        config.write_text(config.read_text().replace(simulator.url, f"http://{host}:{port}/api/v1"))
        run = start()
        silent.settimeout(SECONDS)
        connection, _ = silent.accept()
        with connection:
            assert run.stops() == 0
    assert any("polling was not done within 25s" in line for line in run.lines)
    assert_clean(watcher)


# SIGHUP


def test_sighup_takes_a_new_configuration(watcher: Watcher, simulator: Simulator, sink: Sink, start: Start) -> None:
    configure(watcher, simulator)
    run = start()
    run.says("polled: good")
    configure(watcher, simulator, channel(sink))
    run.gets(signal.SIGHUP)
    run.says("the configuration was reloaded")
    simulator.advance()
    run.polls()
    run.says("channel hook: 2 alerts: sent")
    assert run.stops() == 0
    assert_clean(watcher)


BROKEN = {
    "no TOML": ("nonsense", "not TOML"),
    "a misspelt key": ('[source]\nintervall = "5m"\n', 'did you mean "interval"'),
    "a channel that no service has": ('[[channels]]\nname = "b"\nurl = "nonsense://x"\n', 'channel "b"'),
    "a missing url_file": ('[[channels]]\nname = "b"\nurl_file = "gone"\n', "cannot read"),
    "an unset url_env": ('[[channels]]\nname = "b"\nurl_env = "GONE"\n', "GONE is not set"),
    "a missing key": ('[source]\napi_key_file = "gone"\n', "api_key_file"),
    "a key that is none": ('[source]\napi_key_file = "spaces"\n', "holds a space"),
    "a source that is none": ('[source]\nurl = "https://me:pw@127.0.0.1/api"\n', "user name or password"),
    "a database that is none": ('[store]\nurl = "sqlite:///spaces"\n', "is not an SQLite database"),
    "a database that cannot be": ('[store]\nurl = "sqlite:////dev/null/w.db"\n', "/dev/null"),
}


def test_sighup_with_a_broken_configuration_keeps_the_old_one_and_says_so(
    watcher: Watcher, simulator: Simulator, sink: Sink, start: Start
) -> None:
    (watcher.folder / "spaces").write_text("no key and no database " * 40)
    configure(watcher, simulator, channel(sink))
    run = start()
    run.says("polled: good")
    for broken, (text, says) in BROKEN.items():
        watcher.configure(text)
        run.gets(signal.SIGHUP)
        line = run.says("the configuration was not reloaded")
        assert " error: " in line, broken
        assert says in line, broken
    simulator.advance()
    run.polls()
    run.says("channel hook: 2 alerts: sent")
    assert run.stops() == 0


def test_sighup_with_the_file_gone_takes_no_other_and_no_defaults(
    watcher: Watcher, simulator: Simulator, start: Start
) -> None:
    configure(watcher, simulator)
    run = start(env={"HOME": str(watcher.folder / "home")})
    run.says("polled: good")
    (watcher.folder / "config.toml").rename(watcher.folder / "away.toml")
    run.gets(signal.SIGHUP)
    line = run.says("the configuration was")
    assert line.endswith(f"not reloaded: {watcher.folder / 'config.toml'}: cannot be read: No such file or directory")
    run.polls()
    assert not (watcher.folder / "home").exists()
    assert run.stops() == 0


def test_a_hundred_sighups_leave_nothing_behind(watcher: Watcher, simulator: Simulator, start: Start) -> None:
    configure(watcher, simulator)
    run = start()
    run.says("polled: good")

    def reload() -> set[str]:
        run.gets(signal.SIGHUP)
        run.says("the configuration was reloaded")
        run.polls()
        return set(os.listdir(f"/proc/{run.pid}/fd"))  # noqa: PTH208

    before = len(reload())
    for _ in range(100):
        run.gets(signal.SIGHUP)
    assert len(reload()) <= before + 2
    assert run.stops() == 0
    assert_clean(watcher)


def test_sighup_moves_to_another_database_and_leaves_the_old_one_clean(
    watcher: Watcher, simulator: Simulator, start: Start
) -> None:
    configure(watcher, simulator)
    run = start()
    run.says("polled: good")
    configure(watcher, simulator, database="other.db")
    run.gets(signal.SIGHUP)
    run.says("the configuration was reloaded")
    run.says("polled: good")
    assert (watcher.folder / "other.db").exists()
    until(lambda: {path.name for path in watcher.folder.glob("w.db*")} <= {"w.db", "w.db.sending", "w.db.running"})
    assert_clean(watcher)
    assert run.stops() == 0


# systemd


def test_systemd_hears_of_start_reload_and_end(
    watcher: Watcher, simulator: Simulator, start: Start, tmp_path_factory: pytest.TempPathFactory
) -> None:
    configure(watcher, simulator)
    path = tmp_path_factory.mktemp("n") / "s"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(path))
        supervisor.settimeout(SECONDS)

        def hears(start: str) -> str:
            while not (heard := supervisor.recv(65536).decode()).startswith(start):
                pass
            return heard

        run = start(env={"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "1000000"})
        assert hears("READY") == "READY=1\nSTATUS=started"
        assert re.fullmatch(r"STATUS=healthy: last checked \d{4}-\d\d-\d\d \d\d:\d\d UTC, 87 models", hears("STATUS"))
        hears("WATCHDOG=1")
        watcher.configure("nonsense")
        run.gets(signal.SIGHUP)
        hears("RELOADING=1\nMONOTONIC_USEC=")
        assert hears("READY") == "READY=1\nSTATUS=the configuration was not reloaded, the old one stays"
        run.gets(signal.SIGTERM)
        hears("STOPPING=1")
        assert run.ends() == 0
