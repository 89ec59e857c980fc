"""The promise under what else befalls a daemon: full disks, locks, wrong clocks, company, services that hang or die."""

import json
import os
import re
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from testkit.receivers import Sink, send_events
from tests.end_to_end.surviving import Case, World, assert_nothing_to_announce, ended
from tests.store.processes import run_on_small_disk
from watcher.catalog.model import Event
from watcher.cli.setup import open_source, sender
from watcher.config.load import load_config
from watcher.config.settings import Channel
from watcher.cycle import check
from watcher.delivery.channel import Result
from watcher.delivery.outbox import Attempt, drain
from watcher.errors import StoreError
from watcher.store.store import Store

LATER = timedelta(minutes=2)
"""After which what failed once is due again."""
HOUR = timedelta(hours=1)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as world:
        yield world


@pytest.fixture
def case(world: World) -> Case:
    """A watcher with news waiting, none of whose channels is dead."""
    world.prepare(more="")
    return world.case("case")


def wait_until(holds: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def survives(case: Case, later: timedelta = timedelta(0)) -> int:
    """Run the watcher once more and check that the promise is kept; return how many messages came twice."""
    before = case.deliveries()
    ran = case.run("again", later=later)
    assert ran.code == 0
    assert all(line.endswith(": it works again") for line in ran.err.splitlines()), ran.err
    repeats = case.assert_promise_kept(before)
    assert_nothing_to_announce(case)
    return len(repeats)


class Inside:
    """A watcher in this process, with a clock and a patience of its own."""

    def __init__(self, case: Case, run: str, monkeypatch: pytest.MonkeyPatch, busy_seconds: float = 30) -> None:
        for name, value in case.environment(run).items():
            monkeypatch.setenv(name, value)
        self.config = load_config(case.folder / "config.toml", os.environ)
        self.store = Store(f"sqlite:///{case.database}", busy_seconds=busy_seconds)
        self.send = sender(self.config)

    def check(self, now: datetime) -> None:
        with open_source(self.config) as source:
            check(self.store, source, self.config, now=now)

    def drain(self, now: datetime) -> list[Attempt]:
        return drain(self.store, self.config, self.send, clock=lambda: now)


@pytest.fixture
def inside(case: Case, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Inside]]:
    made: list[Inside] = []

    def make(run: str = "first", busy_seconds: float = 0.2) -> Inside:
        made.append(Inside(case, run, monkeypatch, busy_seconds))
        return made[-1]

    yield make
    for each in made:
        each.store.close()


# A full disk

ON_SMALL_DISK = """
import json, os, shutil, subprocess, sys
small, orders = sys.argv[1], json.loads(os.environ["WATCHER_ORDERS"])
os.chdir(small)
for name in ("w.db", "config.toml"):
    shutil.copy(os.path.join(orders["folder"], name), small)
disk = os.statvfs(small)
with open("ballast", "wb") as ballast:
    ballast.write(bytes(disk.f_bavail * disk.f_bsize - orders["free"] * 1024))
def check(run):
    command = [sys.executable, "-m", "watcher", "--check"]
    done = subprocess.run(command, env=orders["runs"][run], capture_output=True, text=True)
    return done.returncode, done.stderr
full = check("first")
shutil.rmtree(os.path.join(orders["folder"], "before"), ignore_errors=True)
os.mkdir(os.path.join(orders["folder"], "before"))
for name in os.listdir(small):
    if name.startswith("w.db"):
        shutil.copy(name, os.path.join(orders["folder"], "before"))
os.remove("ballast")
again = check("again")
assert not os.path.exists("w.db-wal")
shutil.copy("w.db", orders["folder"])
print(json.dumps([full, again]))
"""


@pytest.mark.slow
def test_a_disk_with_so_much_room_left_loses_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """At each level: what could be done is done, the rest when there is room again."""
    world.prepare(more="")
    said: dict[int, tuple[int, str]] = {}
    cases = []
    for free in (0, 16, 32, 36, 40, 48, 64, 80, 96, 112, 128, 192, 1024):
        case = world.case(f"free-{free}")
        small = case.folder / "small"
        small.mkdir()
        runs = {run: case.environment(run) for run in ("first", "again")}
        monkeypatch.setenv("WATCHER_ORDERS", json.dumps({"folder": str(case.folder), "free": free, "runs": runs}))
        first, again = run_on_small_disk(ON_SMALL_DISK, str(small), "2m")
        said[free] = first
        code, err = first
        if code:
            assert code == 74
            assert "the disk is full" in err, (free, err)
            assert len(err.splitlines()) == 1
        assert again == [0, ""], free
        before = Case(world, case.name, case.folder / "before").deliveries()
        case.assert_promise_kept(before)
        cases.append(case)
    assert said[0][0] == 74
    assert said[1024][0] == 0
    assert_nothing_to_announce(*cases)


