"""The command as other programs meet it: terminals, pipes, locales and signals; and the verbs that serve and show."""

import errno
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import termios
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from testkit.command import TOGETHER, CommandResult, Watcher, clean_environment
from tests.end_to_end.captures import STORY, hour, record
from tests.store.samples import document
from watcher.simulator import Fault, Simulator, story_by_name, story_scenes
from watcher.simulator.story import STORIES

ROOT = Path(__file__).parent.parent.parent
SECONDS = 60
FULL = Path("/dev/full")


def slow(*values: Any) -> list[Any]:
    """Return parameters that only `make slow` tries: each starts a process, and another takes the same way."""
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]


@contextmanager
def started(watcher: Watcher, *arguments: str, **more: Any) -> Iterator[subprocess.Popen[Any]]:
    """The command as a process of its own, which is gone at the end."""
    env = {**clean_environment(), **more.pop("env", {})}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **more}
    with subprocess.Popen(
        [*TOGETHER, sys.executable, "-m", "watcher", *arguments], cwd=watcher.folder, env=env, **pipes
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def end(process: subprocess.Popen[Any]) -> CommandResult:
    out, err = process.communicate(timeout=SECONDS)
    return CommandResult(process.returncode, out, err)


def terminal(
    watcher: Watcher, *arguments: str, columns: int = 120, env: Mapping[str, str] | None = None
) -> CommandResult:
    """Run the command in a pseudo terminal; what it writes comes as `out`."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    shown = b""
    terms = {"TERM": "xterm-256color", "NO_COLOR": "", "COLUMNS": "", **(env or {})}
    with started(watcher, *arguments, stdin=theirs, stdout=theirs, stderr=theirs, text=False, env=terms) as process:
        os.close(theirs)
        with os.fdopen(ours, "rb", buffering=0) as screen:
            try:
                while chunk := screen.read(65536):
                    shown += chunk
            except OSError as error:  # Linux says so when the last writer is gone
                assert error.errno == errno.EIO
        process.wait(SECONDS)
    return CommandResult(process.returncode, shown.decode(), "")


def without_colours(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text).replace("\r\n", "\n")


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the story imported, and an offer whose name needs Unicode. Copy it."""
    watcher = Watcher(tmp_path_factory.mktemp("imported"))
    watcher.configure('[store]\nurl = "sqlite:///w.db"\n')
    accented = document("e/accents", name="Ünïcode → 模型 🤖")
    story = {n: (*shown, accented) for n, shown in STORY.items()}
    assert watcher.run_here("import", str(record(watcher.folder / "story", story))).code == 0
    return watcher.folder


@pytest.fixture
def past(imported: Path, watcher: Watcher) -> Watcher:
    """A folder with that database."""
    shutil.copytree(imported, watcher.folder, dirs_exist_ok=True)
    return watcher


# Terminals


def test_a_chart_in_a_terminal_is_drawn(past: Watcher) -> None:
    ran = terminal(past, "chart", "a/one")
    assert ran.code == 0
    drawn = without_colours(ran.out)
    assert "a/one: USD per 1M tokens" in drawn
    assert "* prompt: $1 now" in drawn
    assert "o completion: $4 now" in drawn
    assert "01-04 12:00" in drawn
    assert max(map(len, drawn.splitlines())) <= 120


@pytest.mark.parametrize(
    "arguments",
    [("b/two",), *slow(("c/gone:free",), ("d/fresh", "--since", "2026-01-04T16:00"))],
)
@pytest.mark.parametrize("columns", [20, *slow(300)])
def test_a_chart_of_little_or_in_an_odd_terminal_is_drawn_too(
    past: Watcher, arguments: tuple[str, ...], columns: int
) -> None:
    ran = terminal(past, "chart", *arguments, columns=columns)
    assert ran.code == 0
    assert "Traceback" not in ran.out


def test_a_chart_without_any_number_says_so(watcher: Watcher) -> None:
    watcher.configure('[store]\nurl = "sqlite:///w.db"\n')
    folder = record(watcher.folder / "s", {0: [document("a/auto", pricing={"prompt": "-1", "completion": "-1"})]})
    watcher.run_here("import", str(folder))
    ran = terminal(watcher, "chart", "a/auto")
    assert ran.code == 0
    assert "prompt: no price that is a number" in without_colours(ran.out)


@pytest.mark.slow
def test_hostile_names_do_nothing_to_a_terminal(watcher: Watcher) -> None:
    watcher.configure('[store]\nurl = "sqlite:///w.db"\n')
    name = "Evil\x1b]0;title\x07\x1b[2J\r\nroot\u202e[bold red]x[/] [link=http://x]y[/link]\x9b31m" + "y" * 3000
    story = {
        float(n): [document("b/two"), *([document("a/[bold]x[/]", p, name=name)] if p else [])]
        for n, p in enumerate(["", "0.1", "0.2", "0.2", "0.2", "0.2"])
    }
    watcher.run_here("import", str(record(watcher.folder / "s", story)))
    for arguments in (("models",), ("changes",), ("show", "a/[bold]x[/]"), ("chart", "a/[bold]x[/]"), ("replay", "s")):
        ran = terminal(watcher, *arguments, columns=200)
        assert ran.code == 0
        shown = without_colours(ran.out)
        assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set(shown), arguments
        assert "\r" not in shown
        assert not any(line.startswith("root") for line in shown.splitlines())
        if arguments[0] != "replay":
            assert "a/[bold]x[/]" in shown.replace("\n", ""), "no markup of ours"


def test_listings_in_a_narrow_terminal_lose_nothing(past: Watcher) -> None:
    ran = terminal(past, "models", columns=60)
    assert ran.code == 0
    lines = without_colours(ran.out).splitlines()
    assert max(map(cell_len, lines)) <= 60
    assert "a/one" in lines[1]


# Pipes and other outputs

VERBS = [("changes",), ("show", "a/one"), ("chart", "a/one"), ("channels",), ("replay", "story")]


@pytest.mark.parametrize(
    "arguments",
    [
        ("replay", "story", "--json"),  # writes again and again
        ("--help",),  # written by click
        *slow(*VERBS, ("models", "--json")),
    ],
)
def test_a_reader_that_goes_away_is_no_error(past: Watcher, arguments: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with started(past, *arguments, stdout=writing) as process:
        os.close(writing)
        ran = end(process)
    assert ran.err == ""
    assert ran.code == (1 if arguments == ("--help",) else 0)


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full")
@pytest.mark.parametrize("arguments", [("models",), *slow(("models", "--json"), ("replay", "story"))])
def test_a_full_disk_behind_the_output_is_said_in_one_line(past: Watcher, arguments: tuple[str, ...]) -> None:
    with FULL.open("w") as full, started(past, *arguments, stdout=full) as process:
        ran = end(process)
    assert (ran.code, ran.err) == (74, "watcher: cannot write: No space left on device\n")


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full")
def test_news_that_could_not_be_printed_is_printed_later(watcher: Watcher) -> None:
    with Simulator(story_scenes(story_by_name("demo"))) as simulator:
        watcher.configure(
            f'[source]\nurl = "{simulator.url}"\n[store]\nurl = "sqlite:///w.db"\n[announce]\nsettle = "0s"\n'
        )
        watcher.run_here("--check")
        simulator.advance()
        simulator.advance()
        with FULL.open("w") as full, started(watcher, "--check", stdout=full) as process:
            ran = end(process)
        assert ran.code == 75
        assert "cannot print: No space left on device" in ran.err
        assert "Traceback" not in ran.err
        with sqlite3.connect(watcher.folder / "w.db") as connection:  # the wait before the next attempt is over
            connection.execute("UPDATE deliveries SET next_attempt = '2026-01-01 00:00:00.000000'")
        assert "GPT-5.2-Codex" in watcher.run_here("--check").out
        assert watcher.run_here("--check").out == ""


@pytest.mark.parametrize(
    "arguments", [("models",), ("nope",), *slow(("models", "--json"), ("chart", "a/one"), ("--version",))]
)
def test_without_any_output_nothing_breaks(past: Watcher, arguments: tuple[str, ...]) -> None:
    command = f'exec "{sys.executable}" -m watcher "$@" >&- 2>&-'
    done = subprocess.run(
        ["sh", "-c", command, "sh", *arguments],
        cwd=past.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == (64 if arguments == ("nope",) else 0)
    assert past.run_here("models").code == 0, "nothing was written into the database"


LOCALES = [
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    pytest.param({"PYTHONIOENCODING": "ascii"}, marks=pytest.mark.slow),
    pytest.param({"PYTHONIOENCODING": "latin-1"}, marks=pytest.mark.slow),
]


@pytest.mark.slow
@pytest.mark.parametrize("env", LOCALES)
def test_a_locale_without_unicode_costs_characters_not_the_listing(past: Watcher, env: dict[str, str]) -> None:
    for arguments in (("models",), ("show", "e/accents"), ("show", "näher"), ("channels", "test")):
        with started(past, *arguments, env=env, encoding="latin-1") as process:
            ran = end(process)
        assert ran.code == (64 if "näher" in arguments else 0), ran.err
        assert "bug" not in ran.err
        assert "code" in ran.out or arguments[0] != "models"


@pytest.mark.slow
def test_a_terminal_without_unicode_is_drawn_for_too(past: Watcher) -> None:
    for arguments in (("models",), ("chart", "e/accents"), ("channels", "test")):
        ran = terminal(past, *arguments, env={"PYTHONIOENCODING": "ascii"})
        assert ran.code == 0, ran.out
        assert "bug" not in ran.out


@pytest.mark.parametrize("arguments", [("show", "\udcff"), ("chart", "\udcff"), ("changes", "--model", "\udcff")])
def test_arguments_that_are_no_text(past: Watcher, arguments: tuple[str, ...]) -> None:
    ran = past.run_here(*arguments)
    assert (ran.code, ran.out, ran.err) == (64, "", "watcher: an argument is not valid UTF-8\n")


# Signals


def test_control_c_in_the_middle_of_a_check_ends_it_with_nothing_stored(watcher: Watcher) -> None:
    with Simulator(story_scenes(story_by_name("quiet"))) as simulator:
        watcher.configure(f'[source]\nurl = "{simulator.url}"\n[store]\nurl = "sqlite:///w.db"\n')
        simulator.set_fault(Fault.named("slow", delay=30.0))
        with started(watcher, "--check") as process:
            wait_until(lambda: simulator.requests)
            process.send_signal(signal.SIGINT)
            ran = end(process)
        assert (ran.code, ran.out) == (130, "")
        assert ran.err.split() == ["watcher:", "stopped"]
        simulator.set_fault(None)
        assert watcher.run_here("--check").code == 0


def wait_until(holds: Any) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# simulate


def get(url: str, method: str = "GET", body: bytes | None = None) -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, method=method, data=body), timeout=SECONDS) as answer:
        return json.load(answer)


@contextmanager
def simulating(watcher: Watcher, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with started(watcher, "simulate", "--port", "0", *arguments) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/api/v1", url)
        yield process, url


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_simulate_serves_until_it_is_told_to_end(watcher: Watcher, number: signal.Signals) -> None:
    with simulating(watcher) as (process, url):
        assert len(get(f"{url}/models?output_modalities=all")["data"]) > 60
        process.send_signal(number)
        ran = end(process)
    assert ran.code in (0, 130)
    assert "Traceback" not in ran.err
    assert ran.out == ""


def test_simulate_is_controlled_over_http(watcher: Watcher) -> None:
    with simulating(watcher, "--story", "demo") as (_, url):
        control = url.removesuffix("/api/v1") + "/simulator/"
        assert get(control + "state")["step"] == 0
        before = get(f"{url}/models?output_modalities=all")["data"]
        for _ in range(2):
            assert get(control + "advance", "POST")["advanced"] is True
        after = get(f"{url}/models?output_modalities=all")["data"]
        assert {model["id"] for model in after} - {model["id"] for model in before} == {"openai/gpt-5.2-codex"}
        get(control + "fault", "PUT", json.dumps({"name": "empty"}).encode())
        assert get(f"{url}/models")["data"] == []
        get(control + "fault", "DELETE")
        assert get(f"{url}/models?output_modalities=all")["data"] == after


def test_simulate_serves_an_archive_a_step_at_a_time(watcher: Watcher) -> None:
    folder = record(watcher.folder / "story", STORY)
    (folder / "notes.txt").write_text("no capture")
    with simulating(watcher, "--archive", str(folder)) as (process, url):
        control = url.removesuffix("/api/v1") + "/simulator/"
        for n in STORY:
            assert [m["id"] for m in get(f"{url}/models")["data"]] == [m["id"] for m in STORY[n]]
            assert get(control + "state")["at"] == hour(n).isoformat()
            advanced = get(control + "advance", "POST")["advanced"]
        assert advanced is False
        process.terminate()
        assert "notes.txt" in end(process).err


def test_simulate_goes_on_by_itself_and_stays_at_the_end(watcher: Watcher) -> None:
    folder = record(watcher.folder / "story", {n: STORY[n] for n in (0, 1)})
    with simulating(watcher, "--archive", str(folder), "--every", "0.05") as (process, _):
        assert process.stderr is not None
        lines = [process.stderr.readline() for _ in range(3)]
        assert lines[1].startswith("2026-01-04 13:00 UTC")
        assert lines[2] == "That was the last step.\n"
        process.send_signal(signal.SIGINT)
        assert end(process).code in (0, 130)


def test_a_check_of_a_simulated_source_as_people_try_it(watcher: Watcher) -> None:
    with simulating(watcher) as (_, url):
        watcher.configure(f'[source]\nurl = "{url}"\n[store]\nurl = "sqlite:///w.db"\n')
        assert watcher.run_here("--check").code == 0
        assert watcher.run_here("status").out.startswith("healthy")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--story", "nope"), 'there is no story "nope"; there are demo, quiet'),
        (("--story", "demo", "--archive", "x"), "exclude each other"),
        (("--archive", "nowhere"), "does not exist"),
        (("--port", "65536"), "65536"),
        (("--port", "x"), "not a valid integer"),
        (("--every", "0"), "0.05"),
        (("--every", "inf"), "inf"),
    ],
)
def test_simulate_refuses_what_cannot_be(watcher: Watcher, arguments: tuple[str, ...], says: str) -> None:
    ran = watcher.run_here("simulate", "--port", "0", *arguments)
    assert (ran.code, ran.out) == (64, "")
    assert says in ran.err
    assert len(ran.err.splitlines()) == 1


