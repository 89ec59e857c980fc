"""How verbs print: tables, JSON, warnings, numbers, times, hints and progress."""

import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import TypeVar

import click
import msgspec

from watcher.messages.text import visible
from watcher.redaction import redact

T = TypeVar("T")

HINTS = 5
"""Ids that a hint shows at most."""

# JSON allows these characters in strings, but a terminal may obey them: C1 controls, line separators, and marks that
# reverse the direction of the text.
_INVISIBLE = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[str] = ()) -> None:
    """Print rows of harmless strings below the names of their columns; those in `right` are aligned right.

    On a pipe nothing is coloured, and each row is one line, however long.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bright_black")
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console() if sys.stdout.isatty() else Console(width=1_000_000, color_system=None)
    with console.capture() as printed:
        console.print(table)
    for line in printed.get().splitlines():
        click.echo(line.rstrip())


def print_json(value: object) -> None:
    """Print a JSON document on one line, with every invisible character escaped."""
    click.echo(_INVISIBLE.sub(lambda char: f"\\u{ord(char[0]):04x}", msgspec.json.encode(value).decode()))


def warn(message: str) -> None:
    """Print one line on stderr."""
    click.echo(f"watcher: {redact(message)}", err=True)


def format_time(moment: datetime) -> str:
    """Return a moment to the minute."""
    return moment.strftime("%Y-%m-%d %H:%M")


def format_count(number: int, noun: str) -> str:
    """Return `1 model`, `2 models`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def format_size(number: int) -> str:
    """Return bytes as `512 kB`, `1.4 MB`."""
    return f"{number / 1_000_000:,.1f} MB" if number >= 1_000_000 else f"{-(-number // 1000):,} kB"


def did_you_mean(wanted: str, known: Sequence[str]) -> str:
    """Return `; did you mean …?` with the ids that contain the text, else the most similar ones; or nothing."""
    word = wanted.casefold()
    similar = [name for name in known if word in name.casefold()] or get_close_matches(word, known, n=HINTS)
    return f"; did you mean {', '.join(visible(name) for name in similar[:HINTS])}?" if similar else ""


def progress(items: Iterable[T], noun: str) -> Iterator[T]:
    """Yield the items; count them on a line of stderr if that is a terminal and it takes longer than a second."""
    terminal = sys.stderr.isatty()
    shown_at, number, shown = time.monotonic(), 0, False
    for number, item in enumerate(items, start=1):
        if terminal and time.monotonic() - shown_at > 1:
            click.echo(f"\r{number:,} {noun} …", nl=False, err=True)
            shown_at, shown = time.monotonic(), True
        yield item
    if shown:
        click.echo(f"\r{number:,} {noun}   ", err=True)
