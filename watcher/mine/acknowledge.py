"""Acknowledging a model as it is now: what `watcher ack` and the web page do. `rules.acknowledged` applies it."""

from datetime import datetime
from typing import TYPE_CHECKING

from watcher.catalog.decision import Acknowledgement
from watcher.catalog.event import offer
from watcher.catalog.pricing import headline_keys
from watcher.errors import UsageError
from watcher.messages.prices import label, with_unit
from watcher.messages.text import visible
from watcher.messages.wording import day_text

if TYPE_CHECKING:
    from watcher.store.session import Session


def acknowledge(
    session: "Session", model: str, now: datetime, until: datetime | None, *, price_only: bool = False
) -> Acknowledgement:
    """Acknowledge the prices of a model as they are, and its end; return that. Raises UsageError if it is not there."""
    found, versions = session.history.known(model), session.history.versions(model)
    if not found or not versions:
        raise UsageError(f"no model {visible(model)!r} was ever listed")
    if not found[0].present:
        raise UsageError(f"{visible(model)} is gone already: there is nothing to acknowledge")
    offered = offer(versions[-1].model.facets)
    made = Acknowledgement(now, until, None if price_only else offered.expiration_date, offered.prices)
    session.personal.acknowledge(model, made)
    return made


def describe(made: Acknowledgement) -> str:
    """Return what is acknowledged: `its end on 20 January 2026; prices up to prompt $2.50/M, completion $10/M`."""
    keys = [key for key in headline_keys(made.prices) if key in made.prices]
    prices = ", ".join(f"{label(key)} {with_unit(key, made.prices[key])}" for key in keys)
    parts = (
        f"its end on {day_text(made.expiration_date)}" if made.expiration_date else "",
        f"prices up to {prices}" if prices else "",
        f"until {made.until:%Y-%m-%d %H:%M} UTC" if made.until else "",
    )
    return "; ".join(filter(None, parts))
