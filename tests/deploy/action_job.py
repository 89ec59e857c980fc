"""What the tests of the action run it with: a repository with a remote, a runner's environment, and the step."""

import importlib.util
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml

from testkit.command import ROOT, TOGETHER, CommandResult, clean_environment, run_here
from tests.deploy.pretend_github import PretendGitHub
from tests.store.samples import document
from watcher import redaction
from watcher.config import load_config
from watcher.cycle import check
from watcher.store.store import Store
from watcher.upstream.client import Client

ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
STEPS = {step["id"]: step for step in ACTION["runs"]["steps"]}
TOKEN = "ghs_9aQ2xW7vLk3mZ1pT8rYc4NdE6"
BRANCH = "openrouter-watcher-state"
KEPT, GONE, SIBLING = document("openai/kept"), document("openai/gone:free"), document("openai/gone")

spec = importlib.util.spec_from_file_location("action", ROOT / "deploy/github/action.py")
assert spec is not None and spec.loader is not None
action = importlib.util.module_from_spec(spec)
sys.modules["action"] = action
spec.loader.exec_module(action)


def in_process(words: Sequence[str], environ: Mapping[str, str]) -> "subprocess.CompletedProcess[bytes]":
    code, out, err = run_here(Path.cwd(), *words, env=environ)
    return subprocess.CompletedProcess(words, code, out.encode(), err.encode())


class Job:
    """A checked-out repository with a remote, and what a runner gives to the action."""

    def __init__(self, folder: Path, source: str, github: PretendGitHub) -> None:
        self.work, self.temp, self.remote = folder / "work", folder / "temp", folder / "server/owner/repo"
        for made in (self.work, self.temp, self.remote):
            made.mkdir(parents=True)
        subprocess.run(["git", "init", "--quiet", "--bare", str(self.remote)], check=True)
        (self.temp / "openrouter-watcher").symlink_to(sys.prefix)  # what the step `install` makes
        (self.work / "app.py").write_text('# OpenRouter\nA, B = "openai/kept", "openai/gone:free"\n')
        self.summary = folder / "summary.md"
        self.inputs = {name: given["default"] for name, given in ACTION["inputs"].items()}
        self.inputs |= {"source": source, "token": TOKEN}
        self.environ = clean_environment() | {
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_API_URL": github.url,
            "GITHUB_EVENT_NAME": "schedule",
            "GITHUB_REPOSITORY": "owner/repo",
            "GITHUB_SERVER_URL": f"file://{folder / 'server'}",
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "RUNNER_TEMP": str(self.temp),
        }

    def environment(self) -> dict[str, str]:
        """What the step `check` gets, its expressions filled in."""
        given = {
            name: re.fullmatch(r"\$\{\{ inputs\.(\S+) \}\}", value) for name, value in STEPS["check"]["env"].items()
        }
        assert all(given.values())
        return self.environ | {name: self.inputs[match[1]] for name, match in given.items() if match}

    def start(self) -> "subprocess.Popen[bytes]":
        """Start the step as GitHub does."""
        command = [*TOGETHER, "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", STEPS["check"]["run"]]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=self.work, env=self.environment(), stdout=pipe, stderr=subprocess.STDOUT)

    def run(self) -> CommandResult:
        """Run the step in this process."""
        out = StringIO()
        before = Path.cwd()
        os.chdir(self.work)
        try:
            with patch.object(action, "watcher", in_process), redirect_stdout(out):
                return CommandResult(action.main(self.environment()), out.getvalue(), "")
        finally:
            os.chdir(before)
            redaction.forget()

    def git(self, *words: str, stdin: bytes = b"") -> bytes:
        who = {f"GIT_{role}_{what}": "a@b" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        command = ["git", "-C", str(self.remote), *words]
        return subprocess.run(command, input=stdin, env=self.environ | who, check=True, capture_output=True).stdout

    def tip(self) -> bytes:
        return self.git("rev-parse", BRANCH)

    def commit(self, *entries: tuple[str, str, bytes]) -> None:
        """Make the state branch a commit with these modes, names and contents."""
        lines = b""
        for mode, name, data in entries:
            blob = self.git("hash-object", "-w", "--stdin", stdin=data).decode().strip()
            lines += f"{mode} blob {blob}\t{name}\n".encode()
        tree = self.git("mktree", stdin=lines).decode().strip()
        commit = self.git("commit-tree", tree, "-m", "by hand").decode().strip()
        self.git("update-ref", f"refs/heads/{BRANCH}", commit)

    def database(self) -> bytes:
        return self.git("cat-file", "blob", f"{BRANCH}:watcher.db")

    def rows(self, query: str) -> list[Any]:
        """What the database on the branch says."""
        copy = self.temp / "copy.db"
        copy.write_bytes(self.database())
        with sqlite3.connect(copy) as connection:
            return [row[0] for row in connection.execute(query)]


def idle(job: Job, days: int) -> None:
    """Give the branch a database whose last check, its first, was so many days ago."""
    database = job.temp / "old.db"
    settings = job.temp / "config.toml"
    settings.write_text(f'[source]\nurl = "{job.inputs["source"]}"\n')
    config = load_config(settings, {"STATE_DIRECTORY": str(job.temp)})
    source = Client(job.inputs["source"], config.source.query)
    with source, Store(f"sqlite:///{database}") as store, store.polling(wait=True):
        check(store, source, config, now=datetime.now(UTC) - timedelta(days=days))
    job.commit(("100644", "watcher.db", database.read_bytes()))


def annotations(out: str) -> list[str]:
    return [line for line in out.splitlines() if line.startswith("::")]
