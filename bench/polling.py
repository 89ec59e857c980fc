"""Measure a poll without news in the running daemon against decoding its body once with msgspec.

    same        the list has the same bytes
    other bytes the benchmarks of five models and the order of all changed, so the whole list is read

The figure is the processor time of the whole process, including HTTP, the feed and the database.
"""

import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.rest import Changing
from testkit.archive import newest_models
from testkit.command import Running, Watcher
from watcher.api.answer import to_json

BYTES = 750_000
POLLS = 300
GOAL = 4.0
BENCHMARKS = 5
"""Models whose benchmarks change."""

CONFIG = """
[source]
url = "{url}"
rss = {rss}
[store]
url = "sqlite:///w.db"
[[channels]]
name = "hook"
url = "json://127.0.0.1:9/"
"""


def main(rounds: int = 3) -> None:
    """Print the medians of several rounds."""
    models = _models()
    body = to_json({"data": models, "total_count": len(models), "links": {"next": None}})
    took: dict[tuple[str, str], list[float]] = {}
    decoding: list[float] = []
    for _ in range(rounds):
        for rss in ("true", "false"):
            with TemporaryDirectory() as name:
                found = _measured(Path(name), models, rss)
            decoding.append(_decoding(body))
            for what, seconds in found.items():
                took.setdefault((what, rss), []).append(seconds)
    base = statistics.median(decoding)
    print(f"The processor time of a poll without news in the running daemon, median of {rounds} × {POLLS} polls;")
    print(f"decoding the {len(body):,} bytes of its {len(models)} models untyped takes {base * 1000:.2f} ms")
    print(f"{'':<14}{'ms':>7}{'×':>7}   (goal {GOAL:g}, for the list alone)")
    for (what, rss), each in took.items():
        median = statistics.median(each)
        label = f"{what}{' + RSS' if rss == 'true' else ''}"
        print(f"{label:<20}{median * 1000:>7.2f}{median / base:>7.2f}")


def _models() -> list[dict[str, Any]]:
    models = newest_models(1000)
    while len(to_json(models)) > BYTES:
        del models[-1]
    for number, model in enumerate(models):
        model["benchmarks"] = {"arena_elo": 1400 - number, "rank": number}
        model["created"] = 1_700_000_000 - number  # the feed is ordered by it and stays the same
    return models


def _decoding(body: bytes) -> float:
    """Return the seconds of one decoding, measured in its own process."""
    done = subprocess.run([sys.executable, "-c", DECODE], input=body, check=True, capture_output=True)
    return float(done.stdout)


DECODE = f"""
import sys, time, msgspec
body = sys.stdin.buffer.read()
start = time.process_time()
for _ in range({POLLS}):
    msgspec.json.decode(body)
print((time.process_time() - start) / {POLLS})
"""


def _measured(folder: Path, models: list[dict[str, Any]], rss: str) -> dict[str, float]:
    watcher = Watcher(folder)
    with Changing(models) as simulator:
        watcher.configure(CONFIG.format(url=simulator.url, rss=rss))
        (folder / "config.toml").chmod(0o600)
        running = Running(watcher, "--verbose", "run")
        try:
            running.says("polled: good")
            running.polls()
            took = {"same": _seconds_a_poll(running, lambda _: None)}
            took["other bytes"] = _seconds_a_poll(running, lambda n: simulator.show(_moved(models, n)))
        finally:
            running.stops()
    return took


def _seconds_a_poll(running: Running, before: Any) -> float:
    start = _seconds(running.pid)
    for number in range(POLLS):
        before(number)
        running.polls()
    return (_seconds(running.pid) - start) / POLLS


def _moved(models: list[dict[str, Any]], number: int) -> list[dict[str, Any]]:
    """Change the benchmarks of some models, and return all models in another order."""
    first = number * BENCHMARKS % len(models)
    for at, model in enumerate(models[first : first + BENCHMARKS], first):
        models[at] = {**model, "benchmarks": {"arena_elo": 1500 + number, "rank": number}}
    return models[number % len(models) :] + models[: number % len(models)]


def _seconds(pid: int) -> float:
    """Return the processor time of a process, ended threads included, in steps of 0.01 s."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
