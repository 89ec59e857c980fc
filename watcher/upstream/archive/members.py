"""What the members of all archives have in common: their times, their order, and which of them are skipped."""

import contextlib
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from types import TracebackType
from typing import NoReturn, Self

from msgspec import Struct

from watcher.upstream.errors import ArchiveError, excerpt

Problem = Callable[[str], None]

NAMED_EACH = 10
"""So many members that are skipped for the same reason are named each; of more, the first one and their number."""

_NAME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ)\.json", re.ASCII)
EXAMPLE = "2026-01-04T19-13-29Z.json"


class Capture(Struct, frozen=True):
    """One recorded response body; `at` is when it was captured, in UTC, `name` says where it comes from."""

    at: datetime
    body: bytes
    name: str


class Planned(Struct, frozen=True):
    """A capture that is yet to be read."""

    at: datetime
    name: str
    size: int
    offset: int = 0
    """Of the body in the decompressed tar."""


class Skipped:
    """What is left out of an archive, told at the end of the block: one line a member or, of many, one a reason.

    Args:
        on_problem: gets the lines.
        most: the bytes of the largest capture that is read.
    """

    def __init__(self, on_problem: Problem, most: int) -> None:
        self.most = most
        self._on_problem = on_problem
        self._lines: dict[str, list[str]] = {}
        self._counts: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for why, lines in self._lines.items():
            more = self._counts[why] - 1
            for line in lines if more < NAMED_EACH else [f"{lines[0]}; {more:,} more are like it"]:
                self._on_problem(f"{line}: skipped")
        self._lines.clear()
        self._counts.clear()

    def add(self, name: str, why: str, detail: object = "") -> None:
        """Note that a member is left out, and why; `detail` stands at the `{}` of the reason."""
        lines = self._lines.setdefault(why, [])
        if len(lines) < NAMED_EACH:
            lines.append(f"{excerpt(name, 200)} {why.format(detail)}")
        self._counts[why] = self._counts.get(why, 0) + 1

    def time(self, name: str) -> datetime | None:
        """Return the time that a member is named by; None if it is left out since there is none."""
        found = _NAME.fullmatch(name.rpartition("/")[2])
        if found:
            with contextlib.suppress(ValueError):
                return datetime.strptime(found[1], "%Y-%m-%dT%H-%M-%SZ").replace(tzinfo=UTC)
        self.add(name, f"is not named by a UTC time, like {EXAMPLE}")
        return None

    def takes(self, name: str, size: int) -> bool:
        """Return whether a member of this size is read; it is left out if not."""
        if 0 < size <= self.most:
            return True
        if size:
            self.add(name, f"has {{}} bytes, more than the {self.most} that are read", size)
        else:
            self.add(name, "is empty")
        return False


def in_order(name: str, plan: Iterable[Planned], skipped: Skipped, what: str) -> list[Planned]:
    """Return the members by their times, the first of each; `skipped` tells its lines.

    Raises ArchiveError if there is none: no `what` is in the archive of that name.
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
    """Raise ArchiveError about the archive of that name."""
    raise ArchiveError(f"{excerpt(name, 200)}: {why}") from None
