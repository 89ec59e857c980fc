"""`action.yml`: its steps against a local remote, a pretend GitHub and the simulator."""

import os
import re
import sqlite3
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import yaml

from testkit.command import ROOT
from testkit.receivers import Sink
from tests.deploy import action_job
from tests.deploy.action_job import (
    ACTION,
    BRANCH,
    GONE,
    KEPT,
    SIBLING,
    STEPS,
    TOKEN,
    Job,
    action,
    annotations,
    idle,
    in_process,
)
from tests.deploy.pretend_github import PretendGitHub
from watcher.simulator import Fault, Scene, Simulator


@pytest.fixture
def github() -> Iterator[PretendGitHub]:
    github = PretendGitHub()
    yield github
    github.close()


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    now = datetime.now(UTC)
    lists = ([KEPT, GONE, SIBLING], [KEPT, SIBLING], [KEPT, GONE, SIBLING])
    with Simulator(Scene(at, "", now, models) for at, models in enumerate(lists)) as simulator:
        yield simulator


@pytest.fixture
def job(tmp_path: Path, simulator: Simulator, github: PretendGitHub) -> Job:
    return Job(tmp_path, simulator.url, github)


def test_a_model_goes_and_is_replaced_and_one_issue_follows(
    job: Job, simulator: Simulator, github: PretendGitHub
) -> None:
    assert job.run()[:2] == (0, "")
    assert (github.issues, job.git("ls-tree", "--name-only", BRANCH)) == ([], b"watcher.db\n")
    assert "Nothing to tell.\n\n2 ids in 1 file looked at." in job.summary.read_text()

    simulator.advance()
    assert job.run().code == 0, "it may be back in the next poll"
    code, out, _ = job.run()
    assert code == 1
    (line,) = annotations(out)
    assert re.match(
        r"::error file=app\.py,line=2,title=openai/gone%3Afree::openai/gone:free: gone since .*openai/gone", line
    )
    (issue,) = github.opened
    assert issue["title"] == "OpenRouter: 1 model to look at"
    assert issue["body"].startswith(f"<!-- openrouter-watcher: {BRANCH} -->\n| where ")
    assert "/blob/HEAD/app.py#L2" in issue["body"]
    assert job.summary.read_text().endswith(issue["body"].partition("\n")[2])

    calls = len(github.calls)
    assert job.run().code == 1
    assert len(github.calls) == calls, "nothing is new, so nothing is written"

    (job.work / "b.py").write_text('"openrouter/openai/gone:free"')
    assert job.run().code == 1
    assert [verb for verb, _ in github.calls] == ["POST", "PATCH"]
    assert "b.py" in github.opened[0]["body"]

    for file in job.work.iterdir():
        file.write_text('"openrouter/openai/kept"')
    assert job.run().code == 0
    assert ([verb for verb, _ in github.calls], github.opened) == (["POST", "PATCH", "PATCH"], [])
    assert job.git("rev-list", "--count", BRANCH) == b"1\n", "the branch does not grow"
    assert github.tokens == {f"Bearer {TOKEN}"}


def test_the_step_runs_as_github_runs_it_and_inputs_are_no_code(job: Job, github: PretendGitHub) -> None:
    job.inputs |= {
        "paths": '.\n$(touch "$HOME/bad")\n',
        "exclude": "`touch bad`\n--format=json\n; touch bad",
        "issue": "false",
    }
    (job.work / '$(touch "$HOME').mkdir()
    (job.work / '$(touch "$HOME/bad")').write_text("")
    (job.work / "watcher.py").write_text("raise SystemExit('the repository was imported')")
    job.environ["HOME"] = str(job.work)
    started = job.start()
    out = started.communicate(timeout=150)[0].decode()
    assert (started.returncode, out) == (0, "")
    assert not list(job.work.rglob("bad"))
    assert job.rows("SELECT count(*) FROM polls") == [1]
    assert TOKEN.encode() not in job.database()
    assert "INPUT_TOKEN" not in action.Job.read(job.environment(), job.temp).environ
    assert not any("${{" in step.get("run", "") for step in STEPS.values())


