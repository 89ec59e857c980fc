"""What `action.yml` does: check, with a database that a branch keeps, and tell what became of the models in use.

branch → database → check → branch → scan → annotations, summary, issue
"""

import html
import os
import re
import subprocess
import sys
import tempfile
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
import httpx
import msgspec

from watcher.cli.output import format_count
from watcher.errors import WatcherError
from watcher.messages.text import ZERO_WIDTH_SPACE, clean, visible
from watcher.network import client
from watcher.redaction import redact, remember

_DATABASE = "watcher.db"
_TREE = re.compile(rb"100644 blob ([0-9a-f]{40,64})\t" + _DATABASE.encode() + rb"\0")
_ROUNDS = 10  # how often to start again because another run was faster
_SECONDS = 600  # for one command, at most
_LONGEST = 60_000  # characters of an issue; GitHub takes 65,536
_ROLES = ("AUTHOR", "COMMITTER")
_MEMBERS = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})


Done = subprocess.CompletedProcess[bytes]


class ActionError(WatcherError):
    """The action cannot do its work; the message says why, and what to do."""


class UnsavedError(ActionError):
    """The branch could not take the new state; what became of the models is known all the same."""


@dataclass(frozen=True)
class Job:
    """The inputs of the action, and what the runner says of itself."""

    environ: Mapping[str, str]
    """What programs get: without the token."""
    token: str
    scan: Sequence[str]
    """The arguments of `watcher scan`."""
    branch: str
    writes: bool
    """Whether to keep state and issue. A pull request only reads: it may be a stranger's, and is not merged yet."""
    issue: bool
    repository: str
    """Its address, for people and for git."""
    issues: str
    """The address of its issues in GitHub's API."""

    @classmethod
    def read(cls, environ: Mapping[str, str], folder: Path) -> "Job":
        """Return the job of an environment; `folder` is for its database and configuration. Raises ActionError."""
        given = {name[6:]: value.strip() for name, value in environ.items() if name.startswith("INPUT_")}
        if given["ISSUE"] not in ("true", "false"):
            raise ActionError(f"issue is {given['ISSUE']!r}; write true or false")
        if not given["TOKEN"]:
            raise ActionError("token is empty; leave it out, or name a secret that there is")
        remember(given["TOKEN"], _basic(given["TOKEN"]))
        config = folder / "config.toml"
        config.write_bytes(b"[source]\nurl = " + msgspec.json.encode(given["SOURCE"]))
        exclude = [f"--exclude={pattern}" for pattern in _lines(given["EXCLUDE"])]
        fail_on = [f"--fail-on={given['FAIL_ON']}"] if given["FAIL_ON"] else []
        kept = {name: value for name, value in environ.items() if not name.startswith(("INPUT_", "WATCHER_"))}
        return cls(
            environ={**kept, "STATE_DIRECTORY": str(folder), "WATCHER_CONFIG": str(config)},
            token=given["TOKEN"],
            scan=[*exclude, *fail_on, "--", *_lines(given["PATHS"])],
            branch=given["STATE_BRANCH"],
            writes=not environ["GITHUB_EVENT_NAME"].startswith("pull_request"),
            issue=given["ISSUE"] == "true",
            repository=f"{environ['GITHUB_SERVER_URL']}/{environ['GITHUB_REPOSITORY']}",
            issues=f"{environ['GITHUB_API_URL']}/repos/{environ['GITHUB_REPOSITORY']}/issues",
        )


