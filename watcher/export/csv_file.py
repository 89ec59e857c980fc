"""Prices as CSV: a row for each price and the time in which it held."""

import csv
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from io import StringIO

import msgspec

from watcher.export.periods import Exported, Known, Period, is_number, joined, left_out, split

_COLUMNS = ("model", "key", "price", "valid_from", "valid_until")


def export(models: Sequence[Known], at: datetime | None) -> Exported:
    """Return all prices or, with `at`, those that held then.

    A key is `prompt`, that of a tier `prompt@200000+`, that of a window `prompt@16:30-00:30`.
    """
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for model in models:
        writer.writerows(_rows(model, at))
    return Exported("text/csv; charset=utf-8", text.getvalue(), left_out(models))


def _rows(model: Known, at: datetime | None) -> Iterator[tuple[str, ...]]:
    """Yield the rows of a model by key: a price that stays when another one changes has one row."""
    periods = [(period, _by_key(period)) for period in model.periods]
    for key in dict.fromkeys(key for _, prices in periods for key in prices):
        for period, value in joined((period, prices.get(key)) for period, prices in periods):
            start, end = period.start, period.end
            if value is not None and (at is None or (start <= at and (end is None or end > at))):
                yield _inert(model.id), _inert(key), value, exact_time(start), "" if end is None else exact_time(end)


def _inert(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def _by_key(period: Period) -> dict[str, str]:
    found = ((f"{key}@{window}" if window else key, value) for key, window, value in split(period.prices))
    return {key: value for key, value in found if is_number(value)}


def exact_time(moment: datetime) -> str:
    """Return a moment exactly, in UTC: what held then can be asked for by it."""
    return str(msgspec.to_builtins(moment.astimezone(UTC)))
