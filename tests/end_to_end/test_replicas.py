"""Several `watcher run` on one PostgreSQL database do the work of one, whichever of them is killed or cut off.

Their time passes faster than ours: an interval takes seconds.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from testkit.command import TOGETHER, clean_environment
from testkit.receivers import Request, Sink
from tests.databases import Server
from tests.end_to_end.test_check import channel, story
from tests.end_to_end.test_run import until
from tests.proxy import Proxy
from tests.store.samples import rows
from watcher.simulator import Simulator, story_scenes
from watcher.store.store import Store

pytestmark = pytest.mark.slow

HURRIED = Path(__file__).parent / "hurried.py"
FACTOR = 75
INTERVAL = timedelta(minutes=5)
"""Of theirs: 4 s of ours."""


class Replica:
    """A `watcher run` with a line of its own to the database."""

    def __init__(self, folder: Path, database: str, start: float, configuration: str) -> None:
        folder.mkdir()
        self.folder, self.start = folder, start
        self.proxy = Proxy(make_url(database).port or 0)
        far = make_url(database).set(port=self.proxy.port).render_as_string()
        (folder / "config.toml").write_text(f'[store]\nurl = "{far}"\n{configuration}')
        (folder / "config.toml").chmod(0o600)
        self.begin()

    def begin(self) -> None:
        env = clean_environment()
        command = [*TOGETHER, sys.executable, str(HURRIED), str(FACTOR), str(self.start), "--verbose", "run"]
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, env=env, stdout=log, stderr=log)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()


class World:
    """Three of them, what they watch, whom they tell, and the record that they share."""

    def __init__(self, folder: Path, database: str, simulator: Simulator, sink: Sink) -> None:
        self.store = Store(database)
        self.simulator, self.sink = simulator, sink
        configuration = (
            f'[source]\nurl = "{simulator.url}"\nrss = false\n[announce]\nsettle = "0s"\n'
            f'[delivery]\nretry_first = "1s"\n' + channel(sink)
        )
        start = time.time()
        self.replicas = [Replica(folder / name, database, start, configuration) for name in ("one", "two", "three")]

    def polls(self) -> list[datetime]:
        return [at for (at,) in rows(self.store, "SELECT at FROM polls ORDER BY id")]

    def poll(self, more: int) -> None:
        """Wait for so many polls more."""
        last = len(self.polls()) + more
        until(lambda: len(self.polls()) >= last)

    def told(self) -> list[str]:
        return [event["id"] for request in self.sink.requests for event in events_of(request)]

    def close(self) -> None:
        for replica in self.replicas:
            replica.kill()
            replica.proxy.close()
        self.store.close()


def events_of(request: Request) -> list[Any]:
    import json

    document = json.loads(request.body)
    return list(document["events"])


@pytest.fixture
def world(tmp_path: Path, postgresql: Server, sink: Sink) -> Iterator[World]:
    with postgresql.database(empty=True) as database, Simulator(story_scenes(story())) as simulator:
        world = World(tmp_path, database, simulator, sink)
        try:
            until(lambda: world.store.exists and world.polls())
            yield world
        finally:
            world.close()


def gaps(polls: list[datetime]) -> list[timedelta]:
    return [after - before for before, after in pairwise(polls)]


def test_three_poll_as_often_as_one_and_tell_once(world: World) -> None:
    world.poll(3)
    world.simulator.advance()
    world.poll(3)
    until(lambda: len(world.told()) >= 3)
    world.poll(1)
    assert len(world.told()) == len(set(world.told())) == 3
    assert len(world.simulator.requests) <= len(world.polls()) + 1
    assert min(gaps(world.polls())) >= 0.9 * INTERVAL
    assert max(gaps(world.polls())) <= 2 * INTERVAL


@pytest.mark.parametrize("victims", [(0, 1), (1, 2), (2, 0)])
def test_who_is_left_goes_on_within_an_interval(world: World, victims: tuple[int, int]) -> None:
    world.poll(1)
    for victim in victims:
        world.replicas[victim].kill()
        world.poll(2)
    world.simulator.advance()
    until(lambda: len(world.told()) >= 3)
    assert len(world.told()) == len(set(world.told())) == 3
    assert min(gaps(world.polls())) >= 0.9 * INTERVAL
    assert max(gaps(world.polls())) <= 2 * INTERVAL


def test_who_is_cut_off_from_the_database_is_done_without_and_comes_back(world: World) -> None:
    for replica in world.replicas:
        replica.proxy.cut()
        world.poll(2)
        replica.proxy.mend()
        world.poll(1)
    for replica in world.replicas[:2]:
        replica.kill()
    world.simulator.advance()
    world.poll(2)  # the third has found back
    until(lambda: len(world.told()) >= 3)
    assert len(world.told()) == len(set(world.told())) == 3
    assert min(gaps(world.polls())) >= 0.9 * INTERVAL
    assert max(gaps(world.polls())) <= 2 * INTERVAL


@pytest.mark.parametrize("way", ["killed", "cut off"])
def test_what_one_was_sending_another_sends(world: World, way: str) -> None:
    world.sink.statuses = [-1]  # takes the message and says nothing
    world.simulator.advance()
    until(lambda: world.sink.requests)
    sender = next(replica for replica in world.replicas if is_connected(replica, world.sink))
    if way == "killed":
        sender.kill()
    else:
        sender.proxy.cut()
    began = time.monotonic()
    until(lambda: len(world.sink.requests) == 2)
    assert timedelta(seconds=(time.monotonic() - began) * FACTOR) <= 1.5 * INTERVAL
    first, second = world.sink.requests
    assert events_of(first) == events_of(second)
    sender.proxy.mend()
    world.poll(2)
    until(lambda: len(world.sink.requests) == 3)  # what expired is told a poll later
    told = world.told()
    assert sorted(told.count(one) for one in set(told)) == [1, 2, 2]


def is_connected(replica: Replica, sink: Sink) -> bool:
    """Whether it has a connection to the sink."""
    port = f":{int(sink.address.split(':')[1]):04X}"
    sockets = {link.readlink().name for link in Path(f"/proc/{replica.process.pid}/fd").iterdir() if link.is_symlink()}
    for line in Path(f"/proc/{replica.process.pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[2].endswith(port) and f"socket:[{fields[9]}]" in sockets:
            return True
    return False