class Branch:
    """A branch with one commit, which has one file: the database."""

    def __init__(self, job: Job, folder: Path) -> None:
        """`folder` is a new one, for a repository of its own: nothing of the checkout is used or changed."""
        self._name = job.branch
        self._ref = f"refs/heads/{job.branch}"
        self._url = job.repository
        self._tip = ""
        self._environ = {
            **job.environ,
            "GIT_DIR": str(folder),
            "GIT_TERMINAL_PROMPT": "0",
            # Only the environment: others can read a command line, and later steps a file.
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{job.repository}.extraheader",
            "GIT_CONFIG_VALUE_0": f"Authorization: basic {_basic(job.token)}",
            **{f"GIT_{who}_NAME": "openrouter-watcher" for who in _ROLES},
            **{f"GIT_{who}_EMAIL": "41898282+github-actions[bot]@users.noreply.github.com" for who in _ROLES},
        }
        self._git("init", "--quiet", "--bare", str(folder))
        if _run(["git", "check-ref-format", self._ref], self._environ).returncode:
            raise ActionError(f"state-branch is {visible(self._name)!r}, which git takes for no name of a branch")

    def restore(self, database: Path) -> None:
        """Write the branch's database to a path, unless there is no branch. Raises ActionError."""
        self._tip = self._remote_tip()
        if not self._tip:
            return
        self._git("fetch", "--quiet", "--no-tags", "--depth=1", self._url, f"+{self._ref}:refs/heads/state")
        self._tip = self._git("rev-parse", "refs/heads/state").decode().strip()
        found = _TREE.fullmatch(self._git("ls-tree", "-z", self._tip))
        data = self._git("cat-file", "blob", found[1].decode()) if found else b""
        if not data.startswith(b"SQLite format 3\0"):
            raise ActionError(
                f"the branch {self._name} is not one with the database alone, so it is left as it is; name another as "
                "state-branch, or delete it to begin anew"
            )
        database.write_bytes(data)

    def save(self, database: Path) -> bool:
        """Replace the branch's commit by one with this database; False: another run did. Raises ActionError."""
        blob = self._git("hash-object", "-w", "--no-filters", str(database)).decode().strip()
        tree = self._git("mktree", stdin=f"100644 blob {blob}\t{_DATABASE}\n".encode()).decode().strip()
        commit = self._git("commit-tree", tree, "-m", "State of openrouter-watcher [skip ci]").decode().strip()
        lease = f"--force-with-lease={self._ref}:{self._tip}"
        pushed = _run(["git", "push", "--quiet", lease, self._url, f"{commit}:{self._ref}"], self._environ)
        if pushed.returncode == 0 or (tip := self._remote_tip()) == commit:
            return True
        if tip != self._tip:
            return False
        raise UnsavedError(
            f"the state could not be pushed to the branch {self._name}; the job needs `permissions: contents: write`, "
            f"and no rule may protect the branch: {_last_words(pushed)}"
        )

    def _remote_tip(self) -> str:
        listed = (line.split("\t") for line in self._git("ls-remote", self._url, self._ref).decode().splitlines())
        return next((commit for commit, ref in listed if ref == self._ref), "")

    def _git(self, *arguments: str, stdin: bytes = b"") -> bytes:
        done = _run(["git", *arguments], self._environ, stdin)
        if done.returncode:
            raise ActionError(f"git {arguments[0]} failed, the branch {self._name} is as it was: {_last_words(done)}")
        return done.stdout


def check(job: Job, branch: Branch, database: Path) -> None:
    """Bring the database up to date, and the branch with it. Raises ActionError."""
    for _ in range(_ROUNDS):
        for old in database.parent.glob(f"{_DATABASE}*"):
            old.unlink()
        branch.restore(database)
        done = watcher(["--check", "--json"], job.environ)
        _print(done.stderr)
        if done.returncode not in (0, 69, 75):
            raise ActionError(f"the check ended with {done.returncode}, the branch is as it was: {_last_words(done)}")
        if done.returncode == 69:  # the database counts such checks, and believes a strange list in the end
            _command("warning", "the models API could not be read or not be believed; this is about the state before")
        if not job.writes or not database.exists() or branch.save(database):
            return
    raise UnsavedError(f"another run was faster {_ROUNDS} times; add `concurrency` to the job")


def scan(job: Job) -> tuple[int, Mapping[str, Any]]:
    """Print annotations; return the exit code of `watcher scan` and its document. Raises ActionError."""
    for form in ("github", "json"):
        done = watcher(["scan", "--format", form, *job.scan], job.environ)
        if done.returncode not in (0, 1, 66):
            raise ActionError(f"the scan ended with {done.returncode}: {_last_words(done)}")
        if form == "github":
            click.echo(done.stdout.decode(), nl=False)
            _print(done.stderr)
    document: Mapping[str, Any] = msgspec.json.decode(done.stdout)
    return done.returncode, document


def page(job: Job, document: Mapping[str, Any], hits: Sequence[Mapping[str, Any]]) -> str:
    """Return a table of hits, and what was looked at, in GitHub's Markdown; text from outside does nothing there."""
    looked = f"{format_count(len(document['hits']), 'id')} in {format_count(document['files'], 'file')}"
    end = "".join(f"\n- Not looked at: {_code(problem)}" for problem in document["problems"][:20])
    lines = ["| where | model | state |\n|---|---|---|"] if hits else ["Nothing to tell."]
    room = _LONGEST - len(end)
    for number, hit in enumerate(hits):
        place = _code(f"{hit['path']}:{hit['line']}")
        if not hit["path"].startswith(("/", "../")):
            url = f"{job.repository}/blob/HEAD/{quote(hit['path'])}#L{hit['line']}"
            place = f'<a href="{html.escape(url)}">{place}</a>'
        line = (
            f"| {place} | {_code(hit['id'])} | {_inert(clean(hit['text'], 500).replace('#', f'#{ZERO_WIDTH_SPACE}'))} |"
        )
        room -= len(line) + 1
        if room < 0:
            lines.append(f"\nAnd {len(hits) - number} more: run `watcher scan` to see all.")
            break
        lines.append(line)
    return "\n".join((*lines, f"\n{looked} looked at.{end}\n"))


class _Issue(msgspec.Struct):
    number: int
    title: str = ""
    body: str | None = None
    author_association: str = ""
    user: Mapping[str, Any] | None = None
    pull_request: Any = None


