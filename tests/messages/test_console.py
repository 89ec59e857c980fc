"""Events on a terminal."""

import re
from collections.abc import Sequence
from io import StringIO

import pytest

from tests.events import ALL, CHEAPER, DEARER
from tests.messages.test_builder import HOSTILE, hostile
from watcher.catalog.model import Event
from watcher.messages.builder import compose
from watcher.messages.console import print_events
from watcher.messages.document import Format

ANSI = re.compile(r"\x1b\[[0-9;]*m")


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have rich take every stream that says so for a terminal with sixteen colours."""
    for name in ("NO_COLOR", "COLORTERM", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")


def printed(events: Sequence[Event]) -> str:
    terminal = Terminal()
    print_events(events, terminal)
    return terminal.getvalue()


def test_a_terminal_gets_colour_and_a_table_of_prices() -> None:
    shown = printed([CHEAPER, DEARER])
    assert re.search(r"prompt +\$3 +\$2\.50 +−16\.67 % +per 1M tokens", ANSI.sub("", shown))
    assert re.search(r"\x1b\[32m *−16\.67 %", shown)
    assert re.search(r"\x1b\[31m *\+25 %", shown)


def test_a_terminal_shows_every_event() -> None:
    shown = ANSI.sub("", printed(ALL))
    for event in ALL:
        assert (event.model or event.detail or "") in shown


def test_a_pipe_gets_the_plain_text() -> None:
    stream = StringIO()
    print_events(ALL, stream)
    message = compose(ALL, Format.TEXT)
    assert stream.getvalue() == f"{message.title}\n\n{message.body}"


def test_nothing_is_printed_without_events() -> None:
    assert printed([]) == ""


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_shown_and_not_obeyed(text: str) -> None:
    output = printed(hostile(text))
    shown = ANSI.sub("", output)
    assert all(char.isprintable() or char in "\n\u200b" for char in shown)
    assert "\x1b]8" not in output
    if text == HOSTILE["rich"]:
        assert "[bold red]x[/bold red]" in shown
