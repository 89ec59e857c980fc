"""What a scan found, in words and in the formats of others: workflow commands of GitHub, and SARIF 2.1.0."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct

from watcher import __version__
from watcher.config.parse import PERCENTAGE, WrongValueError, parse_duration
from watcher.messages.text import visible
from watcher.messages.wording import REASONS, changes_text, day_text, value_text
from watcher.mine.scan import Hit, Scan
from watcher.mine.status import Instead, State, Status

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"

_UNSEEN = re.compile("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069]")
"""Characters that a log may obey."""

Condition = Callable[[Status], bool]

_RULES: Mapping[State, str] = {
    "gone": "The model is gone: calls of it fail",
    "expiring": "The model will be gone soon",
    "moved": "The id stands for another model",
    "repriced": "The price changed",
    "unknown": "No model with this id was ever known",
}


class Finding(Struct, frozen=True):
    """An id in a line of a file, and what has become of the model."""

    hit: Hit
    status: Status
    fails: bool
    """Whether it is one of those to fail on."""

    @property
    def level(self) -> str:
        """The level of SARIF: `error`, `warning`, `note` or `none`."""
        if self.fails:
            return "error"
        states: dict[State, str] = {"there": "none", "gone": "warning", "expiring": "warning"}
        return states.get(self.status.state, "note")


def read_condition(written: str) -> Condition:
    """Return the condition that a word of `--fail-on` means: `gone`, `expiring=14d`. Raises WrongValueError."""
    name, equals, value = written.strip().partition("=")
    if name in ("gone", "unknown") and not equals:
        return lambda status: status.state == name
    if name == "expiring":
        span = parse_duration(value) if equals else timedelta.max
        return lambda status: (
            status.state == name and (status.days_left is None or timedelta(days=status.days_left) <= span)
        )
    if name == "repriced":
        least = PERCENTAGE.parse(value) if equals else Decimal(0)
        return lambda status: any(
            _rose(change.change, change.old, change.new, least) for change in status.repriced.values()
        )
    raise WrongValueError(f"expected gone, expiring=14d, repriced=20% or unknown, got {visible(written, 40)!r}")


def _rose(change: str | None, old: str | None, new: str | None, least: Decimal) -> bool:
    """Whether a price is higher by so much; one from free, or one that varies now, is."""
    if change is None:
        return old == "0" or new == "varies"
    return Decimal(change.rstrip("%")) / 100 >= max(least, Decimal("0.0001"))


def words(status: Status, since: datetime) -> str:
    """Return what has become of a model, in words; `since` is the moment that it is compared with."""
    match status.state:
        case "gone":
            text = f"gone since {_day(status.since)}" if status.since is not None else "gone"
        case "expiring":
            text = _expires(status)
        case "moved":
            assert status.moved is not None
            old, new = (value_text("", value) for value in (status.moved.old, status.moved.new))
            text = f"stands for {new} now, for {old} on {_day(since)}"
        case "repriced":
            text = f"{changes_text(status.repriced, {})} since {_day(since)}"
        case "unknown":
            text = "no model with this id was ever known"
        case "there":
            text = "there"
    if status.instead and status.state in ("gone", "expiring"):
        return f"{text}; use {' or '.join(map(_use, status.instead))}"
    return text


def _expires(status: Status) -> str:
    on, days = day_text(status.expiration_date), status.days_left
    if days is None or days < 0:
        return f"was to expire on {on}, still there"
    return f"expires on {on}, {('today', 'tomorrow')[days] if days < 2 else f'in {days} days'}"


def _use(other: Instead) -> str:
    ratio = ", ".join(f"{key} ×{times}" for key, times in other.ratio.items())
    return f"{visible(other.id)} ({REASONS[other.reason]}{'; ' if ratio else ''}{ratio})"


def _day(moment: datetime) -> str:
    return day_text(moment.date().isoformat())


def as_json(scan: Scan, findings: Sequence[Finding], since: datetime) -> dict[str, Any]:
    """Return all that was found, as a document."""
    return {
        "files": scan.files,
        "since": since,
        "complete": not scan.problems,
        "problems": scan.problems,
        "left_out": scan.left_out,
        "hits": [
            {
                "path": found.hit.path,
                "line": found.hit.line,
                **msgspec.to_builtins(found.status),
                "fails": found.fails,
                "text": words(found.status, since),
            }
            for found in findings
        ],
    }


def as_github(scan: Scan, findings: Sequence[Finding], since: datetime) -> Iterator[str]:
    """Yield a workflow command for each thing to show beside the code."""
    commands = {"error": "error", "warning": "warning", "note": "notice"}
    for found in findings:
        if command := commands.get(found.level):
            where = f"file={_property(found.hit.path)},line={found.hit.line},title={_property(found.hit.id)}"
            yield f"::{command} {where}::{_data(f'{found.hit.id}: {words(found.status, since)}')}"
    for problem in scan.problems:
        yield f"::warning::{_data(problem)}"


def _data(text: str) -> str:
    """Escape as https://github.com/actions/toolkit does it, packages/core/src/command.ts."""
    return _UNSEEN.sub("\ufffd", text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def as_sarif(scan: Scan, findings: Sequence[Finding], since: datetime) -> dict[str, Any]:
    """Return the document of SARIF 2.1.0; a model that is as it was has no result."""
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "openrouter-watcher",
                        "version": __version__,
                        "rules": [{"id": rule, "shortDescription": {"text": text}} for rule, text in _RULES.items()],
                    }
                },
                "invocations": [
                    {
                        "executionSuccessful": not scan.problems,
                        "toolExecutionNotifications": [
                            {"level": "error", "message": {"text": problem}} for problem in scan.problems
                        ],
                    }
                ],
                "results": [_result(found, since) for found in findings if found.level != "none"],
            }
        ],
    }


def _result(found: Finding, since: datetime) -> dict[str, Any]:
    artifact = {"uri": quote(found.hit.path)}
    return {
        "ruleId": found.status.state,
        "ruleIndex": list(_RULES).index(found.status.state),
        "level": found.level,
        "message": {"text": f"{found.hit.id}: {words(found.status, since)}"},
        "locations": [
            {"physicalLocation": {"artifactLocation": artifact, "region": {"startLine": found.hit.line}}},
        ],
        "partialFingerprints": {"id/v1": f"{found.status.state} {found.hit.id} {found.hit.path}"},
    }
