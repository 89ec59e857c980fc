"""Measure replay and import of the recorded archives against decoding the same bodies with msgspec."""

import os
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.measure import Run, run
from testkit.archive import model_archives
from testkit.lasting import captures


def main(rounds: int = 5) -> None:
    """Print medians and ratios to the decoding for every archive."""
    archives = model_archives()
    if not archives:
        print("This benchmark needs recorded archives: set WATCHER_DATA to their folder.")
    for archive in archives:
        _report(archive, rounds)


def _report(path: Path, rounds: int) -> None:
    decode = [sys.executable, "-m", "bench.decode", str(path)]
    watcher = [sys.executable, "-m", "watcher"]
    decoding: list[float] = []
    replays: list[Run] = []
    imports: list[Run] = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.toml").write_text('[store]\nurl = "sqlite:///w.db"\n')
        env = {**os.environ, "XDG_CONFIG_HOME": name}
        for _ in range(rounds):
            # Decode in another process: the memory of this one would count in its children's peaks.
            decoding.append(float(subprocess.run(decode, check=True, capture_output=True).stdout))
            replays.append(run([*watcher, "replay", str(path)], folder, env))
            for file in folder.glob("w.db*"):
                file.unlink()
            imports.append(run([*watcher, "import", str(path)], folder, env))
        size = sum(file.stat().st_size for file in folder.glob("w.db*"))
    base = statistics.median(decoding)
    print(f"{path.name}, median of {rounds} runs; decoding its bodies untyped takes {base:.3f} s")
    for what, runs, goal in (("replay", replays, 10), ("import", imports, 20)):
        wall = statistics.median(each.wall for each in runs)
        ratio = statistics.median(each.wall / own for each, own in zip(runs, decoding, strict=True))
        peak = statistics.median(each.peak for each in runs)
        print(f"  {what}: {wall:.2f} s, {ratio:.1f} × the decoding (goal {goal}), peak {peak:.0f} MiB")
    first, *_, last = (recorded.at for recorded in captures(path))
    print(f"  database: {size / 1e6:.2f} MB, {size / 1e6 * 30 / (last - first).days:.2f} a month (goal 1.5)")
