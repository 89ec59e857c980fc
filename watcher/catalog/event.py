"""How each kind of event is made from what is known of a model."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from hashlib import blake2b
from typing import Any, Literal
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from watcher.catalog import price
from watcher.catalog.diff import CANONICAL_SLUG, Pending
from watcher.catalog.model import Alternative, Event, Facets, FieldChange, Kind, Mark, Model, Offer, PriceChange
from watcher.catalog.pricing import PRICING, TOKEN_PRICES, is_free, is_price, price_of, prices_of

SITE = "https://openrouter.ai/"
_REMARK = re.compile(r"\s*\([^()]*\)$")


def model_event(kind: Kind, model: Model, now: datetime, since: datetime, **details: Any) -> Event:
    """Return an event about one model, with what it offers now; `details` are further attributes of `Event`."""
    event = Event(
        id="",
        kind=kind,
        model=model.id,
        name=model.name,
        at=now,
        since=since,
        url=SITE + quote(model.id, safe="/:~"),
        offer=offer(model.facets),
        **details,
    )
    return _identified(event)


def source_event(kind: Kind, now: datetime, since: datetime, detail: str) -> Event:
    """Return an event about the source as a whole."""
    return _identified(Event(id="", kind=kind, model=None, name="OpenRouter", at=now, since=since, detail=detail))


def undelivered_event(channel: str, alerts: int, error: str, now: datetime, since: datetime) -> Event:
    """Return an event that tells that so many alerts for a channel, the oldest queued at `since`, were given up."""
    lost = "1 alert" if alerts == 1 else f"{alerts} alerts"
    detail = f"{lost} could not be delivered: {error}"
    return _identified(Event(id="", kind="undelivered", model=None, name=channel, at=now, since=since, detail=detail))


def heartbeat_event(models: int, changes: int, trouble: str | None, now: datetime, since: datetime) -> Event:
    """Return an event that tells that so many models are watched, and changed so often since `since`.

    `trouble`: what is wrong with the source, if anything is.
    """
    watched = "1 model" if models == 1 else f"{models:,} models"
    changed = {0: "no change", 1: "1 change"}.get(changes, f"{changes:,} changes")
    detail = f"Watched {watched}, {changed} since the last one."
    if trouble is not None:
        detail += f" But the last poll was not good: {trouble}"
    return source_event("alive", now, since, detail)


def catalogue_event(now: datetime, since: datetime, fields: Mapping[str, FieldChange], details: Iterable[str]) -> Event:
    """Return the one `changed` event that stands for the same change on many models."""
    event = Event(
        id="",
        kind="changed",
        model=None,
        name="The whole catalogue",
        at=now,
        since=since,
        url=SITE + "models",
        fields=dict(fields),
        detail="; ".join(details),
    )
    return _identified(event)


def _identified(event: Event) -> Event:
    """Return the event with an id made of all it says: judging the same history again gives the same ids."""
    digest = blake2b(msgspec.json.encode(event, order="deterministic"), digest_size=8)
    return replace(event, id=digest.hexdigest())


def offer(facets: Facets) -> Offer:
    """Return what a model with these facets offers; of a schedule, the usual price as well as the windows."""
    prices: dict[str, str] = {}
    for path in sorted(path for path in facets if is_price(path)):
        for window, value in ((None, price.usual(facets[path])), *price.windows(facets[path])):
            if value != price.UNKNOWN:
                prices[_key(path, window)] = value
    return Offer(
        context_length=_whole(facets.get("context_length")),
        max_completion_tokens=_whole(facets.get("top_provider.max_completion_tokens")),
        input_modalities=tuple(facets.get("architecture.input_modalities", ())),
        output_modalities=tuple(facets.get("architecture.output_modalities", ())),
        supported_parameters=tuple(facets.get("supported_parameters", ())),
        prices=prices,
        expiration_date=facets.get("expiration_date"),
    )


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _key(path: str, window: str | None) -> str:
    key = path.removeprefix(PRICING)
    return f"{key}@{window}" if window else key


def price_changes(before: Facets, after: Facets, paths: Iterable[str]) -> dict[str, PriceChange]:
    """Return the changes of the prices at `paths`, by key; each time of day and each tier has a key of its own."""
    return {
        _key(path, step.window): PriceChange(step.old, step.new, price.percent(step.old, step.new))
        for path in sorted(paths)
        for step in price.steps(price_of(before, path), price_of(after, path))
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


def repeated(times: int, within: timedelta) -> str:
    """Return a sentence that tells a change from the first of its kind."""
    last = "th" if times % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(times % 10, "th")
    days = within / timedelta(days=1)
    return f"{times}{last} change in {days:g} days."


def field_changes(pending: Mapping[str, Pending], after: Facets, paths: Iterable[str]) -> dict[str, FieldChange]:
    """Return the changes of other facets, by the name of the field."""
    return {path.removesuffix(".slug"): FieldChange(pending[path].announced, after.get(path)) for path in sorted(paths)}


def days_left(expiration_date: object, now: datetime) -> int | None:
    """Return the whole days (UTC) until the date, or None where there is none that can be read."""
    try:
        return (date.fromisoformat(str(expiration_date)[:10]) - now.date()).days
    except ValueError:
        return None


def alternatives(model: Model, others: Iterable[Model], limit: int = 3) -> tuple[Alternative, ...]:
    """Return what can be called instead of a model that is gone, best first.

    That is a variant of the same id, or another id with the same `canonical_slug` or the same weights on Hugging Face.
    One with the same name is likely to be something else, so it counts only where there is nothing better.
    """
    found = [
        (rank, other.id, other.name, reason)
        for other in others
        if other.id != model.id
        for rank, reason in enumerate(_REASONS)
        if _is_alternative(reason, model, other)
    ]
    best: dict[str, Alternative] = {}
    for _, other_id, name, reason in sorted(found):
        best.setdefault(other_id, Alternative(other_id, name, reason))
    sure = [other for other in best.values() if other.reason != "same_name"]
    return tuple(sure or best.values())[:limit]


_Reason = Literal["variant", "same_model", "same_weights", "same_name"]
_REASONS: Sequence[_Reason] = ("variant", "same_model", "same_weights", "same_name")


def _is_alternative(reason: _Reason, model: Model, other: Model) -> bool:
    if reason == "variant":
        return other.id.partition(":")[0] == model.id.partition(":")[0]
    if reason == "same_name":
        return _bare_name(other) == _bare_name(model)
    path = CANONICAL_SLUG if reason == "same_model" else "hugging_face_id"
    value = model.facets.get(path)
    return value is not None and other.facets.get(path) == value


def _bare_name(model: Model) -> str:
    """Return the name without the author before it and a remark in parentheses (`(free)`, a date) behind it."""
    return _REMARK.sub("", model.name.casefold()).rpartition(": ")[2].strip()
