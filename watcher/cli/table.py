"""Listings: a table on a terminal, aligned columns on a pipe, where nothing is cut."""

import re
import sys
from collections.abc import Iterable, Sequence

import click


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[str] = ()) -> None:
    """Print rows of strings, already harmless, below the names of the columns; those in `right` are aligned right."""
    rows = list(rows)
    if sys.stdout.isatty():
        _print_rich(columns, rows, right)
        return
    table = [columns, *rows]
    widths = [max(len(row[index]) for row in table) for index in range(len(columns))]
    for row in table:
        cells = [
            cell.rjust(width) if name in right else cell.ljust(width)
            for name, cell, width in zip(columns, row, widths, strict=True)
        ]
        click.echo("  ".join(cells).rstrip())


def _print_rich(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bright_black")
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def counted(number: int, noun: str) -> str:
    """Return `1 model`, `2 models`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


# JSON allows them as they are, in strings, but a terminal or a log that is shown them may obey: C1 controls, line
# separators, and what turns the direction of the text around.
_UNSEEN = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def print_json(value: object) -> None:
    """Print one JSON document on one line, with every character that cannot be seen escaped."""
    import msgspec

    click.echo(_UNSEEN.sub(lambda char: f"\\u{ord(char[0]):04x}", msgspec.json.encode(value).decode()))


def sized(number: int) -> str:
    """Return so many bytes as `512 kB`, `1.4 MB`."""
    return f"{number / 1_000_000:,.1f} MB" if number >= 1_000_000 else f"{-(-number // 1000):,} kB"
