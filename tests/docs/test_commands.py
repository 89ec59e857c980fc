"""Every command line of ours that a document shows is one that there is."""

import re
from pathlib import Path

import click
import pytest

from tests.docs.documents import COMMANDS, PAGES, ROOT, prose
from watcher.cli import root

_BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_SHELL = {"", "sh", "console", "cron"}
_INLINE = re.compile(r"`([^`\n]+)`")
_CALL = re.compile(r"(?:^|/bin/|exec watcher |[|;&(]\s*)watcher(?=\s|$)([^|;&)#\"]*)")
"""Not each `watcher` is a call: users, databases and containers are named so, too."""
_OF_OTHERS = {"--health-cmd", "--stop-timeout", "--volume"}
"""Options of podman."""


def shown(page: str) -> list[str]:
    """What stands behind `watcher` wherever it is called in a page."""
    code = [f"{block}\n".replace("\\\n", " ") for kind, block in _BLOCK.findall(page) if kind in _SHELL]
    lines = [
        line.strip().removeprefix("$ ") for block in code for line in block.splitlines() if not line.startswith("ln ")
    ]
    spans = [span for span in _INLINE.findall(prose(page)) if span.startswith("watcher ")]
    return [match[1] for line in (*lines, *spans) for match in _CALL.finditer(line)]


def mistake(arguments: str) -> str | None:
    """The first word of a command line that the program does not know; capitals and … stand for something."""
    command: click.Command = root
    words = [word for word in re.sub(r"[\[\]]", " ", arguments).split() if word not in ("…", "...")]
    while words:
        word = words.pop(0)
        context = click.Context(command, **{"help_option_names": ["-h", "--help"], **command.context_settings})
        if word.startswith("-"):
            name, sign, _ = word.partition("=")
            option = next((one for one in command.get_params(context) if name in one.opts), None)
            if not isinstance(option, click.Option):
                return word
            if not option.is_flag and not sign and words:
                words.pop(0)
        elif isinstance(command, click.Group) and not word.isupper():
            found = command.get_command(context, word)
            if found is None:
                return word
            command = found
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_line_is_one(page: Path) -> None:
    wrong = {line: word for line in shown(page.read_text("utf-8")) if (word := mistake(line)) is not None}
    assert wrong == {}


def test_command_lines_are_found() -> None:
    assert len(shown((ROOT / "README.md").read_text("utf-8"))) >= 5
    assert len([line for page in PAGES for line in shown(page.read_text("utf-8"))]) >= 60


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (" chek", "chek"),
        (" config chek", "chek"),
        (" run --lgo json", "--lgo"),
        (" --json=1 --config FILE status --max-aeg 3h", "--max-aeg"),
        (" channels tset NAME", "tset"),
        (" [--config FILE] [--verbose] COMMAND …", None),
        (" --config /x config check", None),
        (" show MODEL --json", None),
    ],
)
def test_a_wrong_word_is_seen(line: str, word: str | None) -> None:
    assert mistake(line) == word


def test_every_option_that_stands_alone_is_one_of_ours() -> None:
    ours = {"--help"} | {name for command in COMMANDS.values() for param in command.params for name in param.opts}
    spans = [span for page in PAGES for span in _INLINE.findall(prose(page.read_text("utf-8")))]
    told = {re.split("[ =]", span)[0] for span in spans if span.startswith("--")}
    assert len(told) >= 20
    assert told - ours == _OF_OTHERS


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_the_help_of_every_command_ends_with_an_example_of_it(names: tuple[str, ...]) -> None:
    _, _, example = (COMMANDS[names].epilog or "").partition("Example: ")
    assert example.startswith(" ".join(names))
    if len(names) > 1:
        assert mistake(example.removeprefix("watcher")) is None
