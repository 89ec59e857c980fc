"""The endpoints of providers, by model: what each offers and offered, and when they were asked for."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import select

from watcher.api.query import to_decimal
from watcher.catalog.decision import Decision, Fetched, Known
from watcher.catalog.endpoints import NOT_WATCHED, Asked, model_of, provider_of
from watcher.catalog.event import offer
from watcher.catalog.model import Offer, Provider
from watcher.catalog.pricing import TOKEN_PRICES
from watcher.store.documents import decompress, pack, unpack
from watcher.store.rows import valid_at
from watcher.store.schema import endpoint_lists, endpoint_versions, endpoints
from watcher.store.state import States

_MEASURED = dict[str, dict[str, Any]]
"""Tag → status, uptime and the like, as the API gives them."""


class OfferedEndpoint(Struct, frozen=True):
    """An endpoint that a model has, and what was measured of it last."""

    provider: Provider
    offer: Offer
    since: datetime
    measured: dict[str, Any]
    """Status, uptime and the like, as the API gives them."""

    @property
    def state(self) -> str:
        """The status in a word; empty if there is none. -2 is degraded, -5 and others are down, as the API has them."""
        status = self.measured.get("status")
        return "" if status is None else {0: "up", -2: "degraded"}.get(status, "down")

    @property
    def uptime(self) -> float | None:
        """Percent of the last 30 minutes."""
        found = self.measured.get("uptime_last_30m")
        return float(found) if isinstance(found, int | float) else None


class OfferedEndpoints(Asked, frozen=True):
    """When the endpoints of a model were asked for, and those that it has."""

    providers: Sequence[OfferedEndpoint] = ()
    """The cheapest first, by prompt and completion; those that vary last."""


class Endpoints(States):
    """Reads and writes endpoints."""

    _models = endpoints
    _versions = endpoint_versions
    _of = endpoint_versions.c.endpoint

    def asked(self) -> dict[str, Asked]:
        """Return when the endpoints of each model were asked for."""
        columns = (endpoint_lists.c[name] for name in ("model", *Asked.__struct_fields__))
        return {row.model: Asked(*row[1:]) for row in self._connection.execute(select(*columns))}

    def save(self, known: Known, fetched: Fetched, decision: Decision, now: datetime) -> None:
        """Store what a poll learned of endpoints."""
        answers = {answer.model: answer for answer in fetched.endpoints}
        found = [answer.snapshot.entries for answer in fetched.endpoints if answer.snapshot]
        entries = {key: entry for each in found for key, entry in each.items()}
        self.save_states(decision.endpoints, known.endpoints, entries, now)
        for model, asked in decision.asked.items():
            values: dict[str, Any] = {name: getattr(asked, name) for name in Asked.__struct_fields__}
            if asked.answered == asked.asked:
                values["measured"] = pack(answers[model].measured)
            self._save(endpoint_lists, {"model": model}, values)

    def measured(self, model: str) -> dict[str, dict[str, Any]]:
        """Return what was measured of the endpoints of a model last."""
        found = self._scalar(select(endpoint_lists.c.measured).where(endpoint_lists.c.model == model))
        return unpack(found, _MEASURED) if found else {}

    def offered(self, model: str) -> OfferedEndpoints | None:
        """Return the endpoints of a model; None if they were never asked for."""
        asked = self.asked().get(model)
        if asked is None:
            return None
        measured = self.measured(model)
        found = list[OfferedEndpoint]()
        for state in self.model_states(f"{model} ").values():
            if state.present:
                provider = provider_of(state.model)
                was = measured.get(provider.tag, {})
                found.append(OfferedEndpoint(provider, offer(state.model.facets), state.since, was))
        return OfferedEndpoints(**asdict(asked), providers=sorted(found, key=_by_price))

    def documents(self, polled: datetime, *, past: bool) -> dict[str, list[dict[str, Any]]]:
        """Return the endpoints of each model at a poll, as they came; models that were not asked about are left out.

        Of a `past` poll it is not known what was measured, nor which models had no endpoint.
        """
        versions, found = endpoint_versions, dict[str, list[dict[str, Any]]]()
        if not past:
            fresh = endpoint_lists.c.answered > polled - NOT_WATCHED
            asked = self._connection.execute(select(endpoint_lists.c.model, endpoint_lists.c.measured).where(fresh))
            measured = {row.model: unpack(row.measured, _MEASURED) for row in asked}
            found = {model: [] for model in measured}
        query = select(versions.c.endpoint, versions.c.raw).where(valid_at(versions, polled if past else None))
        for key, raw in self._connection.execute(query.order_by(versions.c.endpoint)):
            document = msgspec.json.decode(decompress(raw), type=dict[str, Any])
            model, tag = model_of(key), document.pop("id").partition(" ")[2]
            if past:
                found.setdefault(model, []).append(document)
            elif model in found:
                found[model].append(document | measured[model].get(tag, {}))
        return found


def _by_price(endpoint: OfferedEndpoint) -> tuple[Any, ...]:
    found = [to_decimal(endpoint.offer.prices.get(key)) for key in TOKEN_PRICES]
    return (None in found, sum(price for price in found if price is not None), endpoint.provider.tag)
