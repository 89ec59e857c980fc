"""OpenRouter's record of activity: the CSV of its activity page, a row a request, or the JSON of its activity call.

file → rows → what was used under each name, and on how many days → the tokens of a month of each known model

Only sums are kept: neither keys, users and apps nor costs.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from io import BufferedReader, TextIOWrapper
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from watcher.catalog.diff import CANONICAL_SLUG
from watcher.catalog.model import Tokens
from watcher.catalog.state import ModelStates
from watcher.errors import UsageError
from watcher.messages.text import visible
from watcher.mine.ids import meant

MONTH = 30
"""Days to which the activity is scaled. The activity call answers with as many, or with one that was asked for.

Source: https://openrouter.ai/docs/api/api-reference/analytics/get-user-activity-grouped-by-endpoint
"""
_JSON_LIMIT = 64 * 1024 * 1024
_LINE_LIMIT = 1024 * 1024
_MOST = 10**15
"""Tokens beyond which a number is a mistake."""

_COLUMNS = {
    "prompt": ("tokens_prompt", "prompt_tokens"),
    "completion": ("tokens_completion", "completion_tokens"),
    "cached": ("tokens_cached",),
    "requests": ("requests",),
}
"""Field of `Tokens` → what the CSV and the JSON call it."""
_DATES = ("created_at", "date")
_STANDARD = ("", "standard")


Names = tuple[str, str]
"""What the record calls a model: by its id (in the CSV, by its slug) and by its slug, both with the variant."""


class Activity(Struct, frozen=True):
    """What a record says."""

    days: int
    """From its first day to its last one; of the activity call, which leaves out days without activity, all."""
    tokens: Mapping[Names, Tokens]
    """In all these days."""


def read_activity(file: BufferedReader) -> Activity:
    """Return what a record of activity says. Raises UsageError if it is none, or any of it cannot be understood."""
    start = file.peek(1024).lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    sums: dict[Names, Tokens] = defaultdict(Tokens)
    days: set[date] = set()
    is_json = start in (b"{", b"[")
    for where, row in _json_rows(file) if is_json else _csv_rows(file):
        days.add(_day(where, row))
        sums[_names(where, row)] += _tokens(where, row)
    if not days:
        raise UsageError("there is no activity in the file; nothing was imported")
    if any(number > _MOST for tokens in sums.values() for number in astuple(tokens)):
        raise UsageError(f"one model has more than {_MOST:,} tokens; nothing was imported")
    span = (max(days) - min(days)).days + 1
    return Activity(max(span, MONTH) if is_json and span > 1 else span, sums)


def monthly(activity: Activity, states: ModelStates) -> tuple[dict[str, Tokens], list[str]]:
    """Return the tokens of a month by id, and the names that belong to no known model."""
    known: dict[str, str] = {}
    for model_id, state in sorted(states.items(), key=lambda item: (not item[1].present, len(item[0]), item[0])):
        if not model_id.startswith("~") and (slug := state.model.facets.get(CANONICAL_SLUG)):
            _, colon, variant = model_id.partition(":")
            known.setdefault(slug.partition(":")[0] + colon + variant, model_id)
    known |= {model_id: model_id for model_id in states}
    sums: dict[str, Tokens] = defaultdict(Tokens)
    unknown: list[str] = []
    for names, tokens in activity.tokens.items():
        ids = [known[name] for name in (meant(written, known) for written in names) if name in known]
        if ids:
            sums[ids[0]] += tokens
        else:
            unknown.append(names[0])
    month = Fraction(MONTH, activity.days)
    return {model: tokens.share(month) for model, tokens in sums.items()}, unknown


def _csv_rows(file: BufferedReader) -> Iterator[tuple[str, Mapping[str, Any]]]:
    reader = csv.DictReader(_lines(file), strict=True)
    try:
        _check_columns(reader.fieldnames or ())
        for row in reader:
            if None in row or None in row.values():
                raise UsageError(f"line {reader.line_num}: its number of columns is wrong; nothing was imported")
            yield f"line {reader.line_num}", row
    except UnicodeDecodeError:
        raise UsageError(f"after line {reader.line_num}: the file is not UTF-8; nothing was imported") from None
    except csv.Error as error:
        raise UsageError(f"line {reader.line_num}: this is no CSV ({error}); nothing was imported") from None


def _lines(file: BufferedReader) -> Iterator[str]:
    text = TextIOWrapper(file, "utf-8-sig", newline="")
    while line := text.readline(_LINE_LIMIT):
        if len(line) == _LINE_LIMIT:
            raise UsageError(f"a line has more than {_LINE_LIMIT:,} characters; nothing was imported")
        yield line


def _check_columns(names: Iterable[str], where: str = "") -> None:
    for alternatives in (("model_permaslug", "model"), _COLUMNS["prompt"], _COLUMNS["completion"], _DATES):
        if set(alternatives).isdisjoint(names):
            raise UsageError(
                f"{where}this is neither the CSV of OpenRouter's activity page nor the JSON of its activity call: "
                f"there is no column {alternatives[0]}; nothing was imported"
            )


def _json_rows(file: BufferedReader) -> Iterator[tuple[str, Mapping[str, Any]]]:
    body = file.read(_JSON_LIMIT + 1)
    if len(body) > _JSON_LIMIT:
        raise UsageError(f"the file is larger than {_JSON_LIMIT // 1024**2} MiB; nothing was imported")
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        raise UsageError("this is no JSON, or it is cut off; nothing was imported") from None
    rows = document.get("data") if isinstance(document, dict) else document
    if not isinstance(rows, list):
        raise UsageError("this is not the JSON of OpenRouter's activity call: it has no list `data`")
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise UsageError(f"entry {number}: it is no object; nothing was imported")
        _check_columns(row, f"entry {number}: ")
        yield f"entry {number}", row


def _tokens(where: str, row: Mapping[str, Any]) -> Tokens:
    counts = {field: _count(where, row, names) for field, names in _COLUMNS.items()}
    if set(_COLUMNS["requests"]).isdisjoint(row):  # the CSV has a row for each request
        counts["requests"] = 1
    return Tokens(**counts)


def _count(where: str, row: Mapping[str, Any], names: Iterable[str]) -> int:
    name, value = next(((name, row[name]) for name in names if row.get(name) not in (None, "")), ("", 0))
    try:
        number = Decimal(str(value)[:40])
    except InvalidOperation:
        number = Decimal("NaN")
    if isinstance(value, bool) or not number.is_finite() or not 0 <= number <= _MOST or number != int(number):
        raise UsageError(f"{where}: {name} is no number of tokens: {visible(value, 40)}; nothing was imported")
    return int(number)


def _day(where: str, row: Mapping[str, Any]) -> date:
    written = next((row[name] for name in _DATES if row.get(name)), "")
    try:
        return date.fromisoformat(str(written)[:10])
    except ValueError:
        raise UsageError(f"{where}: {visible(written, 40) or 'nothing'} is no date; nothing was imported") from None


def _names(where: str, row: Mapping[str, Any]) -> Names:
    id, slug, variant = (str(row.get(key) or "").strip() for key in ("model", "model_permaslug", "variant"))
    if not id and not slug:
        raise UsageError(f"{where}: it names no model; nothing was imported")
    id, _, of_id = id.partition(":")
    slug, _, of_slug = slug.partition(":")
    variant = ("" if variant in _STANDARD else variant) or of_id or of_slug
    ending = f":{variant}" if variant else ""
    return (id or slug) + ending, (slug or id) + ending
