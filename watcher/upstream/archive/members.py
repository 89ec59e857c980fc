"""The members of all archives: their times, their order, and which of them are skipped."""

import contextlib
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import NoReturn, Self

from msgspec import Struct

from watcher.upstream.errors import ArchiveError, excerpt

Problem = Callable[[str], None]

NAMED_EACH = 10
"""Up to this number, every member that is skipped for a reason is named; above it, the first one and their number."""

_NAME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ)\.json", re.ASCII)
EXAMPLE = "2026-01-04T19-13-29Z.json"


class Capture(Struct, frozen=True):
    """One recorded response body, when it was captured (UTC), and its name in the archive."""

    at: datetime
    body: bytes
    name: str


class Planned(Struct, frozen=True):
    """A capture that is still to be read. `offset` is that of the body in the decompressed tar."""

    at: datetime
    name: str
    size: int
    offset: int = 0


class Skipped:
    """The members that are left out. At the end of the block `on_problem` gets a line for each, or for many of a kind.

    Captures of more than `limit` bytes are left out.
    """

    def __init__(self, on_problem: Problem, limit: int) -> None:
        self._limit = limit
        self._on_problem = on_problem
        self._lines: dict[str, list[str]] = {}
        self._counts: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for why, lines in self._lines.items():
            more = self._counts[why] - 1
            for line in lines if more < NAMED_EACH else [f"{lines[0]}; {more:,} more are like it"]:
                self._on_problem(f"{line}: skipped")
        self._lines.clear()
        self._counts.clear()

    def add(self, name: str, why: str, detail: object = "") -> None:
        """Leave a member out. `detail` replaces the `{}` of the reason."""
        lines = self._lines.setdefault(why, [])
        if len(lines) < NAMED_EACH:
            lines.append(f"{excerpt(name, 200)} {why.format(detail)}")
        self._counts[why] = self._counts.get(why, 0) + 1

    def time(self, name: str) -> datetime | None:
        """Return the time in a member's name. If there is none, leave the member out and return None."""
        found = _NAME.fullmatch(name.rpartition("/")[2])
        if found:
            with contextlib.suppress(ValueError):
                return datetime.strptime(found[1], "%Y-%m-%dT%H-%M-%SZ").replace(tzinfo=UTC)
        self.add(name, f"is not named by a UTC time, like {EXAMPLE}")
        return None

    def takes(self, name: str, size: int) -> bool:
        """Return whether a member may be read by its size. If not, leave it out."""
        if not size:
            self.add(name, "is empty")
        elif size > self._limit:
            self.add(name, f"has {{}} bytes, more than the {self._limit} that are read", size)
        return 0 < size <= self._limit


def in_order(name: str, plan: Iterable[Planned], skipped: Skipped, what: str) -> list[Planned]:
    """Return the members in the order of time, one for each time.

    Raises ArchiveError if there is none; `name` and `what` are the archive and the kind of member in its message.
    """
    ordered: list[Planned] = []
    with skipped:
        for member in sorted(plan, key=lambda member: member.at):  # stable: of the same time, the first counts
            if ordered and ordered[-1].at == member.at:
                skipped.add(member.name, "has the same time as {}", excerpt(ordered[-1].name))
            else:
                ordered.append(member)
    if not ordered:
        refuse(name, f"there is no {what} in it")
    return ordered


def refuse(name: str, why: str) -> NoReturn:
    """Raise ArchiveError for the archive of that name."""
    raise ArchiveError(f"{excerpt(name, 200)}: {why}") from None
