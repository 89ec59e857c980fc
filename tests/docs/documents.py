"""The documents, what is in them, and the commands that they are about."""

import re
from pathlib import Path

import click

from tools import manual
from watcher.cli import root

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md")))

COMMANDS: dict[tuple[str, ...], click.Command] = {
    ("watcher",): root,
    **{("watcher", *names): command for names, command in manual.commands()},
}

_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(#{1,6}) (.+)$", re.MULTILINE)


def text(name: str) -> str:
    """A page of `docs/`."""
    return (DOCS / name).read_text("utf-8")


def prose(page: str) -> str:
    """A page without its blocks of code."""
    return _FENCED.sub("", page)


def headings(page: str) -> list[str]:
    """The headings of a page, as they are written."""
    return [match[2] for match in _HEADING.finditer(prose(page))]


def part(page: str, heading: str) -> str:
    """What stands below a heading, up to the next one of the same or a higher level; "" if it is not there."""
    page = prose(page)
    for match in _HEADING.finditer(page):
        if match[2] == heading:
            rest = page[match.end() :]
            end = re.search(rf"^#{{1,{len(match[1])}}} ", rest, re.MULTILINE)
            return rest[: end.start()] if end else rest
    return ""


def first_cells(page: str) -> set[str]:
    """The code in the first cells of all tables: `--limit` of a row "| `--limit N` | …"."""
    return {match[1] for match in re.finditer(r"^\| `([^` ]+)[^`]*` \|", page, re.MULTILINE)}


def anchor(heading: str) -> str:
    """The address of a heading within its page, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
