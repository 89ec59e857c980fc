"""Making events of each kind, and the parts that they are made of."""

import re
from collections.abc import Iterable
from datetime import date, datetime
from hashlib import blake2b
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from watcher.catalog import price
from watcher.catalog.diff import CANONICAL_SLUG, EXPIRATION
from watcher.catalog.model import Alternative, Event, Facets, FieldChange, Kind, Mark, Model, Offer, PriceChange, Reason
from watcher.catalog.pricing import PRICING, TOKEN_PRICES, is_free, is_price, price_of, prices_of

SITE = "https://openrouter.ai/"
REMARK = re.compile(r"(?<!\s)\s*\([^()]*\)$")
"""What a name says in parentheses at its end, such as ` (free)`."""


def make_event(**fields: Any) -> Event:
    """Return an event whose id is a digest of its content: judging the same history again gives the same ids."""
    event = Event(id="", **fields)
    digest = blake2b(msgspec.json.encode(event, order="deterministic"), digest_size=8)
    return replace(event, id=digest.hexdigest())


def model_event(kind: Kind, model: Model, now: datetime, since: datetime, **details: Any) -> Event:
    """Return an event about one model; `details` are further attributes of `Event`, and replace its present offer."""
    url = SITE + quote(model.id, safe="/:~")
    details = {"offer": offer(model.facets), **details}
    return make_event(kind=kind, model=model.id, name=model.name, at=now, since=since, url=url, **details)


def source_event(kind: Kind, now: datetime, since: datetime, detail: str) -> Event:
    """Return an event about the source as a whole."""
    return make_event(kind=kind, model=None, name="OpenRouter", at=now, since=since, detail=detail)


def undelivered_event(channel: str, alerts: int, error: str, now: datetime, since: datetime) -> Event:
    """Return the event for alerts of a channel that were given up; the oldest was queued at `since`."""
    detail = f"{'1 alert' if alerts == 1 else f'{alerts} alerts'} could not be delivered: {error}"
    return make_event(kind="undelivered", model=None, name=channel, at=now, since=since, detail=detail)


def heartbeat_event(models: int, changes: int, trouble: str | None, now: datetime, since: datetime) -> Event:
    """Return a heartbeat: the number of models watched, the changes since `since`, and any `trouble` of the source."""
    watched = "1 model" if models == 1 else f"{models:,} models"
    changed = {0: "no change", 1: "1 change"}.get(changes, f"{changes:,} changes")
    detail = f"Watched {watched}, {changed} since the last one."
    if trouble is not None:
        detail += f" But the last poll was not good: {trouble}"
    return source_event("alive", now, since, detail)


def offer(facets: Facets) -> Offer:
    """Return what a model with these facets offers; of a schedule, the usual price as well as the windows."""
    prices: dict[str, str] = {}
    for path in sorted(filter(is_price, facets)):
        for window, value in ((None, price.usual(facets[path])), *price.windows(facets[path])):
            if value != price.UNKNOWN:
                prices[_key(path, window)] = value
    return Offer(
        context_length=facets.get("context_length"),
        max_completion_tokens=facets.get("top_provider.max_completion_tokens"),
        input_modalities=tuple(facets.get("architecture.input_modalities", ())),
        output_modalities=tuple(facets.get("architecture.output_modalities", ())),
        supported_parameters=tuple(facets.get("supported_parameters", ())),
        prices=prices,
        expiration_date=facets.get(EXPIRATION),
    )


def _key(path: str, window: str | None) -> str:
    key = path.removeprefix(PRICING)
    return f"{key}@{window}" if window else key


def price_changes(before: Facets, after: Facets, paths: Iterable[str]) -> dict[str, PriceChange]:
    """Return the changes of the prices at `paths`, by key; each time of day and each tier has a key of its own."""
    return {
        _key(path, window): PriceChange(old, new, price.percent(old, new))
        for path in sorted(paths)
        for window, old, new in price.steps(price_of(before, path), price_of(after, path))
    }


def price_details(before: Facets, after: Facets, paths: Iterable[str]) -> dict[str, Any]:
    """Return the attributes of an event that tell of the changes of the prices at `paths`."""
    prices = price_changes(before, after, paths)
    return {
        "prices": prices,
        "direction": price.direction_of(prices.values()),
        "marks": price_marks(before, after),
    }


def price_marks(before: Facets, after: Facets) -> tuple[Mark, ...]:
    """Return what the change of prices means: the model became free, paid or variable."""
    old, new = ([price_of(facets, PRICING + key) for key in TOKEN_PRICES] for facets in (before, after))
    if price.VARIES in new and price.VARIES not in old:
        return ("became_variable",)
    was_free, free = (is_free(prices_of(facets)) for facets in (before, after))
    if was_free != free and price.UNKNOWN not in "".join([*old, *new]):
        return ("became_free",) if free else ("became_paid",)
    return ()


def field_changes(before: Facets, after: Facets, paths: Iterable[str]) -> dict[str, FieldChange]:
    """Return the changes of other facets, by the name of the field."""
    return {path.removesuffix(".slug"): FieldChange(before.get(path), after.get(path)) for path in sorted(paths)}


def days_left(facets: Facets, now: datetime) -> int | None:
    """Return the whole days (UTC) until the model's expiration date, or None where it has none."""
    ends = facets.get(EXPIRATION)
    return None if ends is None else (date.fromisoformat(ends) - now.date()).days


def alternatives(model: Model, others: Iterable[Model], limit: int = 3) -> tuple[Alternative, ...]:
    """Return what can be called instead of an expired model, best first.

    That is a variant of the same id, or another id with the same `canonical_slug` or the same weights on Hugging Face.
    One with the same name is likely to be something else, so it counts only where there is nothing better.
    """
    candidates = [(other, _traits(other)) for other in sorted(others, key=lambda other: other.id)]
    best: dict[str, Alternative] = {}
    for reason, shared in _traits(model).items():
        for other, traits in candidates:
            if other.id != model.id and shared is not None and traits[reason] == shared:
                best.setdefault(other.id, Alternative(other.id, other.name, reason))
    sure = [other for other in best.values() if other.reason != "same_name"]
    return tuple(sure or best.values())[:limit]


def _traits(model: Model) -> dict[Reason, object]:
    """Return what an alternative has in common with the model, by reason, the best one first."""
    return {
        "variant": model.base_id,
        "same_model": model.facets.get(CANONICAL_SLUG),
        "same_weights": model.facets.get("hugging_face_id"),
        # Without the author before it, and without a remark behind it: `(free)`, a date.
        "same_name": REMARK.sub("", model.name.casefold()).rpartition(": ")[2].strip(),
    }
