"""`docs/mine.md`: from nothing to a build that fails, as it stands there, and then a model goes."""

import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from testkit.command import CommandResult, run_here
from tests.docs.documents import text
from watcher.mine.report import Finding, as_json
from watcher.mine.scan import Hit, Scan
from watcher.mine.status import Instead, Status
from watcher.simulator import Scene, Simulator, built_in

PAGE = text("mine.md")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def block(kind: str) -> str:
    """The first block of a kind."""
    return str(next(block for one, block in BLOCKS if one == kind))


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    def scenes() -> Iterator[Scene]:
        models = built_in()
        yield Scene(0, "as it is", datetime(2026, 1, 1, tzinfo=UTC), models)
        gone = [model for model in models if model["id"] != "google/gemini-2.5-flash"]
        yield Scene(1, "one is gone", datetime(2026, 1, 2, tzinfo=UTC), gone)

    with Simulator(scenes()) as simulator:
        yield simulator


def test_from_nothing_to_a_failing_build(simulator: Simulator, tmp_path: Path) -> None:
    app = tmp_path / "app"
    app.mkdir()
    (app / "app.py").write_text(block("python"))
    config = tmp_path / "config.toml"
    config.write_text(f'[source]\nurl = "{simulator.url}"\nrss = false\n')
    environ = {"WATCHER_CONFIG": str(config), "HOME": str(tmp_path)}

    def type_in(line: str) -> CommandResult:
        program, *words = shlex.split(line)
        assert program == "watcher"
        return run_here(app, *words, env=environ)

    check, scan = block("sh").splitlines()
    assert type_in(check)[::2] == (0, "")
    done = type_in(scan)
    shown = re.sub(r" +", " ", block(""))
    assert (done.code, re.sub(r" +", " ", done.out)) == (1, shown)

    simulator.advance()
    for _ in range(2):
        assert type_in(check)[::2] == (0, "")
    assert re.search(r"^app.py:2 +google/gemini-2.5-flash +gone since ", type_in(scan).out, re.MULTILINE)


def test_every_field_of_the_json_is_shown() -> None:
    status = Status("a/b", "gone", instead=(Instead("a/c", "C", "variant", {}, {}),))
    now = datetime(2026, 1, 1, tzinfo=UTC)
    document = as_json(Scan((), 1, (), ()), [Finding(Hit("a.py", 1, "a/b"), status, True)], now)
    (hit,) = document["hits"]
    shown = set(re.findall(r'"(\w+)":', block("json")))
    assert shown == {*document, *hit, *hit["instead"][0], "prompt", "completion"}
