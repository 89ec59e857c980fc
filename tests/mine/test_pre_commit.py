"""`.pre-commit-hooks.yaml`: what pre-commit would run."""

from pathlib import Path
from shutil import rmtree

import yaml

from testkit.command import ROOT, Watcher, run_here

(HOOK,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
PROGRAM, *WORDS = [*HOOK["entry"].split(), *HOOK["args"]]


def test_it_fails_on_a_model_that_is_gone(filled: Watcher) -> None:
    assert (PROGRAM, HOOK["language"], HOOK["pass_filenames"]) == ("watcher", "python", False)
    rmtree(filled.folder / "archive")
    code = filled.folder / "app.py"
    code.write_text('"openrouter/openai/kept"')
    assert filled.run_here(*WORDS).code == 0
    code.write_text('"openrouter/openai/gone:free"')
    done = filled.run_here(*WORDS)
    assert done.code == 1
    assert "gone since" in done.out


def test_without_a_database_all_is_not_well(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("")
    done = run_here(tmp_path, *WORDS, env={"STATE_DIRECTORY": str(tmp_path / "none")})
    assert done.code == 69
    assert "run `watcher --check` first" in done.err
