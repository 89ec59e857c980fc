"""Measure a check of an unchanged catalogue against two minimal scripts and two other watchers.

Both scripts fetch the list with httpx, hash it and compare the hash with a row in SQLite. One reads the row with
sqlite3, the other with SQLAlchemy Core. urlwatch and webchanges watch the same address, each in its own environment.

The source runs in its own process. A measured process cannot show a lower peak of memory than the process that
starts it, so that one stays small.
"""

import subprocess
import sys
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.measure import in_turn, python_with, report

SQLITE3_SCRIPT = """
import hashlib, sqlite3, sys, httpx
body = httpx.get(sys.argv[1]).content
digest = hashlib.blake2b(body).hexdigest()
with sqlite3.connect("sqlite3-script.db") as connection:
    connection.execute("CREATE TABLE IF NOT EXISTS seen (digest TEXT)")
    if connection.execute("SELECT digest FROM seen").fetchone() != (digest,):
        connection.execute("INSERT INTO seen VALUES (?)", (digest,))
"""

SQLALCHEMY_SCRIPT = """
import hashlib, sys, httpx
from sqlalchemy import Column, MetaData, Table, Text, create_engine, select
body = httpx.get(sys.argv[1]).content
digest = hashlib.blake2b(body).hexdigest()
seen = Table("seen", MetaData(), Column("digest", Text))
with create_engine("sqlite:///sqlalchemy-script.db").begin() as connection:
    seen.metadata.create_all(connection)
    if connection.execute(select(seen.c.digest)).scalar() != digest:
        connection.execute(seen.insert().values(digest=digest))
"""

CONFIG = '[source]\nurl = "{url}"\nrss = {rss}\n[store]\nurl = "sqlite:///{name}.db"\n'


def main(rounds: int = 15, peers: bool = True) -> None:
    """Print medians, and ratios to each script."""
    source = [sys.executable, "-m", "bench.unchanged"]
    with TemporaryDirectory() as name, subprocess.Popen(source, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            base_url, size = process.stdout.readline().split()
            commands = _commands(Path(name), base_url)
            if peers:
                commands |= _peers(Path(name), f"{base_url}/models")
            print(f"An unchanged check of {int(size):,} bytes on loopback, median of {rounds} runs each, in turn")
            results = in_turn(commands, Path(name), rounds)
        finally:
            process.terminate()
    for base in ("sqlite3 script", "SQLAlchemy script"):
        print(f"ratios (×) to the {base}:")
        report(results, base)


def _commands(folder: Path, base_url: str) -> dict[str, list[str]]:
    commands = {}
    for label, script in (("sqlite3 script", SQLITE3_SCRIPT), ("SQLAlchemy script", SQLALCHEMY_SCRIPT)):
        file = folder / f"{label.replace(' ', '-')}.py"
        file.write_text(script)
        commands[label] = [sys.executable, str(file), f"{base_url}/models"]
    for label, rss in (("watcher", "true"), ("without RSS", "false")):
        config = folder / f"{label.replace(' ', '-')}.toml"
        config.write_text(CONFIG.format(url=base_url, rss=rss, name=config.stem))
        commands[label] = [sys.executable, "-m", "watcher", "--config", str(config), "--check"]
    return commands


def _peers(folder: Path, url: str) -> dict[str, list[str]]:
    jobs = folder / "jobs.yaml"
    jobs.write_text(f"name: models\nurl: {url}\n")
    commands = {}
    for package, cache in (("urlwatch", "urlwatch.db"), ("webchanges", "webchanges.db")):
        program = python_with(package, folder / package) / package
        settings = folder / f"{package}.yaml"
        flag = "--cache" if package == "urlwatch" else "--database"
        commands[package] = [str(program), "--urls", str(jobs), "--config", str(settings), flag, str(folder / cache)]
    return commands


def _serve() -> None:
    """Serve one list until stopped; print the address of the API and the size of the list in bytes."""
    from testkit.archive import one_body
    from watcher.simulator import Simulator, recorded_scenes

    moment = one_body()
    with Simulator(recorded_scenes([moment])) as simulator:
        print(simulator.url, len(moment[1]), flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    _serve()
