"""The endpoints of a model, one for each provider that offers it: read, and judged as the models of the list are.

answer → read_endpoints → Endpoints → decide_endpoints → states, events      one answer a model

An endpoint's state is that of a model with the id `MODEL TAG`, such as `z-ai/glm-5.2 novita/fp8`. Everything about it
settles as a price does, since a provider that comes and goes within hours is no news. What is measured of it (status,
uptime, latency) is recorded, and never news.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from watcher.catalog import event
from watcher.catalog.announce import announce
from watcher.catalog.model import QUANTIZATIONS, Event, Kind, Model, Provider
from watcher.catalog.observe import observe
from watcher.catalog.pricing import PRICING, TOKEN_PRICES, price_of, read_pricing
from watcher.catalog.reading import Entry, Snapshot, UnreadableError, decode_body, digest
from watcher.catalog.settle import Moment
from watcher.catalog.state import ModelState, ModelStates
from watcher.catalog.values import clean

NOT_WATCHED = timedelta(days=7)
"""A model that was not asked about for so long, although the list was read, starts anew: nothing of it is news."""

_MOST = 200
"""Endpoints of one model; real ones have up to 27."""
_MAX_NAME = 100
_NAMED = 3
"""Providers that a sentence names."""
_ABOUT = timedelta(hours=2)
"""Endpoints are asked for once an hour."""
_KINDS: Mapping[Kind, Kind] = {
    "new": "provider_added",
    "returned": "provider_added",
    "expired": "provider_gone",
    "repriced": "provider_repriced",
}


class Endpoints(Struct, frozen=True):
    """One answer about the endpoints of a model, or why there is none."""

    model: str
    snapshot: Snapshot | None = None
    measured: dict[str, dict[str, Any]] = {}
    """Tag → status, uptime and the like, as they came."""
    error: str | None = None


class Asked(Struct, frozen=True):
    """When a model's endpoints were asked for."""

    asked: datetime
    answered: datetime | None = None
    """When they came last."""
    error: str | None = None
    """Why they did not come, if they were asked for later."""


class _Details(Struct):
    endpoints: list[Any]


class _Body(Struct):
    data: _Details


_body_decoder = msgspec.json.Decoder(_Body)


def read_endpoints(model: str, body: bytes) -> Endpoints:
    """Return the endpoints in an answer about a model.

    Endpoints with the same tag are told apart by their place among them by price: `together`, `together#2`.

    Raises UnreadableError: it is not the promised answer, or an endpoint says neither its tag nor its provider. Then
    nothing is concluded from it, because it is not known which endpoint is missing.
    """
    listed = decode_body(body, _body_decoder).data.endpoints
    if len(listed) > _MOST:
        raise UnreadableError(f"it has {len(listed)} endpoints, more than the {_MOST} that are read")
    by_tag: dict[str, list[dict[str, Any]]] = {}
    for endpoint in listed:
        tag = _tag(endpoint) if isinstance(endpoint, dict) else ""
        if not tag:
            raise UnreadableError("an endpoint has neither a tag nor a provider")
        by_tag.setdefault(tag, []).append(endpoint)
    entries: dict[str, Entry] = {}
    measured: dict[str, dict[str, Any]] = {}
    for tag, same in by_tag.items():
        for number, endpoint in enumerate(sorted(same, key=_price_order), start=1):
            own = tag if number == 1 else f"{tag}#{number}"
            name = f"{endpoint.get('provider_name') or tag} | {model}"  # as the API writes it, in case that it does not
            raw = msgspec.json.encode({"name": name, **_lasting(endpoint), "id": f"{model} {own}"})
            entries[f"{model} {own}"] = Entry(raw, digest(raw))
            measured[own] = {key: value for key, value in endpoint.items() if _is_measured(key)}
    return Endpoints(model, Snapshot(entries, len(listed)), measured)


def _is_measured(key: str) -> bool:
    return key == "status" or "_last_" in key


def _lasting(endpoint: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in endpoint.items() if not _is_measured(key)}


def _tag(endpoint: Mapping[str, Any]) -> str:
    names = (clean(name) for name in (endpoint.get("tag"), endpoint.get("provider_name")) if isinstance(name, str))
    name = next(filter(None, names), "").lower()
    return "".join(c for c in "-".join(name.split()) if c.isprintable())[:_MAX_NAME]


def _price_order(endpoint: Mapping[str, Any]) -> tuple[Any, ...]:
    prices = read_pricing(endpoint.get("pricing")).facets
    return (
        *(prices[PRICING + key] for key in TOKEN_PRICES),
        msgspec.json.encode(_lasting(endpoint), order="deterministic"),
    )


def model_of(endpoint_id: str) -> str:
    """Return the model that an endpoint is of."""
    return endpoint_id.partition(" ")[0]


def provider_of(endpoint: Model) -> Provider:
    """Return who offers an endpoint."""
    tag = endpoint.id.partition(" ")[2]
    name, quantization = (endpoint.facets.get(key) for key in ("provider_name", "quantization"))
    if quantization in (None, "unknown"):
        last = tag.partition("#")[0].rpartition("/")[2]
        quantization = last if last in QUANTIZATIONS else None
    return Provider((name or tag)[:_MAX_NAME], tag, quantization and quantization[:_MAX_NAME])


def by_model(states: ModelStates) -> dict[str, dict[str, ModelState]]:
    """Return the states of endpoints by model."""
    found: dict[str, dict[str, ModelState]] = {}
    for key, state in states.items():
        found.setdefault(model_of(key), {})[key] = state
    return found