def test_another_run_was_faster_so_it_starts_again_from_theirs(
    job: Job, simulator: Simulator, github: PretendGitHub
) -> None:
    idle(job, 1)
    (polls,) = job.rows("SELECT count(*) FROM polls")
    simulator.advance()
    others: list[Any] = []

    def slow(words: Sequence[str], environ: Mapping[str, str]) -> "subprocess.CompletedProcess[bytes]":
        done = in_process(words, environ)
        if words[0] == "--check" and not others:
            others.append(done)  # the other run is not overtaken itself
            others[0] = job.run()
        return done

    with patch.object(action_job, "in_process", slow):
        code, out, _ = job.run()
    assert (code, others[0].code) == (1, 1)
    assert annotations(out) == annotations(others[0].out)
    assert job.rows("SELECT count(*) FROM polls") == [polls + 2]
    assert job.rows("SELECT count(*) FROM events WHERE kind = 'expired'") == [1]
    assert [verb for verb, _ in github.calls] == ["POST"]


def test_of_two_issues_opened_at_once_the_first_stays(job: Job, simulator: Simulator, github: PretendGitHub) -> None:
    idle(job, 1)
    simulator.advance()
    text = f"<!-- openrouter-watcher: {BRANCH} -->\nby the other run"
    github.before_opening = lambda: github.open("OpenRouter: 1 model to look at", text)
    assert job.run().code == 1
    assert [issue["number"] for issue in github.opened] == [1]
    assert job.run().code == 1
    assert "openai/gone" in github.opened[0]["body"]


def test_only_an_issue_of_ours_is_taken_for_ours(job: Job, simulator: Simulator, github: PretendGitHub) -> None:
    idle(job, 1)
    simulator.advance()
    mark = f"<!-- openrouter-watcher: {BRANCH} -->\n"
    github.open("by a stranger", mark, user={"type": "User"}, author_association="CONTRIBUTOR")
    github.open("a quotation", f"> {mark}")
    github.open("a pull request", mark, pull_request={"url": "https://api.github.com/x"})
    github.open("empty", None, user=None)
    github.open("of another check", mark.replace(BRANCH, "other"))
    ours = github.open("by a member", mark.replace("\n", "\r\n"), author_association="MEMBER")
    for number in range(120):
        github.open(f"issue {number}", "")
    before = [dict(issue) for issue in github.issues]
    assert job.run().code == 1
    changed = [issue["number"] for issue, old in zip(github.issues, before, strict=True) if issue != old]
    assert changed == [ours["number"]]


def test_after_60_idle_days_nothing_is_lost_or_told_twice(
    job: Job, simulator: Simulator, github: PretendGitHub
) -> None:
    idle(job, 60)
    simulator.advance()
    code, out, _ = job.run()
    seen = datetime.now(UTC) - timedelta(days=60)
    assert code == 1
    assert f"gone since {seen.day} {seen:%B %Y}" in annotations(out)[0]
    assert job.run().code == 1
    assert [verb for verb, _ in github.calls] == ["POST"]
    assert job.rows("SELECT count(*) FROM events WHERE kind = 'expired'") == [1]


def broken(data: bytes) -> bytes:
    return data[:4096] + b"\xff" * 8192 + data[12288:]


def newer(data: bytes) -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.deserialize(data[:18] + b"\x01\x01" + data[20:])  # no WAL in memory
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    return connection.serialize()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda data: [("100644", "watcher.db", broken(data))], "the check ended with 7"),
        (lambda data: [("100644", "watcher.db", newer(data))], "newer"),
        (lambda data: [("100644", "watcher.db", b"")], "delete it to begin anew"),
        (lambda data: [("120000", "watcher.db", b"/etc/passwd")], "delete it to begin anew"),
        (lambda data: [("100644", "watcher.db", data), ("100644", "x.py", b"")], "name another as state-branch"),
        (lambda data: [("100644", "main.py", b"print()")], "name another as state-branch"),
    ],
    ids=["damaged", "newer", "empty", "link", "more", "other"],
)
def test_a_branch_that_cannot_be_used_is_left_as_it_is(
    job: Job, github: PretendGitHub, spoil: Callable[[bytes], list[tuple[str, str, bytes]]], says: str
) -> None:
    idle(job, 1)
    job.commit(*spoil(job.database()))
    tip = job.tip()
    code, out, _ = job.run()
    (error,) = annotations(out)
    assert code == 1
    assert error.startswith("::error::") and says in error and "Traceback" not in out
    assert (job.tip(), github.calls) == (tip, [])


