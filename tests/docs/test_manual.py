"""The manual pages are what the program is, and what a formatter can read."""

import re
import shutil
import subprocess

import pytest

from tests.docs.documents import DOCS, first_cells, part, text
from watcher import errors
from watcher.cli import manual
from watcher.config.options import OPTIONS

MAN = DOCS / "man"


def formatted(name: str) -> str:
    """A page as `man` shows it on a wide terminal."""
    if shutil.which("man") is None:
        pytest.skip("no man to format the page with")
    done = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-P", "cat", "-l", str(MAN / name)],
        capture_output=True,
        text=True,
        check=True,
        env={"MANWIDTH": "1000", "PATH": "/usr/bin:/bin", "MAN_KEEP_FORMATTING": "", "LC_ALL": "C.UTF-8"},
    )
    assert done.stderr == ""
    return re.sub(r".\x08", "", done.stdout)


@pytest.mark.parametrize("name", manual.PAGES)
def test_the_page_in_the_repository_is_the_one_of_the_program(name: str) -> None:
    command = "python -m watcher.cli.manual docs/man"
    assert (MAN / name).read_text("utf-8") == manual.PAGES[name](), f"run: {command}"


def test_every_page_is_made() -> None:
    assert {path.name for path in MAN.iterdir()} == set(manual.PAGES)


def test_every_command_and_option_is_shown() -> None:
    shown = formatted("watcher.1")
    for names, command in manual.commands():
        assert re.search(rf"^ *watcher {' '.join(names)}( |$)", shown, re.MULTILINE), names
        for param in command.params:
            for name in (name for name in param.opts if name.startswith("--")):
                assert name in shown, (names, name)


def test_every_option_of_the_configuration_is_shown() -> None:
    shown = formatted("openrouter-watcher.toml.5")
    for option in OPTIONS:
        assert re.search(rf"^ +{option.key}\b", shown, re.MULTILINE), option.key
        assert " ".join(option.doc.replace("`", "").split()) in " ".join(shown.split())


def test_exit_codes_are_those_of_the_errors_and_of_the_guide() -> None:
    guide = {int(cell) for cell in re.findall(r"^\| (\d+) \|", part(text("usage.md"), "Exit codes"), re.MULTILINE)}
    raised = {one.exit_code for one in vars(errors).values() if isinstance(one, type)}
    assert set(manual.EXIT_CODES) == guide
    assert raised <= guide
    assert first_cells(part(text("usage.md"), "Exit codes")) == set()


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("a-b", "a\\-b"),
        ("back\\slash", "back\\eslash"),
        ('say "it"', "say \\(dqit\\(dq"),
        ("`watcher -h` helps", "\\fBwatcher \\-h\\fR helps"),
        (".TH is no request", "\\&.TH is no request"),
        ("'quoted'", "\\&\\(aqquoted\\(aq"),
    ],
)
def test_text_stays_text(said: str, shown: str) -> None:
    assert manual._line(said) == shown
