"""Prices with their time: since when and until when a model charged what."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from watcher.catalog import price
from watcher.catalog.model import Facets
from watcher.catalog.pricing import PRICE_KEYS, prices_of
from watcher.store.history import Version
from watcher.store.past import Past

T = TypeVar("T")


class Exported(NamedTuple):
    """An export: its media type, its text, and remarks about what the format has no place for."""

    content_type: str
    text: str
    remarks: Sequence[str]


def as_json(document: object, remarks: Sequence[str], indent: int) -> Exported:
    """Return an export as JSON, its decimals as numbers."""
    text = msgspec.json.format(_ENCODER.encode(document), indent=indent).decode()
    return Exported("application/json", f"{text}\n", remarks)


_ENCODER = msgspec.json.Encoder(decimal_format="number")


class Period(Struct, frozen=True):
    """The prices of a model from `start` until `end`; None: they still hold."""

    start: datetime
    end: datetime | None
    prices: Mapping[str, str]
    """By key, `prompt` or `prompt@200000+`: canonical prices, see `price`."""
    name: str


class Known(Struct, frozen=True):
    """A model and all that it charged, oldest first."""

    id: str
    periods: Sequence[Period]
    facets: Facets
    """The normal form of the last one."""


def known(past: Past, at: datetime | None, since: datetime | None) -> Iterator[Known]:
    """Yield every model with what was known of it at a moment (None: now), and held at `since` or later."""
    for model_id, versions in groupby(past.versions(), key=lambda version: version.model.id):
        periods, facets = periods_of(versions, at)
        kept = [period for period in periods if since is None or period.end is None or period.end > since]
        if kept:
            yield Known(model_id, kept, facets)


def periods_of(versions: Iterable[Version], at: datetime | None) -> tuple[list[Period], Facets]:
    """Return a period for each time in which no price changed, and the last normal form; from one model's versions."""
    found: list[Period] = []
    facets: Facets = {}
    for version in versions:
        if at is not None and version.valid_from > at:
            break
        end = None if at is not None and version.valid_to is not None and version.valid_to > at else version.valid_to
        facets = version.model.facets
        found.append(Period(version.valid_from, end, _prices(version), version.model.name))
    return [period for period, _ in joined((period, period.prices) for period in found)], facets


def joined(pairs: Iterable[tuple[Period, T]]) -> list[tuple[Period, T]]:
    """Return periods with what held in each; neighbours in which the same held are one."""
    found: list[tuple[Period, T]] = []
    for period, held in pairs:
        if found and found[-1][1] == held and found[-1][0].end == period.start:
            found.append((replace(period, start=found.pop()[0].start), held))
        else:
            found.append((period, held))
    return found


def _prices(version: Version) -> dict[str, str]:
    """Return the prices of a version. The normal form leaves out optional prices of zero; here they are zero."""
    prices = prices_of(version.model.facets)
    given = msgspec.json.decode(version.raw, type=_Priced).pricing
    for key in given if isinstance(given, dict) else ():
        if key not in prices and key in PRICE_KEYS and _is_zero(given[key]):
            prices[key] = price.FREE
    return prices


class _Priced(Struct):
    pricing: Any = None


def _is_zero(value: object) -> bool:
    try:
        return price.canonical(value) == price.FREE
    except ValueError:
        return False


def split(prices: Mapping[str, str]) -> Iterator[tuple[str, str | None, str]]:
    """Yield (key, window, price) for each price; the window is None for the price around all windows."""
    for key, value in prices.items():
        yield key, None, price.usual(value)
        if price.is_schedule(value):
            for window, other in price.windows(value):
                if other != price.usual(value):
                    yield key, window, other


def left_out(models: Iterable[Known]) -> list[str]:
    """Return a remark for the models whose prices vary, and for those whose prices are not known."""
    words = {
        price.VARIES: "the price depends on the model that a router chooses",
        price.UNKNOWN: "the price is not known",
    }
    found = {
        word: sorted({model.id for model in models for period in model.periods if word in period.prices.values()})
        for word in words
    }
    return [f"left out, as {words[word]}: {', '.join(ids)}" for word, ids in found.items() if ids]


def is_number(value: str) -> bool:
    """Whether a price that is no schedule is a number."""
    return value not in (price.VARIES, price.UNKNOWN)
