"""The history of one model: when it came and went, and every price it had."""

from collections.abc import Iterable
from datetime import datetime
from itertools import groupby
from typing import Literal

from msgspec import Struct

from watcher.catalog import diff, event
from watcher.catalog.model import Facets, PriceChange
from watcher.catalog.pricing import PRICING, is_price, price_of


class Period(Struct, frozen=True):
    """The facets a model had from `start` until `end` (None: it still has)."""

    start: datetime
    end: datetime | None
    facets: Facets


class Happening(Struct, frozen=True):
    """One turn in a model's history; `prices` are those that changed then, or all of them when it appeared."""

    at: datetime
    what: Literal["appeared", "repriced", "gone", "back"]
    prices: dict[str, PriceChange]


def timeline(periods: Iterable[Period]) -> list[Happening]:
    """Return the turns of a model's history, oldest first; every price change counts, material or not."""
    turns: list[Happening] = []
    before: Period | None = None
    for period in periods:
        if before is None:
            offered = event.offer(period.facets).prices
            prices = {key: PriceChange(None, new) for key, new in offered.items()}
            turns.append(Happening(period.start, "appeared", prices))
        else:
            paths = filter(is_price, diff.differing(before.facets, period.facets))
            prices = event.price_changes(before.facets, period.facets, paths)
            if before.end is not None and before.end < period.start:
                turns += [Happening(before.end, "gone", {}), Happening(period.start, "back", prices)]
            elif prices:
                turns.append(Happening(period.start, "repriced", prices))
        before = period
    if before is not None and before.end is not None:
        turns.append(Happening(before.end, "gone", {}))
    return turns


def price_series(
    periods: Iterable[Period], key: str, *, since: datetime | None, until: datetime
) -> list[tuple[datetime, str | None]]:
    """Return the moments at which a price changed, with the new price; None from when the model was gone.

    The last point is at `until`, so that the last price has a length. With `since`, the first point is there.
    """
    points: dict[datetime, str | None] = {}
    for period in periods:
        points[period.start] = price_of(period.facets, PRICING + key)
        if period.end is not None:
            points[period.end] = None
    if since is not None:
        before = [price for at, price in points.items() if at <= since]
        later = {at: price for at, price in points.items() if at > since}
        points = {since: before[-1], **later} if before else later
    turns = [next(same) for _, same in groupby(points.items(), key=lambda point: point[1])]
    return [*turns, (until, turns[-1][1])] if turns else []