# A database that is locked


@contextmanager
def locked(case: Case) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(case.database, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


@pytest.mark.slow
def test_a_lock_that_outlasts_the_patience_loses_nothing(case: Case, inside: Callable[..., Inside]) -> None:
    watcher = inside()
    with locked(case), pytest.raises(StoreError, match="locked by another process"):
        watcher.check(datetime.now(UTC))
    assert case.deliveries() == {}
    assert survives(case) == 0


def test_a_lock_while_messages_are_under_way_costs_at_most_a_repeat(case: Case, inside: Callable[..., Inside]) -> None:
    watcher = inside()
    watcher.check(datetime.now(UTC))
    send, first = watcher.send, threading.Lock()
    with closing(sqlite3.connect(case.database, isolation_level=None, check_same_thread=False)) as other:

        def locking(channel: Channel, events: Sequence[Event]) -> Result:
            with first:
                if not other.in_transaction:
                    other.execute("BEGIN IMMEDIATE")
            return send(channel, events)

        watcher.send = locking
        with pytest.raises(StoreError, match="locked by another process"):
            watcher.drain(datetime.now(UTC))
        other.execute("ROLLBACK")
    assert survives(case) == 3


def test_a_lock_that_ends_in_time_is_waited_for(case: Case) -> None:
    with locked(case) as other:
        process = case.start("first")
        files = Path(f"/proc/{process.pid}/fd")
        wait_until(lambda: case.world.told("case", "first") or any_open(files, case.database))
        other.execute("ROLLBACK")
        ran = ended(process)
    assert (ran.code, ran.err) == (0, "")
    assert case.assert_promise_kept({}) == []
    assert_nothing_to_announce(case)


def any_open(files: Path, path: Path) -> bool:
    try:
        return any(file.readlink() == path for file in files.iterdir())
    except OSError:  # one of them was closed meanwhile
        return False


@pytest.mark.slow
def test_a_lock_of_30_seconds_ends_a_check_clearly(case: Case) -> None:
    start = time.monotonic()
    with locked(case):
        ran = case.run("first")
    assert 29 < time.monotonic() - start < 60
    assert (ran.code, ran.out) == (74, "")
    assert "locked by another process" in ran.err
    assert len(ran.err.splitlines()) == 1
    assert case.deliveries() == {}
    assert survives(case) == 0


@pytest.mark.slow
def test_a_lock_of_20_seconds_is_waited_for(case: Case) -> None:
    start = time.monotonic()
    with locked(case) as other:
        timer = threading.Timer(20, other.execute, ["ROLLBACK"])
        timer.start()
        ran = case.run("first")
        timer.join()
    assert time.monotonic() - start > 20
    assert (ran.code, ran.err) == (0, "")
    assert case.assert_promise_kept({}) == []
    assert_nothing_to_announce(case)


def test_a_bug_in_sending_to_one_channel_is_that_channels_failure(case: Case, inside: Callable[..., Inside]) -> None:
    watcher = inside()
    send = watcher.send

    def broken(channel: Channel, events: Sequence[Event]) -> Result:
        if channel.name == "hook":
            raise KeyError("a secret")
        return send(channel, events)

    watcher.send = broken
    watcher.check(datetime.now(UTC))
    results = {attempt.channel: (attempt.state, attempt.detail) for attempt in watcher.drain(datetime.now(UTC))}
    assert results["hook"] == ("pending", "sending broke off (KeyError)")
    assert results["mail"][0] == results["narrow"][0] == "sent"
    assert survives(case, LATER) == 0


# A clock that steps back


def test_a_clock_an_hour_back_announces_all_once(case: Case) -> None:
    ran = case.run("first", later=-HOUR)
    assert (ran.code, ran.err) == (0, "")
    assert case.assert_promise_kept() == []
    assert case.run("second", later=-2 * HOUR).code == 0
    assert_nothing_to_announce(case)
    assert case.assert_promise_kept() == []


def test_what_was_queued_before_the_clock_stepped_back_is_sent_at_once(
    case: Case, inside: Callable[..., Inside]
) -> None:
    watcher = inside()
    now = datetime.now(UTC)
    watcher.check(now)
    assert {attempt.state for attempt in watcher.drain(now - HOUR)} == {"sent"}
    assert case.assert_promise_kept({}) == []
    assert_nothing_to_announce(case)


def test_what_was_being_sent_when_the_clock_stepped_back_comes_again_at_once(
    case: Case, inside: Callable[..., Inside]
) -> None:
    class Died(BaseException):
        pass

    watcher = inside()
    now = datetime.now(UTC)
    watcher.check(now)

    def die(channel: Channel, events: Sequence[Event]) -> Result:
        raise Died

    watcher.send = die
    with pytest.raises(Died):
        watcher.drain(now)
    assert survives(case, -HOUR) == 0


# Company


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, pytest.param(5, marks=pytest.mark.slow)])
def test_processes_at_once_send_nothing_twice(processes: int, case: Case) -> None:
    started = [case.start(f"process-{n}") for n in range(processes)]
    for ran in [ended(process) for process in started]:
        assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert case.assert_promise_kept() == []
    assert_nothing_to_announce(case)


