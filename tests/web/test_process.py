"""`watcher web` and the API inside `watcher run`, as the processes that they are."""

import re
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from testkit.command import Watcher, starting
from tests.web.conftest import ids
from watcher.simulator import Simulator, story_by_name, story_scenes

pytestmark = pytest.mark.slow


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(story_scenes(story_by_name("demo"))) as simulator:
        yield simulator


@pytest.fixture
def watcher(tmp_path: Path, simulator: Simulator) -> Watcher:
    made = Watcher(tmp_path)
    configure(made, simulator)
    return made


def configure(watcher: Watcher, simulator: Simulator, web: str = "") -> None:
    watcher.configure(f'[source]\nurl = "{simulator.url}"\n[store]\nurl = "sqlite:///w.db"\n{web}')


@pytest.fixture
def start(watcher: Watcher) -> Iterator:
    with starting(watcher) as start:
        yield start


def get(url: str, **more) -> httpx.Response:
    with httpx.Client(trust_env=False, timeout=30) as client:
        return client.get(url, **more)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_watcher_web_serves_until_it_is_told_to_end(watcher, start, number):
    assert watcher.run_here("--check").code == 0
    running = start("web", "--listen", "127.0.0.1:0")
    url = running.process.stdout.readline().decode().strip()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/api/v1", url)
    assert "openai/gpt-4o" in ids(get(f"{url}/models"))
    assert running.stops(number) == 0
    assert {path.name for path in watcher.folder.glob("w.db*")} <= {"w.db", "w.db.sending"}


def test_watcher_web_waits_for_a_database(watcher, start):
    running = start("web", "--listen", "127.0.0.1:0")
    url = running.process.stdout.readline().decode().strip()
    assert get(f"{url}/models").status_code == 503
    assert not (watcher.folder / "w.db").exists()
    assert watcher.run_here("--check").code == 0
    assert ids(get(f"{url}/models"))
    assert running.stops() == 0


def test_watcher_run_serves_what_it_polls(watcher, simulator, start):
    configure(watcher, simulator, '[web]\nlisten = "127.0.0.1:0"\n')
    running = start("run")
    url = re.search(r"http://\S+", running.says("serving the models API"))[0]
    running.says("polled: good")
    assert "openai/gpt-5.2-codex" not in ids(get(f"{url}/models"))
    simulator.advance()
    simulator.advance()
    running.polls()
    assert "openai/gpt-5.2-codex" in ids(get(f"{url}/models"))
    configure(watcher, simulator, '[web]\nlisten = "127.0.0.1:0"\nprefix = "/openrouter"\n')
    running.gets(signal.SIGHUP)
    other = re.search(r"http://\S+", running.says("serving the models API"))[0]
    running.says("the configuration was reloaded")
    assert "/openrouter/" in get(f"{other}/models?limit=1").json()["links"]["next"]
    configure(watcher, simulator, '[web]\nlisten = "127.0.0.1:0"\n[mine]\nmodels = ["openai/gpt-4o"]\n')
    running.gets(signal.SIGHUP)
    metrics = re.search(r"http://[^/\s]+", running.says("serving the models API"))[0] + "/metrics"
    running.says("the configuration was reloaded")
    assert 'watcher_price_usd{model="openai/gpt-4o",price="prompt"}' in get(metrics).text
    with socket.create_server(("127.0.0.1", 0)) as taken:
        configure(watcher, simulator, f'[web]\nlisten = "127.0.0.1:{taken.getsockname()[1]}"\n')
        running.gets(signal.SIGHUP)
        running.says("was not reloaded: web.listen: cannot listen on 127.0.0.1 port")
        again = re.search(r"http://\S+", running.lines[-2])[0]
        assert get(f"{again}/models").status_code == 200
    configure(watcher, simulator)
    running.gets(signal.SIGHUP)
    running.says("the configuration was reloaded")
    with pytest.raises(httpx.ConnectError):
        get(f"{again}/models")
    assert running.stops() == 0


def test_an_address_that_is_taken_stops_the_start(watcher, simulator, start):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        configure(watcher, simulator, f'[web]\nlisten = "127.0.0.1:{taken.getsockname()[1]}"\n')
        running = start("run")
        running.says("cannot listen on 127.0.0.1 port .*: Address already in use")
        assert running.ends() == 78


def test_a_hundred_clients_half_of_them_slow_change_nothing_for_the_poller(watcher, simulator, start):
    configure(watcher, simulator, '[web]\nlisten = "127.0.0.1:0"\n')
    running = start("run")
    url = re.search(r"http://\S+", running.says("serving the models API"))[0]
    running.says("polled: good")
    parts = urlsplit(url)
    slow = [socket.create_connection((parts.hostname, parts.port)) for _ in range(50)]
    for number, connection in enumerate(slow):  # some do not finish asking, others do not read
        request = f"GET {parts.path}/models?q={number} HTTP/1.1\r\nHost: localhost\r\n"
        connection.sendall((request + "\r\n" * (number % 2)).encode())
    statuses: list[int] = []
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(trust_env=False, timeout=30) as client:
            while not stop.is_set():
                statuses.append(client.get(f"{url}/models").status_code)

    quick = [threading.Thread(target=ask) for _ in range(50)]
    for thread in quick:
        thread.start()
    for _ in range(3):
        simulator.advance()
        running.polls()
    stop.set()
    for thread in quick:
        thread.join()
    assert len(statuses) >= 50 and set(statuses) == {200}
    assert all("polled: good" in line for line in running.lines if "polled:" in line)
    assert running.stops() == 0
    for connection in slow:
        connection.close()
