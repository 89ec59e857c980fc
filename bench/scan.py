"""Measure a scan of 10,000 files against reading them: Python's library over and over, with an id in every tenth."""

import os
import statistics
import sys
import sysconfig
import time
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.measure import run
from watcher.simulator import Simulator, story_by_name, story_scenes

FILES = 10_000


def main(rounds: int = 5) -> None:
    """Print medians of the whole command, and its ratio to reading the files."""
    library = sorted(Path(sysconfig.get_path("stdlib")).glob("*/*.py"))
    with TemporaryDirectory() as name, Simulator(story_scenes(story_by_name("demo"))) as simulator:
        folder = Path(name)
        size = 0
        for number, source in enumerate(islice(cycle(library), FILES)):
            path = folder / "tree" / str(number % 100) / f"{number}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            size += path.write_bytes(source.read_bytes() + b"\nMODEL = 'openai/gpt-4o'\n" * (number % 10 == 0))
        (folder / "tree/.gitignore").write_text("*.log\n/build/\n__pycache__/\n.venv\n")
        (folder / "tree/.git").mkdir()
        (folder / "config.toml").write_text(f'[source]\nurl = "{simulator.url}"\n[store]\nurl = "sqlite:///w.db"\n')
        watcher, env = [sys.executable, "-m", "watcher"], {**os.environ, "XDG_CONFIG_HOME": name}
        run([*watcher, "--check"], folder, env)
        reading, scans = [], []
        for _ in range(rounds):
            start = time.perf_counter()
            for path in (folder / "tree").rglob("*.py"):
                path.read_bytes()
            reading.append(time.perf_counter() - start)
            scans.append(run([*watcher, "scan", "tree", "--format", "json"], folder, env))
    wall, cpu, peak = (statistics.median(getattr(each, what) for each in scans) for what in ("wall", "cpu", "peak"))
    ratio = wall / statistics.median(reading)
    print(f"{FILES:,} files, {size / 1e6:.0f} MB, median of {rounds} runs")
    print(f"  watcher scan: {wall:.2f} s (goal 5), {cpu:.2f} s of CPU, {ratio:.1f} × reading them, peak {peak:.0f} MiB")