@pytest.mark.slow
def test_processes_at_once_make_one_database(world: World) -> None:
    world.prepare(more="")
    case = world.case("case", fresh=True)
    started = [case.start(f"process-{n}") for n in range(3)]
    for ran in [ended(process) for process in started]:
        assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert case.rows("SELECT count(*) FROM models") == [(87,)]
    assert case.rows("SELECT count(*) FROM events") == [(0,)]
    assert_nothing_to_announce(case)


# Services that hang or die


@pytest.mark.slow
def test_a_channel_that_hangs_holds_up_nobody_and_is_told_the_same_again(world: World) -> None:
    hanging, seconds = Sink(), 5
    hanging.status = -1
    try:
        channel = f'[[channels]]\nname = "hanging"\nurl = "json://{hanging.address}/"\n'
        world.prepare(more=channel, delivery=f'timeout = "{seconds}s"')
        hanging.requests.clear()
        case = world.case("case")
        process = case.start("first")
        wait_until(lambda: hanging.requests)
        start = time.monotonic()
        wait_until(lambda: all(world.told("case", "first").values()))
        assert process.poll() is None, "the others have it while it is still waited for"
        ran = ended(process)
        assert time.monotonic() - start < seconds + 10
        assert ran.code == 75
        assert "channel hanging: no answer in time, it may have arrived" in ran.err
        hanging.status = 200
        ran = case.run("again", later=LATER)
        assert (ran.code, ran.err) == (0, "")
        first, again = (hanging.json(n) for n in range(2))
        assert len(hanging.requests) == 2
        assert again == first
        assert len(first["events"]) == 4
        assert case.assert_promise_kept() == []
    finally:
        hanging.close()


class DyingMailServer:
    """Talks SMTP until it has the mail, as far as asked, and then is gone without an answer."""

    def __init__(self, until: bytes) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.until = until
        self.received: list[bytes] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as lines:
                connection.sendall(b"220 here\r\n")
                for line in lines:
                    if line.upper().startswith(b"DATA"):
                        break
                    connection.sendall(b"250 ok\r\n")
                connection.sendall(b"354 go on\r\n")
                mail = b""
                for line in lines:
                    mail += line
                    if line.startswith(self.until):
                        break
                self.received.append(mail)

    def close(self) -> None:
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()


@pytest.mark.parametrize("until", [b"Message-ID:", b"Content-Type: text/html", b".\r\n"])
def test_a_mail_server_that_dies_in_the_middle_gets_the_same_mail_again(until: bytes, case: Case) -> None:
    server = DyingMailServer(until)
    try:
        env = {
            "MAIL": f"mailto://127.0.0.1:{server.port}?mode=insecure&smtp=127.0.0.1&from=w@example.org&to=a@b.example"
        }
        ran = case.run("first", env=env)
    finally:
        server.close()
    assert ran.code == 75
    assert "channel mail: The connection to the mail server broke in the middle" in ran.err
    assert len(ran.err.splitlines()) == 1
    (mail,) = server.received
    found = re.search(rb"(?m)^Message-ID: *(?:\r\n )?(\S+)", mail)
    assert found is not None
    assert survives(case, LATER) == 0
    (told,) = case.world.told("case", "again")["mail"]
    assert told.message_id == found[1].decode()


def test_each_part_of_a_long_message_to_a_web_hook_has_its_own_events() -> None:
    now = datetime.now(UTC)
    many = [Event(f"{n:016x}", "new", f"a/model-{n}", f"Model {n} {'x' * 60}", now, now) for n in range(1_000)]
    sink = Sink()
    try:
        assert send_events(f"json://{sink.address}/", many).ok
        parts = [[event["id"] for event in sink.json(n)["events"]] for n in range(len(sink.requests))]
    finally:
        sink.close()
    assert len(parts) > 1
    assert sorted(event for part in parts for event in part) == [event.id for event in many]
