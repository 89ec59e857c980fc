"""What shells offer while a command is typed: asked of the shells themselves."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Command
from tests.store.samples import START, Polls, document
from watcher.store.store import Store

ASK = {
    "bash": """
        eval "$(watcher completion bash)"
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
        _watcher_completion watcher
        printf '%s\\n' "${COMPREPLY[@]}"
    """,
    "fish": """
        watcher completion fish | source
        complete --do-complete "$argv"
    """,
    "zsh": """
        autoload -U compinit && compinit -u -D
        eval "$(watcher completion zsh)"
        compadd() { print -l -- "${(@P)@[-1]}" }  # the last argument names a list
        _describe() { print -l -- "${(@P)3}" }
        words=("$@"); CURRENT=$#
        _watcher_completion
    """,
}


@pytest.fixture(params=sorted(ASK))
def offered(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., list[str]]:
    """What a shell offers for the last of some words."""
    shell = shutil.which(request.param)
    if shell is None:
        pytest.skip(f"{request.param} is not installed")
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "watcher"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m watcher "$@"\n')
    program.chmod(0o755)

    def ask(*words: str) -> list[str]:
        given = ["--", "watcher", *words] if request.param != "fish" else [" ".join(("watcher", *words))]
        options = {"bash": ["--norc", "-c"], "fish": ["--no-config", "-c"], "zsh": ["-f", "-c"]}[request.param]
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("WATCHER_", "XDG_"))}
        done = subprocess.run(
            [shell, *options, ASK[request.param], *given],
            cwd=tmp_path,
            env={**clean, "PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.stderr == ""
        return [line.partition("\t")[0].partition(":")[0] for line in done.stdout.splitlines() if line]

    return ask


ROOT = Path(__file__).parent.parent.parent


def test_commands_and_their_options(offered: Callable[..., list[str]]) -> None:
    assert offered("co") == ["completion", "config"]
    assert offered("deliveries", "re") == ["retry"]
    assert offered("run", "--l") == ["--log"]
    assert offered("run", "--log", "j") == ["journal", "json"]


def test_channels_and_models(offered: Callable[..., list[str]], command: Command) -> None:
    names = "".join(f'[[channels]]\nname = "{name}"\nurl = "json://x"\n' for name in ("team", "ten", "the mob", "me"))
    command.configure(f'[store]\nurl = "sqlite:///w.db"\n{names}')
    with Store.open(f"sqlite:///{command.folder}/w.db") as store:
        ids = ("a/model-1", "a/model-2", "a/$(touch here)", "a/;touch here", "a/*", "b/x")
        Polls(store).see(*(document(one) for one in ids), at=START)
    assert offered("channels", "test", "te") == ["team", "ten"]
    assert offered("show", "a/m") == ["a/model-1", "a/model-2"]
    assert offered("show", "a/") == ["a/model-1", "a/model-2"]
    assert offered("changes", "--model", "b") == ["b/x"]
    assert not (command.folder / "here").exists()


@pytest.mark.parametrize("broken", ["configuration", "database", "nothing"])
def test_where_anything_is_wrong_nothing_is_said(
    offered: Callable[..., list[str]], command: Command, broken: str
) -> None:
    if broken != "nothing":
        command.configure('[store]\nurl = "sqlite:///w.db"\n' if broken == "database" else "[[[")
        (command.folder / "w.db").write_text("no database " * 100)
    assert offered("show", "a") == []
    if broken != "database":
        assert offered("channels", "test", "t") == []
    assert not list(command.folder.glob("**/*watcher.db*"))


def test_another_shell_is_refused_by_name(command: Command) -> None:
    code, out, err = command.run("completion", "tcsh")
    assert (code, out) == (64, "")
    assert "bash" in err