def decide_endpoints(
    answers: Sequence[Endpoints],
    states: ModelStates,
    asked: Mapping[str, Asked],
    models: ModelStates,
    moment: Moment,
    last_poll: datetime | None,
) -> tuple[dict[str, ModelState], dict[str, Asked], tuple[Event, ...]]:
    """Return what answers about the endpoints of models change, when those were asked for, and what is announced.

    `states` and `asked` are what is remembered, `models` the states of the list. The first answer about a model is a
    baseline, and so is one after a time in which nobody asked.
    """
    changed: dict[str, ModelState] = {}
    noted: dict[str, Asked] = {}
    events: list[Event] = []
    known = by_model(states)
    for answer in answers:
        before = asked.get(answer.model)
        if answer.snapshot is None or answer.model not in models:
            noted[answer.model] = Asked(moment.now, before.answered if before else None, answer.error)
            continue
        noted[answer.model] = Asked(moment.now, moment.now)
        left = before is not None and last_poll is not None and last_poll - before.asked > NOT_WATCHED
        baseline = before is None or before.answered is None or left
        own = known.get(answer.model, {})
        after = replace(moment, last_good=before.answered if before else None, endpoints=True)
        renamed = dict(_renamed(own, answer.snapshot, moment.now))
        observed, _ = observe({**own, **renamed}, answer.snapshot, after)
        new = {**(own if baseline else {}), **renamed, **observed}
        found, made = announce(own, new, after, baseline=baseline)
        changed |= found
        events += _about(models[answer.model].model, made, {**own, **found})
    return changed, noted, tuple(events)


def _renamed(own: ModelStates, snapshot: Snapshot, now: datetime) -> Iterator[tuple[str, ModelState]]:
    """Yield states of endpoints whose tags gained or lost their quantization: `streamlake` became `streamlake/fp8`."""
    for key, state in own.items():
        if not state.present or key in snapshot.entries:
            continue
        for new in snapshot.entries:
            short, long = sorted((key, new), key=len)
            if new not in own and long.startswith(f"{short}/") and long.removeprefix(f"{short}/") in QUANTIZATIONS:
                yield new, replace(state, model=Model(new, state.model.facets), digest=b"")
                yield key, replace(state, present=False, announced=False, pending={}, since=now)
                break


def _about(model: Model, made: Iterable[Event], states: ModelStates) -> Iterator[Event]:
    """Yield events about endpoints as events about their model."""
    usual = event.offer(model.facets)
    present = sum(state.present for state in states.values())
    for each in made:
        if each.kind not in _KINDS:
            continue  # other changes are recorded, and no news
        assert each.model is not None and each.offer is not None
        kind, endpoint = _KINDS[each.kind], states[each.model].model
        details: dict[str, Any] = {"detail": each.detail}
        if kind == "provider_repriced":
            details |= {"prices": each.prices, "direction": each.direction, "marks": each.marks}
        elif kind == "provider_gone":
            details["detail"] = {0: "Nobody else offers it.", 1: "1 other endpoint is left."}.get(
                present, f"{present} other endpoints are left."
            )
        offered = replace(
            usual,
            prices=each.offer.prices,
            context_length=each.offer.context_length or usual.context_length,
            max_completion_tokens=endpoint.facets.get("max_completion_tokens"),
            supported_parameters=each.offer.supported_parameters or usual.supported_parameters,
        )
        yield event.model_event(
            kind, model, each.at, each.since, offer=offered, provider=provider_of(endpoint), **details
        )


def explain_repriced(events: Iterable[Event], endpoints: ModelStates, asked: Mapping[str, Asked]) -> tuple[Event, ...]:
    """Return the events, with a sentence where the price of a model moved because another provider is at the top.

    The price of a model is that of its top provider. Another one is at the top if an endpoint that did not change its
    own price has the new price, while another one is still there at the old price.
    """
    known = by_model(endpoints)
    return tuple(_explained(each, known.get(each.model or "", {}), asked.get(each.model or "")) for each in events)


def _explained(made: Event, endpoints: ModelStates, asked: Asked | None) -> Event:
    moves = {PRICING + key: (change.old, change.new) for key, change in made.prices.items() if "@" not in key}
    seen = asked is not None and asked.answered is not None and asked.answered >= made.since
    if made.kind != "repriced" or not moves or not seen:
        return made
    old, new = (
        [
            state
            for state in endpoints.values()
            if state.present and all(price_of(state.model.facets, path) == move[side] for path, move in moves.items())
        ]
        for side in (0, 1)
    )
    if not old or not new or any(_moved(state, moves, made.since) for state in new):
        return made
    still = "still offers" if len(old) == 1 else "still offer"
    cause = f"Another provider is at the top now: {_named(new)}. At the old price, {_named(old)} {still} it."
    return replace(made, detail=" ".join(filter(None, (cause, made.detail))))


def _moved(state: ModelState, paths: Iterable[str], since: datetime) -> bool:
    """Whether an endpoint changed one of these prices itself at about that time, as far as is known."""
    announced = state.recent.get("pricing", ())
    return not state.pending.keys().isdisjoint(paths) or any(at >= since - _ABOUT for at in announced)


def _named(states: Sequence[ModelState]) -> str:
    names = [str(provider_of(state.model)) for state in states]
    shown = names if len(names) <= _NAMED else [*names[: _NAMED - 1], f"{len(names) - _NAMED + 1} others"]
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))
