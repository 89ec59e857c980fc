"""`docs/api.md`: each line of its examples is run against a server."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from testkit.command import TOGETHER, Watcher, clean_environment
from tests.docs.documents import text
from tests.web.conftest import make_config
from watcher.simulator import built_in
from watcher.web.server import WebServer

PAGE = text("api.md")
ADDRESS = "127.0.0.1:8399"
BLOCKS = re.findall(r"^```(sh|python)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
PYTHON = [block for kind, block in BLOCKS if kind == "python"]
SHELL = [block for kind, block in BLOCKS if kind == "sh" and block != "watcher web\n"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Watcher, str]]:
    """A server over a database that has seen the built-in models, and its address."""
    folder = tmp_path_factory.mktemp("api")
    (folder / "archive").mkdir()
    (folder / "archive" / "2026-01-14T12-00-00Z.json").write_text(json.dumps({"data": built_in()}))
    watcher = Watcher(folder)
    watcher.configure('[store]\nurl = "sqlite:///w.db"\n')
    assert watcher.run_here("import", "archive").code == 0
    server = WebServer(make_config(f"sqlite:///{folder / 'w.db'}"), clock=lambda: datetime(2026, 2, 1, tzinfo=UTC))
    server.start()
    yield watcher, server.url.removeprefix("http://")
    server.stop()


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.split("\n")[0])
def test_python_runs_as_it_stands(served: tuple[Watcher, str], block: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("openrouter")
    names: dict[str, object] = {}
    exec(block.replace(ADDRESS, served[1]), names)
    for name, test in names.items():
        if name.startswith("test_"):
            assert callable(test)
            test()
    assert "print" not in block or capsys.readouterr().out.strip()


@pytest.mark.parametrize("block", SHELL, ids=lambda block: block.split("\n")[0])
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_each_line_of_shell_answers(served: tuple[Watcher, str], block: str) -> None:
    watcher, address = served
    lines = block.replace(ADDRESS, address).replace("curl -s", "curl -sf").splitlines()
    setting = [line for line in lines if line.startswith("export")]
    for line in lines:
        if line in setting:
            continue
        if line.startswith("watcher "):
            done = watcher.run_here(*[word.strip("'") for word in line.split()[1:]])
            assert (done.code, bool(done.out)) == (0, True), done.err
            continue
        program = ["sh", "-c", "\n".join([*setting, line])]
        ran = subprocess.run(
            [*TOGETHER, *program], capture_output=True, env={**clean_environment(), "no_proxy": "*"}, check=False
        )
        assert (ran.returncode, bool(ran.stdout)) == (0, True), line


def test_the_address_is_the_one_that_the_command_takes() -> None:
    from watcher.cli.web import DEFAULT

    assert DEFAULT == ADDRESS
    assert len(PYTHON) == 2 and len(SHELL) == 3


def test_every_call_has_its_row() -> None:
    from watcher.api.answer import Catalogue, Request, answer

    calls = re.findall(r"`(/[^`]+)`", "".join(row.split("|")[1] for row in PAGE.splitlines() if row.startswith("| `/")))
    catalogue = Catalogue(built_in(), datetime(2026, 2, 1, tzinfo=UTC))
    for call in calls:
        path = call.replace("{author}/{slug}", "openai/gpt-4o")
        found = answer(Request(f"/api/v1{path}", headers={"authorization": "Bearer x"}), catalogue)
        assert found.status == 200, call
    assert len(calls) == 9