@pytest.mark.parametrize(
    ("status", "says"), [(403, "issues: write"), (404, "issues: write"), (500, "answered 500"), (302, "answered 302")]
)
def test_an_issue_that_cannot_be_kept_fails_the_job_and_loses_nothing(
    job: Job, simulator: Simulator, github: PretendGitHub, status: int, says: str
) -> None:
    idle(job, 1)
    simulator.advance()
    github.status = status
    job.inputs["fail-on"] = ""
    code, out, _ = job.run()
    warning, error = annotations(out)
    assert code == 1
    assert warning.startswith("::warning file=app.py") and error.startswith("::error::") and says in error
    assert "gone since" in job.summary.read_text()
    github.status = 200
    assert job.run().code == 0, "without fail-on, what is gone is a warning"
    assert len(github.opened) == 1


def test_what_cannot_be_pushed_is_said_and_the_models_are_told_all_the_same(
    job: Job, simulator: Simulator, github: PretendGitHub
) -> None:
    idle(job, 1)
    simulator.advance()
    hook = job.remote / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\necho '{TOKEN} ##[error]' >&2\necho '::error::no' >&2\nexit 1\n")
    hook.chmod(0o755)
    tip = job.tip()
    code, out, _ = job.run()
    assert (code, job.tip(), len(github.opened)) == (1, tip, 1)
    error, gone = annotations(out)
    assert "`permissions: contents: write`" in error and "gone since" in gone
    assert "remote: *** ##[error]" in error, "a secret that the server repeats is hidden"


def test_a_pull_request_writes_nothing(job: Job, simulator: Simulator, github: PretendGitHub) -> None:
    idle(job, 1)
    simulator.advance()
    job.environ["GITHUB_EVENT_NAME"] = "pull_request"
    tip = job.tip()
    assert job.run().code == 1
    assert (job.tip(), github.calls) == (tip, [])


def test_the_token_goes_to_git_and_nowhere_else(job: Job) -> None:
    sink = Sink()
    try:
        sink.status = 403
        sink.answer = f"no {TOKEN}".encode()
        job.environ["GITHUB_SERVER_URL"] = f"http://{sink.address}"
        code, out, _ = job.run()
    finally:
        sink.close()
    sent = b64encode(f"x-access-token:{TOKEN}".encode()).decode()
    assert sink.requests[0].headers["Authorization"] == f"basic {sent}"
    assert code == 1
    assert "git ls-remote failed" in out
    assert TOKEN not in out and sent not in out


def test_a_source_that_fails_is_a_warning_while_the_state_is_fresh(job: Job, simulator: Simulator) -> None:
    idle(job, 1)
    simulator.set_fault(Fault(status=404))
    code, out, _ = job.run()
    assert code == 0
    assert [line[:11] for line in annotations(out)] == ["::warning::"]
    assert job.rows("SELECT count(*) FROM polls") == [2], "the branch has the failed check, too"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("issue", "yes", "write true or false"),
        ("token", "", "token is empty"),
        ("state-branch", "a..b", "no name of a branch"),
        ("fail-on", "goner", "expected gone"),
        ("paths", "missing", "missing"),
    ],
)
def test_a_wrong_input_is_named(job: Job, name: str, value: str, says: str) -> None:
    job.inputs[name] = value
    code, out, _ = job.run()
    assert code == 1
    assert annotations(out)[-1].startswith("::error::") and says in annotations(out)[-1]


def test_text_from_outside_does_nothing(job: Job, simulator: Simulator, github: PretendGitHub) -> None:
    idle(job, 1)
    simulator.advance()
    bad = "@team #1 <b>|`a`\n::error::x ##[error]y %0A.py"
    (job.work / bad).write_text('"openrouter/openai/gone:free"')
    code, out, _ = job.run()
    assert code == 1
    assert all(line.startswith("::error file=") for line in out.splitlines()), "one line, one command"
    texts = (github.opened[0]["body"].partition("\n")[2], job.summary.read_text())
    for text in texts:
        shown = re.sub(r'</?code>|<a href="[^"]*">|</a>|&#\d+;', "", text)
        assert not re.search(r"[@<>`#]", shown.removeprefix("### Models"))
        assert len({line.count("|") for line in shown.splitlines() if line.startswith("|")}) == 1
    assert "&#64;team" in texts[0]


