"""What has become of models: there, about to go, gone, moved, or dearer; and what to use instead."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from watcher.catalog import event, price
from watcher.catalog.diff import EXPIRATION, TARGETS, differing, is_price_watched
from watcher.catalog.model import Alternative, Facets, FieldChange, Model, PriceChange
from watcher.catalog.policy import Policy
from watcher.catalog.pricing import PRICING, TOKEN_PRICES, is_price, is_tier, price_of
from watcher.catalog.state import ModelState, ModelStates

State = Literal["gone", "expiring", "moved", "repriced", "unknown", "there"]
"""`moved`: the id stands for another model. If several are true, the first."""


class Instead(Alternative, frozen=True):
    """A model that can be called instead, and its price as a multiple of the other's, by key."""

    prices: Mapping[str, str]
    """By key, as in `Offer.prices`."""
    ratio: Mapping[str, str]
    """By key, such as `1.33`; none where a price is free, unknown or varies."""


class Status(Struct, frozen=True):
    """What has become of one id."""

    id: str
    state: State
    name: str | None = None
    since: datetime | None = None
    """For `gone`: when it was seen last."""
    expiration_date: str | None = None
    days_left: int | None = None
    moved: FieldChange | None = None
    """The model behind the id then and now."""
    repriced: Mapping[str, PriceChange] = {}
    """Prices then and now, by key, where they differ materially."""
    prices: Mapping[str, str] = {}
    """Prices now, or the last ones."""
    instead: tuple[Instead, ...] = ()


def statuses(
    ids: Iterable[str], states: ModelStates, then: Mapping[str, Facets], policy: Policy, now: datetime
) -> dict[str, Status]:
    """Return the status of each id. `states` is every known model, `then` the catalogue to compare with."""
    present = {key: state.model for key, state in states.items() if state.present}
    return {
        model: _status(model, states.get(model), present, then.get(model), policy, now) for model in dict.fromkeys(ids)
    }


def _status(
    model: str,
    state: ModelState | None,
    present: Mapping[str, Model],
    then: Facets | None,
    policy: Policy,
    now: datetime,
) -> Status:
    if state is None:
        return Status(model, "unknown")
    facets = state.model.facets
    gone = not state.present and state.listed and not state.is_missing  # not only since the last poll or two
    ends = facets.get(EXPIRATION)
    moved, repriced = (None, {}) if then is None or gone else (_moved(then, facets), _repriced(then, facets, policy))
    is_true: dict[State, object] = {"gone": gone, "expiring": ends, "moved": moved, "repriced": repriced}
    return Status(
        model,
        next((kind for kind, holds in is_true.items() if holds), "there"),
        name=state.model.name,
        since=state.last_seen if gone else None,
        expiration_date=ends,
        days_left=event.days_left(facets, now),
        moved=moved,
        repriced=repriced,
        prices=event.offer(facets).prices,
        instead=tuple(_instead(state.model, present)),
    )


def _moved(then: Facets, now: Facets) -> FieldChange | None:
    for path in TARGETS:
        old, new = then.get(path), now.get(path)
        if None not in (old, new) and old != new:
            return FieldChange(old, new)
    return None


def _repriced(then: Facets, now: Facets, policy: Policy) -> dict[str, PriceChange]:
    paths = [
        path
        for path in filter(is_price, differing(then, now))
        if not (is_tier(path) and (path not in then or path not in now))  # prices that begin to be published
        and is_price_watched(path, policy.prices, then, now)
        and price.is_material(price_of(then, path), price_of(now, path), policy.min_change)
    ]
    return event.price_changes(then, now, paths)


def _instead(model: Model, present: Mapping[str, Model]) -> Iterable[Instead]:
    for other in event.alternatives(model, present.values()):
        facets = present[other.id].facets
        yield Instead(other.id, other.name, other.reason, event.offer(facets).prices, _ratios(model.facets, facets))


def _ratios(ours: Facets, theirs: Facets) -> dict[str, str]:
    found = {}
    for key in TOKEN_PRICES:
        mine, other = (price.usual(price_of(facets, PRICING + key)) for facets in (ours, theirs))
        if {mine, other}.isdisjoint((price.FREE, price.VARIES, price.UNKNOWN)):
            found[key] = price.plain(round(Decimal(other) / Decimal(mine), 2))
    return found
