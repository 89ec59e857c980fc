"""Prices in the shape of simonw's llm-prices: `current-v1.json` for a moment, `historical-v1.json` for all times."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from watcher.catalog import price
from watcher.export.periods import Exported, Known, Period, as_json, is_number, joined, left_out

_FIELDS = {"input": "prompt", "output": "completion", "input_cached": "input_cache_read"}


def export(models: Sequence[Known], at: datetime | None) -> Exported:
    """Return every price with the days on which it held or, with `at`, those that held then. USD per million tokens.

    A price that did not hold at the end of a day has no place in the format; nor have tiers, windows and other keys.
    """
    remarks = left_out(models)
    prices: list[dict[str, Any]] = []
    for model in models:
        about = {"id": model.id, "vendor": model.id.removeprefix("~").partition("/")[0]}
        for period, values in _priced(model):
            name = {"name": period.name}
            if at is not None:
                if period.end is None:
                    prices.append({**about, **name, **values})
            elif period.end is None or period.end.date() > period.start.date():
                days = {"from_date": _day(period.start), "to_date": _day(period.end)}
                prices.append({**about, **name, **values, **days})
            else:
                said = ", ".join(f"{field} {value}" for field, value in values.items() if value is not None)
                remarks.append(f"{model.id}: left out, as it held for less than a day: {said} on {_day(period.start)}")
        others = sorted(_without_place(model))
        if others:
            remarks.append(f"{model.id}: the format has no place for {', '.join(others)}")
    document: dict[str, Any] = {"prices": prices}
    if at is not None:
        document = {"updated_at": _day(at), **document}
    if remarks:
        document["remarks"] = remarks
    return as_json(document, remarks, indent=2)


def _priced(model: Known) -> Iterator[tuple[Period, dict[str, Decimal | None]]]:
    """Yield the periods in which the prices that have a place stayed the same, with these prices."""
    for period, values in joined((period, _values(period)) for period in model.periods):
        if values["input"] is not None and values["output"] is not None:
            yield period, values


def _values(period: Period) -> dict[str, Decimal | None]:
    usual = {field: price.usual(period.prices.get(key, price.UNKNOWN)) for field, key in _FIELDS.items()}
    return {
        field: Decimal(price.plain(Decimal(value) * 1_000_000)) if is_number(value) else None
        for field, value in usual.items()
    }


def _without_place(model: Known) -> set[str]:
    keys = {key for period in model.periods for key, value in period.prices.items() if value != price.FREE}
    timed = {key for period in model.periods for key, value in period.prices.items() if price.is_schedule(value)}
    return {*(keys - {*_FIELDS.values()}), *(f"the times of {key}" for key in timed)}


def _day(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%d}"
