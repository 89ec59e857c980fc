"""Measure whole processes by the operating system's accounting. They run in turn, so that drift affects all."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """One run of a command: seconds of wall and CPU time, and peak resident memory in MiB."""

    wall: float
    cpu: float
    peak: float


def run(command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> Run:
    """Run a command and return its cost. Raises RuntimeError if it fails."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command} exited with {process.returncode}: {said.decode(errors='replace')[-500:]}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def in_turn(
    commands: Mapping[str, Sequence[str]], folder: Path, rounds: int, env: Mapping[str, str] | None = None
) -> dict[str, list[Run]]:
    """Run the commands in turn (A, B, A, B, …) after one round that does not count."""
    for command in commands.values():
        run(command, folder, env)
    results: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            results[name].append(run(command, folder, env))
    return results


def report(results: Mapping[str, list[Run]], base: str) -> None:
    """Print medians, and the medians of the ratios to `base` in each round."""
    print(f"{'':<18}{'wall s':>9}{'cpu s':>9}{'peak MiB':>10}{'wall ×':>9}{'cpu ×':>9}")
    for name, runs in results.items():
        pairs = list(zip(runs, results[base], strict=True))
        figures = (
            statistics.median(run.wall for run in runs),
            statistics.median(run.cpu for run in runs),
            statistics.median(run.peak for run in runs),
            statistics.median(a.wall / b.wall for a, b in pairs),
            statistics.median(a.cpu / b.cpu for a, b in pairs),
        )
        print(f"{name:<18}{figures[0]:>9.3f}{figures[1]:>9.3f}{figures[2]:>10.1f}{figures[3]:>9.2f}{figures[4]:>9.2f}")


def python_with(package: str, folder: Path) -> Path:
    """Return the `bin` folder of a new environment with a package from PyPI."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package]
    subprocess.run(pip, check=True)
    return folder / "bin"
