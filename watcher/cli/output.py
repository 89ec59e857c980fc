"""How verbs print: JSON, tables, warnings, numbers, times and hints."""

import os
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from difflib import get_close_matches
from shutil import get_terminal_size
from textwrap import wrap

import click
import msgspec

from watcher.messages.text import visible
from watcher.redaction import redact

HINTS = 5
"""Ids that a hint shows at most."""

_GAP = 2
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d")
"""What `format_time` returns."""
_DAY, _CUT, _WRAPPED = 10, 12, 36
"""Characters of its day, and the least of a column that is cut or wrapped."""

# JSON allows these characters in strings, but a terminal may obey them: C1 controls, line separators, and marks that
# reverse the direction of the text.
_INVISIBLE = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def in_colour() -> bool:
    """Whether stdout is a terminal that is to show colours."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


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


# Tables that fit into a terminal without breaking an id


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[str] = (), cut: Sequence[str] = ()
) -> None:
    """Print rows of harmless strings below the names of their columns; those in `right` are aligned right.

    On a pipe each row is one line, however long. Where a terminal has less room, the last column wraps between words,
    the columns in `cut` are cut off, moments lose their time of day, and the columns in `cut` are left out. At last,
    the last column goes below its row, or what makes the first column wide gets a line of its own. All else stays
    whole, so that an id can be copied.
    """
    from rich.cells import cell_len

    table = [list(columns), *map(list, rows)]
    widths = [max(map(cell_len, column)) for column in zip(*table, strict=True)]
    room = get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    last = len(columns) - 1
    wraps = columns[last] not in (*right, *cut)
    excess = sum(widths) + _GAP * last - room
    cuts = [at for at, name in enumerate(columns) if name in cut]
    moments = [at for at in range(last) if all(_MOMENT.fullmatch(row[at]) for row in table[1:] if row[at])]
    narrow = [(last, _WRAPPED)] if wraps else []
    narrow += [(at, _CUT) for at in cuts] + [(at, _DAY) for at in moments] + [(at, 0) for at in cuts]
    for at, least in narrow:
        if excess > 0 and widths[at] > least:
            before = widths[at] + (0 if least else _GAP)
            widths[at] = max(least, widths[at] - excess) if least > _DAY else least
            excess -= before - widths[at]
    below = wraps and excess > 0
    if excess > 0 and not wraps:
        widths[0] = max(widths[0] - excess, 1)
    indent = 4 if below else sum(widths[:last]) + _GAP * last
    for number, row in enumerate(table):
        first: list[str] = []
        after: list[str] = []
        if wraps:
            after = wrap(row[last], max(room - indent, _CUT), break_long_words=False, break_on_hyphens=False)
            row[last] = "" if below or not after else after.pop(0)
        elif cell_len(row[0]) > widths[0]:
            first, row[0] = [row[0]], ""
        cells = [
            _pad(_cut(cell, width) if at in (*cuts, *moments) else cell, width, columns[at] in right)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
            if width
        ]
        line = (" " * _GAP).join(cells).rstrip()
        if below and cell_len(line) > room:
            after.insert(0, row[last - 1])
            line = line.removesuffix(row[last - 1]).rstrip()
        for shown in (*first, line, *(f"{' ' * indent}{more}" for more in after)):
            click.echo(click.style(shown, fg="bright_black") if number == 0 and in_colour() else shown)


def _cut(text: str, width: int) -> str:
    """Return the text in that many characters: a moment as its day, any other with a mark where it is cut off."""
    from rich.cells import cell_len, set_cell_size

    if not width or cell_len(text) <= width:
        return text
    return text[:_DAY] if _MOMENT.fullmatch(text) else f"{set_cell_size(text, width - 1).rstrip()}…"


def _pad(text: str, width: int, to_the_right: bool) -> str:
    from rich.cells import cell_len

    space = " " * (width - cell_len(text))
    return space + text if to_the_right else text + space
