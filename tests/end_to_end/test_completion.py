"""What shells offer while a command is typed: asked of the shells themselves."""

import os
import pty
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from testkit.command import Command, clean_environment
from tests.store.samples import START, Polls, document
from watcher.store.store import Store

pytestmark = pytest.mark.slow

ASK = {
    "bash": """
        eval "$(watcher completion bash)"
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
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


SETUP = {
    "bash": """PS1="> "; eval "$(watcher completion bash)"\n""",
    "fish": """function fish_prompt; echo "> "; end; watcher completion fish | source\n""",
    "zsh": """PS1="> "; autoload -U compinit && compinit -u -D; eval "$(watcher completion zsh)"\n""",
}
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(params=["bash", *(pytest.param(shell, marks=pytest.mark.slow) for shell in ("fish", "zsh"))])
def shell(request: pytest.FixtureRequest) -> str:
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    return str(request.param)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """What a shell finds: the command on its path, and a home of its own."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "watcher"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m watcher "$@"\n')
    program.chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"
    return {**clean_environment(), "PATH": path, "HOME": str(tmp_path), "TERM": "xterm", "LC_ALL": "C.UTF-8"}


@pytest.fixture
def offered(shell: str, environ: dict[str, str], tmp_path: Path) -> Callable[..., list[str]]:
    """What a shell offers for the last of some words."""

    def ask(*words: str) -> list[str]:
        given = ["--", "watcher", *words] if shell != "fish" else [" ".join(("watcher", *words))]
        options = {"bash": ["--norc", "-c"], "fish": ["--no-config", "-c"], "zsh": ["-f", "-c"]}[shell]
        done = subprocess.run(
            [shell, *options, ASK[shell], *given],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.stderr == ""
        lines = [line.partition("\t")[0].replace("\\:", "\0") for line in done.stdout.splitlines() if line]
        return [line.partition(":")[0].replace("\0", ":") for line in lines]

    return ask


@pytest.fixture
def typed(shell: str, environ: dict[str, str], tmp_path: Path) -> Iterator[Callable[[str], list[str]]]:
    """The words that stand on the line of a shell in a terminal when some keys were pressed."""
    options = {"bash": ["--norc", "-i"], "fish": ["--no-config", "-i"], "zsh": ["-f", "-i"]}[shell]
    child, terminal = pty.fork()
    if child == 0:  # pragma: no cover - another process
        os.chdir(tmp_path)
        os.execvpe(shell, [shell, *options], environ)

    def until(mark: str) -> str:
        """All that the terminal shows up to a mark."""
        shown, patience = b"", time.monotonic() + 60
        while mark.encode() not in shown:
            assert select.select([terminal], [], [], max(0.0, patience - time.monotonic()))[0], shown
            shown += os.read(terminal, 65536)
        return shown.decode("utf-8", "replace")

    def press(keys: str) -> list[str]:
        # Then to the beginning of the line, to have its words printed by the shell itself.
        printing = "printf '[%s]' " if shell != "zsh" else "noglob printf '[%s]' "
        os.write(terminal, f"{keys}\x01{printing}'<<' \x05 '>>'\r".encode())
        shown = until("[>>]").rpartition("[<<]")[2].partition("[>>]")[0]
        return shown[1:-1].split("][")

    os.write(terminal, f"{SETUP[shell]}".encode())
    os.write(terminal, b"echo rea''dy\r")
    until("ready")
    yield press
    os.close(terminal)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("watcher sho\t", "watcher show"),
        ("watcher show a/b:f\t", "watcher show a/b:free"),
        ("watcher changes --model=a/b:f\t", "watcher changes --model=a/b:free"),
        ("watcher --config other.toml channels test e\t", "watcher --config other.toml channels test else"),
        ("watcher --config=other.toml channels test e\t", "watcher --config=other.toml channels test else"),
        pytest.param("watcher show a/b:\t", "watcher show a/b:free", marks=pytest.mark.slow),
        pytest.param("watcher changes --kind=rep\t", "watcher changes --kind=repriced", marks=pytest.mark.slow),
        pytest.param(
            "watcher chart a/b:free --price compl\t",
            "watcher chart a/b:free --price completion",
            marks=pytest.mark.slow,
        ),
        pytest.param("watcher --config other.t\t", "watcher --config other.toml", marks=pytest.mark.slow),
        pytest.param("watcher nothing-such\t", "watcher nothing-such", marks=pytest.mark.slow),
    ],
)
def test_what_is_typed_is_completed(typed: Callable[[str], list[str]], keys: str, line: str, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[store]\nurl = "sqlite:///w.db"\n')
    (tmp_path / "other.toml").write_text('[[channels]]\nname = "else"\nurl = "json://x"\n')
    with Store.open(f"sqlite:///{tmp_path}/w.db") as store:
        Polls(store).see(*(document(one) for one in ("a/b:free", "c/d")), at=START)
    assert typed(keys) == line.split()


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


def test_no_server_is_waited_for(offered: Callable[..., list[str]], command: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        command.configure(f'[store]\nurl = "postgresql://watcher@127.0.0.1:{server.getsockname()[1]}/watcher"\n')
        assert offered("show", "a") == []
        assert select.select([server], [], [], 0)[0] == []


@pytest.mark.parametrize(("name", "shell"), [("watcher.bash", "bash"), ("watcher.fish", "fish"), ("_watcher", "zsh")])
def test_the_script_that_is_shipped_is_the_one_that_is_printed(name: str, shell: str, command: Command) -> None:
    code, out, err = command.run("completion", shell)
    assert (code, err) == (0, "")
    assert (ROOT / "deploy/completion" / name).read_text("utf-8") == out, f"run: watcher completion {shell}"


def test_another_shell_is_refused_by_name(command: Command) -> None:
    code, out, err = command.run("completion", "tcsh")
    assert (code, out) == (64, "")
    assert "bash" in err
