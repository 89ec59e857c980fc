"""Prices as CSV: a row for each price and the time in which it held."""

import csv
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from io import StringIO

import msgspec

from watcher.export.periods import Exported, Known, Period, is_number, left_out, split

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
    """Yield the rows of a model by key: a price that stays when another one changes has one row."""
    periods = [(period, _by_key(period)) for period in model.periods]
    for key in dict.fromkeys(key for _, prices in periods for key in prices):
        for value, start, end in _runs(key, periods):
            if at is None or (start <= at and (end is None or end > at)):
                yield _inert(model.id), _inert(key), value, _time(start), _time(end)


def _inert(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def _by_key(period: Period) -> dict[str, str]:
    found = ((f"{key}@{window}" if window else key, value) for key, window, value in split(period.prices))
    return {key: value for key, value in found if is_number(value)}


def _runs(
    key: str, periods: Sequence[tuple[Period, dict[str, str]]]
) -> Iterator[tuple[str, datetime, datetime | None]]:
    """Yield (price, since, until) of a key, periods without a change joined."""
    run: tuple[str, datetime, datetime | None] | None = None
    for period, prices in periods:
        if run is not None and (run[0], run[2]) == (prices.get(key), period.start):
            run = run[0], run[1], period.end
            continue
        if run is not None:
            yield run
        run = (prices[key], period.start, period.end) if key in prices else None
    if run is not None:
        yield run


def _time(moment: datetime | None) -> str:
    return "" if moment is None else str(msgspec.to_builtins(moment.astimezone(UTC)))
