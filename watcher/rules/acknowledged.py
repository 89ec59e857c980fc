"""Which alerts are no news, because the user has acknowledged as much.

Once the end of a model and its prices are acknowledged, that same end is no news for any channel, and neither is a
price that is no higher. Another end is news, and so is that the model has expired.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from watcher.catalog.decision import Acknowledgement
from watcher.catalog.model import Event, PriceChange
from watcher.catalog.price import UNKNOWN, VARIES
from watcher.catalog.pricing import split_window


def holds(known: Acknowledgement, now: datetime) -> bool:
    """Whether an acknowledgement has not lapsed."""
    return known.until is None or now < known.until


def is_known_end(known: Acknowledgement | None, event: Event) -> bool:
    """Whether the event tells of just the acknowledged end: as a reminder, or because it was set again."""
    if known is None or known.expiration_date is None or event.kind != "expiring" or event.offer is None:
        return False
    return event.offer.expiration_date == known.expiration_date


def are_known_prices(known: Acknowledgement, changes: Mapping[str, PriceChange]) -> bool:
    """Whether no price has risen above the acknowledged one."""
    return all(_is_known(known.prices, key, change.new) for key, change in changes.items())


def _is_known(prices: Mapping[str, str], key: str, price: str | None) -> bool:
    known = prices.get(key, prices.get(split_window(key)[0]))  # a new window is measured by the usual price
    if known is None or price is None:
        return False
    unordered = {VARIES, UNKNOWN}
    return price == known or (unordered.isdisjoint((price, known)) and Decimal(price) <= Decimal(known))
