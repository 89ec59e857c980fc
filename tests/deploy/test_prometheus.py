"""`deploy/prometheus` and `deploy/grafana`, as Prometheus itself reads them."""

import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families as families

from testkit.command import SECONDS
from tests.store.samples import START, Polls, document, event
from tests.web.conftest import make_config
from watcher.catalog.decision import Queued
from watcher.config.mine import MineSettings
from watcher.config.settings import Config
from watcher.store.store import Store
from watcher.web.server import WebServer

FOLDER = Path(__file__).parents[2] / "deploy"
ALERTS = FOLDER / "prometheus" / "alerts.yml"
DASHBOARD = json.loads((FOLDER / "grafana" / "dashboard.json").read_text())
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
BLIND = timedelta(hours=5)

needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None or shutil.which("promtool") is None,
    reason="prometheus is not installed (Debian: prometheus)",
)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """The configuration of a watcher of two channels, over a database that has something for each figure."""
    url = f"sqlite:///{tmp_path_factory.mktemp('metrics') / 'w.db'}"
    with Store.open(url) as store:
        Polls(store).see(document("a/one"), document("a/two"), at=START)
        news = event(1)
        with store.writing() as session:
            session.state.add_events([news])
            session.outbox.add([Queued("team", news, START)], START)
            failed = session.outbox.next_batch("team", START)
            session.outbox.mark_failed(failed, START, "no", refused=True, at=START)
    return replace(make_config(url), mine=MineSettings(models=("a/*",)))


@pytest.fixture(scope="module")
def target(config: Config) -> Iterator[str]:
    """The address of that watcher, which was blind for some hours."""
    server = WebServer(config, clock=lambda: START + BLIND)
    server.start()
    yield server.url.removeprefix("http://")
    server.stop()


def exposed(target: str) -> set[str]:
    """Return the names of the series that a scrape shows."""
    text = httpx.get(f"http://{target}/metrics", trust_env=False).text
    return {sample.name for family in families(text) for sample in family.samples}


def test_alerts_and_panels_use_figures_that_exist(target: str) -> None:
    known = exposed(target)
    for text in (ALERTS.read_text(), *QUERIES):
        for name in re.findall(r"\bwatcher_\w+", text):
            assert name in known, name


def test_every_figure_is_documented(target: str) -> None:
    page = (FOLDER.parent / "docs" / "web.md").read_text()
    assert {name for name in exposed(target) if f"`{name}" not in page} == set()


def test_panels_have_different_places_and_a_source_to_choose() -> None:
    places = [tuple(panel["gridPos"].values()) for panel in DASHBOARD["panels"]]
    cells = [(x + i, y + j) for x, y, w, h in places for i in range(w) for j in range(h)]
    assert len(set(cells)) == len(cells) and max(x for x, _ in cells) < 24
    assert DASHBOARD["templating"]["list"][0]["type"] == "datasource"


# What a series shows over time, and the alerts that fire after 30 minutes.
FIRING = {
    'up{job="openrouter-watcher"}': ("1 1 1 1 1 0x60", "WatcherDown"),
    "watcher_last_good_poll_age_seconds": ("600+60x60", "WatcherBlind"),
    'watcher_polls_total{outcome="refused"}': ("0x20 1x40", "WatcherPollsRefused"),
    'watcher_channel_failing{channel="team"}': ("0 0 1x60", "WatcherChannelFailing"),
    'watcher_oldest_pending_seconds{channel="team"}': ("3000+60x60", "WatcherDeliveriesLate"),
    'watcher_events_total{kind="undelivered"}': ("4x20 5x40", "WatcherAlertsLost"),
}
QUIET = {
    'up{job="openrouter-watcher"}': "1x60",
    "watcher_last_good_poll_age_seconds": "0 60 120 180 240 0 60 120 180 240 " * 6,
    'watcher_polls_total{outcome="refused"}': "4x60",
    'watcher_polls_total{outcome="good"}': "0+1x60",
    'watcher_channel_failing{channel="team"}': "0 0 1x10 0x60",
    'watcher_oldest_pending_seconds{channel="team"}': "0 300 600 900 0x60",
    'watcher_events_total{kind="undelivered"}': "4x60",
    'watcher_events_total{kind="repriced"}': "0+1x60",
}
BLIND_FOR = "watcher_last_good_poll_age_seconds"
INTERVAL = ("watcher_poll_interval_seconds", "300x60")
NAMES = [name for _, name in FIRING.values()]


