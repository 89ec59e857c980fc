"""Prices as CSV: a row for each price and the time in which it held."""

import csv
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from io import StringIO

from watcher.export.periods import Exported, Known, is_number, left_out, split

COLUMNS = ("model", "key", "price", "valid_from", "valid_until")


def export(models: Sequence[Known], at: datetime | None) -> Exported:
    """Return all prices or, with `at`, those that held then.

    A key is `prompt`, that of a tier `prompt@200000+`, that of a window `prompt@16:30-00:30`.
    """
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for model in models:
        writer.writerows(_rows(model, at))
    return Exported("text/csv; charset=utf-8", text.getvalue(), left_out(models))


def _rows(model: Known, at: datetime | None) -> Iterator[tuple[str, ...]]:
    """Yield the rows of a model: a price that does not change when another one does has one row."""
    running: dict[str, tuple[str, datetime, datetime | None]] = {}
    for period in model.periods:
        now = {
            key if window is None else f"{key}@{window}": value
            for key, window, value in split(period.prices)
            if is_number(value)
        }
        for key in list(running):
            value, start, end = running[key]
            if now.get(key) != value or end != period.start:
                yield from _row(model, key, *running.pop(key), at)
        for key, value in now.items():
            start = running[key][1] if key in running else period.start
            running[key] = value, start, period.end
    for key, (value, start, end) in running.items():
        yield from _row(model, key, value, start, end, at)


def _row(
    model: Known, key: str, value: str, start: datetime, end: datetime | None, at: datetime | None
) -> Iterator[tuple[str, ...]]:
    if at is None or (start <= at and (end is None or end > at)):
        yield model.id, key, value, _time(start), _time(end)


def _time(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
