"""Measure a check of an unchanged catalogue against two minimal scripts and two other watchers.

Both scripts fetch the list with httpx, hash it and compare the hash with a row in SQLite. One reads the row with
sqlite3, the other with SQLAlchemy Core. urlwatch and webchanges watch the same address, each in its own environment.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.measure import in_turn, python_with, report
from testkit.archive import one_body
from watcher.simulator import ArchiveSource, Simulator

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
    moment = one_body()
    with TemporaryDirectory() as name, Simulator(ArchiveSource([moment])) as simulator:
        folder = Path(name)
        url = f"{simulator.url}/models"
        commands = {}
        for label, script in (("sqlite3 script", SQLITE3_SCRIPT), ("SQLAlchemy script", SQLALCHEMY_SCRIPT)):
            file = folder / f"{label.replace(' ', '-')}.py"
            file.write_text(script)
            commands[label] = [sys.executable, str(file), url]
        for label, rss in (("watcher", "true"), ("without RSS", "false")):
            config = folder / f"{label.replace(' ', '-')}.toml"
            config.write_text(CONFIG.format(url=simulator.url, rss=rss, name=config.stem))
            commands[label] = [sys.executable, "-m", "watcher", "--config", str(config), "--check"]
        if peers:
            commands |= _peers(folder, url)
        print(f"An unchanged check of {len(moment[1]):,} bytes on loopback, median of {rounds} runs each, in turn")
        results = in_turn(commands, folder, rounds)
        for base in ("sqlite3 script", "SQLAlchemy script"):
            print(f"ratios (×) to the {base}:")
            report(results, base)


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
