"""Events on a terminal."""

import re
from io import StringIO

import pytest
from rich.console import Console

from tests.events import ALL, CHEAPER, DEARER
from tests.messages.test_builder import HOSTILE, hostile
from watcher.messages.builder import compose
from watcher.messages.console import print_events
from watcher.messages.document import Format

ANSI = re.compile(r"\x1b\[[0-9;]*m")


def terminal() -> Console:
    return Console(file=StringIO(), force_terminal=True, width=100, color_system="standard")


def printed(console: Console) -> str:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_a_terminal_gets_colour_and_a_table_of_prices() -> None:
    console = terminal()
    print_events([CHEAPER, DEARER], console)
    assert re.search(r"prompt +\$3 +\$2\.50 +−16\.67 % +per 1M tokens", ANSI.sub("", printed(console)))
    assert re.search(r"\x1b\[32m *−16\.67 %", printed(console))
    assert re.search(r"\x1b\[31m *\+25 %", printed(console))


def test_a_terminal_is_told_of_every_event() -> None:
    console = terminal()
    print_events(ALL, console)
    for event in ALL:
        assert (event.model or event.detail or "") in ANSI.sub("", printed(console))


@pytest.mark.parametrize("to", ["stream", "console"])
def test_a_pipe_gets_the_plain_text(to: str) -> None:
    stream = StringIO()
    print_events(ALL, stream if to == "stream" else Console(file=stream))
    message = compose(ALL, Format.TEXT)
    assert stream.getvalue() == f"{message.title}\n\n{message.body}"


def test_nothing_is_printed_without_events() -> None:
    console = terminal()
    print_events([], console)
    assert printed(console) == ""


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_shown_and_not_obeyed(text: str) -> None:
    console = terminal()
    print_events(hostile(text), console)
    shown = ANSI.sub("", printed(console))
    assert all(char.isprintable() or char in "\n\u200b" for char in shown)
    assert "\x1b]8" not in printed(console)
    if text == HOSTILE["rich"]:
        assert "[bold red]x[/bold red]" in shown