class Issues:
    """The issue of this action: one that is open, begins with our mark, and was written by nobody from outside."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._mark = f"<!-- openrouter-watcher: {quote(job.branch)} -->\n"

    def keep(self, models: int, text: str) -> None:
        """Open an issue about so many models, edit it, or close it if there are none. Raises ActionError."""
        title = f"OpenRouter: {format_count(models, 'model')} to look at"
        new = {"title": title, "body": self._mark + text}
        ours = self._ours()
        if models and not ours:
            self._call("POST", json=new)
            ours = self._ours()  # two runs at once may both have opened one
        elif models and (ours[0].title != title or (ours[0].body or "").split() != new["body"].split()):
            self._call("PATCH", f"/{ours[0].number}", json=new)
        for issue in ours[bool(models) :]:
            self._call("PATCH", f"/{issue.number}", json={"state": "closed", "state_reason": "completed"})

    def _ours(self) -> list[_Issue]:
        """Return our open issues, the oldest first."""
        found: list[_Issue] = []
        for number in range(1, 101):  # no more than 10,000 issues
            listed = self._call("GET", f"?state=open&per_page=100&page={number}")
            try:
                issues = msgspec.json.decode(listed, type=list[_Issue])
            except msgspec.DecodeError as error:
                raise ActionError(f"GitHub's list of issues cannot be read: {error}") from None
            found += filter(self._is_ours, issues)
            if len(issues) < 100:
                break
        return sorted(found, key=lambda issue: issue.number)

    def _is_ours(self, issue: _Issue) -> bool:
        by_us = issue.author_association in _MEMBERS or (issue.user or {}).get("type") == "Bot"
        return by_us and (issue.body or "").replace("\r", "").startswith(self._mark) and not issue.pull_request

    def _call(self, verb: str, path: str = "", json: Mapping[str, str] | None = None) -> bytes:
        url = self._job.issues + path
        headers = {"Authorization": f"Bearer {self._job.token}", "Accept": "application/vnd.github+json"}
        try:
            with client(url, self._job.environ, headers=headers, timeout=30) as http:
                answer = http.request(verb, url, json=json)
        except httpx.HTTPError as error:
            raise ActionError(f"GitHub cannot be reached to keep the issue: {type(error).__name__}") from None
        if answer.status_code in (401, 403, 404, 410):
            raise ActionError(
                f"GitHub refuses to keep the issue ({answer.status_code}); the job needs `permissions: issues: write` "
                "and the repository issues, or set `issue: false`"
            )
        if not answer.is_success:
            raise ActionError(f"GitHub answered {answer.status_code}: the issue may be out of date until the next run")
        return answer.content


def main(environ: Mapping[str, str]) -> int:
    """Do the work of the action and return its exit code."""
    try:
        with tempfile.TemporaryDirectory(dir=environ["RUNNER_TEMP"]) as folder:
            return _work(Job.read(environ, Path(folder)), Path(folder))
    except (WatcherError, OSError) as error:
        _command("error", str(error))
        return 1


def _work(job: Job, folder: Path) -> int:
    saved = True
    try:
        check(job, Branch(job, folder / "git"), folder / _DATABASE)
    except UnsavedError as error:
        _command("error", str(error))
        saved = False
    code, document = scan(job)
    hits = [hit for hit in document["hits"] if hit["state"] != "there"]
    with Path(job.environ["GITHUB_STEP_SUMMARY"]).open("a", encoding="utf-8") as summary:
        summary.write(f"### Models of OpenRouter\n\n{page(job, document, hits)}")
    troubles = [hit for hit in hits if hit["fails"] or hit["state"] in ("gone", "expiring")]
    if job.writes and job.issue and (troubles or document["complete"]):
        Issues(job).keep(len({hit["id"] for hit in troubles}), page(job, document, troubles))
    return code or (0 if saved else 1)


def watcher(words: Sequence[str], environ: Mapping[str, str]) -> Done:
    """Run the watcher. `-I`: no module of the checked-out repository is imported."""
    return _run([sys.executable, "-I", "-m", "watcher", *words], environ)


def _run(command: Sequence[str], environ: Mapping[str, str], stdin: bytes = b"") -> Done:
    try:
        return subprocess.run(command, env=environ, input=stdin, capture_output=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise ActionError(f"{Path(command[0]).name} was not done after {_SECONDS // 60} minutes") from None


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _basic(token: str) -> str:
    return b64encode(f"x-access-token:{token}".encode()).decode()


def _last_words(done: Done) -> str:
    return " ".join(visible(redact(done.stderr.decode(errors="replace")), 1000).split()) or "it did not say why"


def _print(lines: bytes) -> None:
    """Print lines of a program for people to read: the runner obeys none."""
    for line in redact(lines.decode(errors="replace")).splitlines():
        click.echo(f"· {visible(line, 2000)}".replace("##[", f"##{ZERO_WIDTH_SPACE}["))


def _command(name: str, message: str) -> None:
    """Print a workflow command."""
    click.echo(f"::{name}::{visible(redact(message), 2000).replace('%', '%25')}")


def _inert(text: str) -> str:
    """Return text as HTML that is no Markdown, either."""
    return "".join(char if char.isalnum() or char in " ,/-" else f"&#{ord(char)};" for char in text)


def _code(text: str) -> str:
    """Return text as code, where GitHub makes no mention, no link and no emoji."""
    return f"<code>{_inert(visible(text, 500))}</code>"


if __name__ == "__main__":
    sys.exit(main(os.environ))
