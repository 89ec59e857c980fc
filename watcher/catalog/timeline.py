"""The history of one model: when it came and went, and every price it had."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from itertools import groupby, pairwise
from typing import Literal

from msgspec import Struct

from watcher.catalog import diff, event
from watcher.catalog.model import Facets, FieldChange, PriceChange
from watcher.catalog.price import UNKNOWN, VARIES, pieces
from watcher.catalog.pricing import PRICING, is_price, price_of

Points = list[tuple[datetime, str | None]]
"""When a price changed, and to what; None: the model was gone."""


class Period(Struct, frozen=True):
    """The facets a model had from `start` until `end` (None: it still has)."""

    start: datetime
    end: datetime | None
    facets: Facets


class Happening(Struct, frozen=True):
    """One turn in a model's history: the prices and other fields that changed; when it appeared, all its prices."""

    at: datetime
    what: Literal["appeared", "repriced", "changed", "gone", "back"]
    prices: dict[str, PriceChange] = {}
    fields: dict[str, FieldChange] = {}


def timeline(periods: Iterable[Period]) -> list[Happening]:
    """Return the turns of a model's history, oldest first; every change counts, material or not."""
    turns: list[Happening] = []
    before: Period | None = None
    for period in periods:
        if before is None:
            offered = event.offer(period.facets).prices
            prices = {key: PriceChange(None, new) for key, new in offered.items()}
            turns.append(Happening(period.start, "appeared", prices))
        else:
            paths = sorted(diff.differing(before.facets, period.facets))
            prices = event.price_changes(before.facets, period.facets, filter(is_price, paths))
            others = [path for path in paths if diff.is_watched(path) or path in (*diff.TARGETS, diff.EXPIRATION)]
            fields = event.field_changes(before.facets, period.facets, others)
            if before.end is not None and before.end < period.start:
                turns += [Happening(before.end, "gone"), Happening(period.start, "back", prices, fields)]
            elif prices or fields:
                turns.append(Happening(period.start, "repriced" if prices else "changed", prices, fields))
        before = period
    if before is not None and before.end is not None:
        turns.append(Happening(before.end, "gone"))
    return turns


def price_series(periods: Iterable[Period], key: str, *, since: datetime | None, until: datetime) -> Points:
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


def step_lines(points: Points) -> list[list[tuple[datetime, Decimal]]]:
    """Return lines of corners, since a price holds until the next point; one that varies or is unknown has none.

    A price by time of day has one line for each of its prices, which run together where there is one price.
    """
    parsed = {price: sorted({Decimal(one) for one in _amounts(price)}) for price in {price for _, price in points}}
    levels = [(at, parsed[price]) for at, price in points]
    lines: list[list[tuple[datetime, Decimal]]] = []
    for number in range(max((len(found) for _, found in levels), default=0)):
        drawing = False
        for (at, found), (following, _) in pairwise([*levels, levels[-1]]):
            if found:
                if not drawing:
                    lines.append([])
                price = found[min(number, len(found) - 1)]
                lines[-1] += [(at, price), (following, price)]
            drawing = bool(found)
    return lines


def _amounts(price: str | None) -> list[str]:
    amounts = [] if price is None else [amount for _, amount in pieces(price)]
    return [amount for amount in amounts if amount not in (VARIES, UNKNOWN)]