def test_what_the_source_says_is_no_command(job: Job, github: PretendGitHub) -> None:
    sink = Sink()
    try:
        sink.status = 400
        sink.answer = b'{"error": {"message": "::error::bad ##[error]bad"}}\n::error::bad'
        job.inputs["source"] = f"http://{sink.address}/api/v1"
        out = job.run().out
    finally:
        sink.close()
    assert "::error::the scan ended with 69" in out, "a first run without models is no success"
    assert all(line.startswith(("· ", "::warning::the models API", "::error::the scan")) for line in out.splitlines())
    assert "##[" not in "".join(line for line in out.splitlines() if line.startswith("·"))


def test_an_issue_has_room_for_what_github_takes(job: Job, simulator: Simulator, github: PretendGitHub) -> None:
    idle(job, 1)
    simulator.advance()
    (job.work / "many.py").write_text('"openrouter/openai/gone:free"\n' * 1000)
    assert job.run().code == 1
    text = github.opened[0]["body"]
    assert 50_000 < len(text) < 65_536
    assert re.search(r"And \d+ more", text)


def test_what_could_not_be_looked_at_closes_no_issue(job: Job, simulator: Simulator, github: PretendGitHub) -> None:
    idle(job, 1)
    simulator.advance()
    assert job.run().code == 1
    (job.work / "app.py").write_text("")
    (job.work / "empty").mkdir()
    job.inputs["paths"] = "app.py\nempty"
    code, out, _ = job.run()
    assert (code, len(github.opened)) == (66, 1)
    assert "could be read in empty" in annotations(out)[0]


def test_the_install_step_uses_the_checkout_of_the_action_alone(tmp_path: Path) -> None:
    log, program = tmp_path / "log", tmp_path / "openrouter-watcher/bin/python"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$*" >> "$LOG"\n')
    program.chmod(0o755)
    environ = {"PATH": os.environ["PATH"], "LOG": str(log), "PYTHON": str(program), "RUNNER_TEMP": str(tmp_path)}
    environ["GITHUB_ACTION_PATH"] = str(ROOT)
    subprocess.run(["bash", "-eo", "pipefail", "-c", STEPS["install"]["run"]], env=environ, check=True)
    venv, pip = log.read_text().splitlines()
    assert venv == f"-I -m venv {tmp_path}/openrouter-watcher"
    assert pip.startswith("-I -m pip install ") and pip.endswith(f"-c {ROOT}/constraints.txt {ROOT}")
    assert STEPS["python"]["with"]["update-environment"] is False, "the job keeps its own Python"


@pytest.mark.slow
def test_three_runs_at_once(job: Job, simulator: Simulator, github: PretendGitHub) -> None:
    idle(job, 1)
    polls = job.rows("SELECT count(*) FROM polls")[0]
    simulator.advance()
    started = [job.start() for _ in range(3)]
    outs = [one.communicate(timeout=150)[0].decode() for one in started]
    assert [one.returncode for one in started] == [1, 1, 1], outs
    assert len({tuple(annotations(out)) for out in outs}) == 1
    assert job.rows("SELECT count(*) FROM polls") == [polls + 3]
    assert job.rows("SELECT count(*) FROM events WHERE kind = 'expired'") == [1]
    assert job.git("rev-list", "--count", BRANCH) == b"1\n"
    assert len(github.opened) == 1


def test_the_page_has_every_input_and_a_workflow_that_may_do_what_it_needs() -> None:
    page = (ROOT / "docs/mine.md").read_text()
    rows = re.findall(r"^\| `([\w-]+)` \| (.*?) \|", page.partition("## Each day on GitHub")[2], re.MULTILINE)
    defaults = {name: default.strip("`").replace("none", "") for name, default in rows if name in ACTION["inputs"]}
    assert defaults == {name: given["default"] for name, given in ACTION["inputs"].items()} | {"token": "the job's"}
    block, hook = (yaml.safe_load(text) for text in re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    assert block["permissions"] == {"contents": "write", "issues": "write"}
    assert block["concurrency"], "two runs at once are the exception"
    assert block["jobs"]["models"]["steps"][-1]["with"].keys() <= ACTION["inputs"].keys()
    assert hook["repos"][0]["hooks"] == [{"id": "openrouter-models"}]