def test_simulate_on_a_port_that_is_taken(watcher: Watcher) -> None:
    with Simulator(story_scenes(story_by_name("quiet"))) as simulator:
        port = simulator.origin.rpartition(":")[2]
        ran = watcher.run_here("simulate", "--port", port)
    assert (ran.code, ran.out, len(ran.err.splitlines())) == (64, "", 1)
    assert port in ran.err


# demo


def test_the_demo_tells_every_turn_of_its_story_once_and_no_glitch(watcher: Watcher) -> None:
    start = time.monotonic()
    ran = watcher.run_here("demo")
    assert (ran.code, ran.err) == (0, "")
    assert time.monotonic() - start < 30
    told = ran.out.splitlines()
    for news in (
        "New: GPT-5.2-Codex",
        "Claude Haiku 4.5 −20%",
        "Grok 4 +33%",
        "MiMo-V2-Flash is now free",
        "Qwen3 Coder 480B A35B (free) is gone",
    ):
        assert told.count(news) == 1, news
    assert sum("now points to openai/gpt-5.2-codex" in line for line in told) == 1
    assert sum(line.startswith("Claude 3 Haiku ") for line in told) == 1
    assert ran.out.count("not believed: the list is empty") == 1
    assert not any("GPT-4o" in line and "%" in line for line in told), "an hour at double the price is no news"
    assert not any("Gemini" in line and "gone" in line for line in told)
    for step in STORIES["demo"].steps:
        assert sum(line.endswith(step.title) for line in told) == 1
    assert re.search(r"\d+ announcements, each once", told[-1])
    assert list(watcher.folder.iterdir()) == [], "it leaves nothing behind"


@pytest.mark.slow
def test_the_demo_in_a_terminal_shows_prices_in_a_table_with_colour(watcher: Watcher) -> None:
    ran = terminal(watcher, "demo")
    assert ran.code == 0
    assert "\x1b[32m" in ran.out or "\x1b[1;32m" in ran.out
    assert re.search(r"prompt +\$1 +\$0\.80 +−20% +per 1M tokens", without_colours(ran.out))