def case(series: list[tuple[str, str]], firing: list[str]) -> dict:
    """Return a case for promtool: which alerts fire after 30 minutes of these series."""
    found = re.findall(r"alert: (\w+)", ALERTS.read_text())
    assert found == NAMES
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}})',
                "eval_time": "30m",
                "exp_samples": [{"labels": "{}", "value": 1}] if name in firing else [],
            }
            for name in NAMES
        ],
    }


def promtool(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = ["promtool", *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=SECONDS, check=False)


@needs_prometheus
def test_each_alert_fires_for_its_trouble_alone(tmp_path: Path) -> None:
    cases = [case([*QUIET.items(), INTERVAL], [])]
    for series, (values, name) in FIRING.items():
        cases.append(case([*({**QUIET, series: values}).items(), INTERVAL], [name]))
    cases.append(case([], ["WatcherDown"]))
    fresh = {BLIND_FOR: "_x28 Inf Inf Inf 0x20"}
    cases.append(case([*({**QUIET, **fresh}).items(), INTERVAL], []))
    seldom = ("watcher_poll_interval_seconds", "21600x60")
    for age, firing in ((21600, []), (66000, ["WatcherBlind"])):
        cases.append(case([*({**QUIET, BLIND_FOR: f"{age}+60x60"}).items(), seldom], firing))
    test = tmp_path / "test.yml"
    test.write_text(json.dumps({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": cases}))
    checked = promtool("test", "rules", str(test))
    assert checked.returncode == 0, checked.stdout + checked.stderr


@needs_prometheus
def test_prometheus_has_nothing_against_the_figures(target: str) -> None:
    text = httpx.get(f"http://{target}/metrics", trust_env=False).text
    checked = promtool("check", "metrics", given=text)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.fixture
def prometheus(target: str, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of a Prometheus with the configuration that the file of alerts tells, but scraping every second."""
    told = [line.removeprefix("#   ") for line in ALERTS.read_text().splitlines() if line.startswith("#   ")]
    lines = [line.replace("127.0.0.1:8399", target) for line in told if "authorization" not in line]
    assert len(lines) == len(told) - 1
    often = "global: { scrape_interval: 1s, evaluation_interval: 1s }"
    (tmp_path / "prometheus.yml").write_text("\n".join([often, *lines]))
    shutil.copy(ALERTS, tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    options = {"config.file": "prometheus.yml", "storage.tsdb.path": "data", "web.listen-address": address}
    command = ["prometheus", *(f"--{name}={value}" for name, value in options.items())]
    with (tmp_path / "log").open("w") as log, subprocess.Popen(command, cwd=tmp_path, stderr=log) as process:
        try:
            with httpx.Client(base_url=f"http://{address}/api/v1/", trust_env=False) as client:
                yield client
        finally:
            process.terminate()


@pytest.mark.slow
@needs_prometheus
def test_prometheus_scrapes_it_fires_and_answers_each_panel(prometheus: httpx.Client) -> None:
    def asked(path: str, **parameters: str) -> list[dict]:
        try:
            answer = prometheus.get(path, params=parameters)
        except httpx.TransportError:
            return []
        if answer.status_code == 503:  # it starts
            return []
        data = answer.json()["data"]
        return data.get("result", data.get("alerts"))

    until, states = time.monotonic() + SECONDS, dict[str, str]()
    while "firing" not in states.values():
        assert time.monotonic() < until, "no alert fires"
        time.sleep(0.2)
        states = {alert["labels"]["alertname"]: alert["state"] for alert in asked("alerts")}
    waiting = dict.fromkeys(("WatcherBlind", "WatcherChannelFailing"), "pending")
    assert states == {**waiting, "WatcherDeliveriesLate": "firing"}
    assert asked("query", query="watcher_last_good_poll_age_seconds")[0]["value"][1] == str(BLIND.seconds)
    for query in QUERIES:
        assert asked("query", query=query) or "increase" in query, query
