"""The endpoints of providers, by model: what each offers and offered, and when they were asked for."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import or_, select

from watcher.catalog.decision import Decision, Fetched, Known
from watcher.catalog.endpoints import Asked, model_of
from watcher.store.documents import decompress, pack, unpack
from watcher.store.schema import endpoint_lists, endpoint_versions, endpoints
from watcher.store.states import States

Measured = Mapping[str, Mapping[str, Any]]
"""Tag → status, uptime and the like, as the API gives them."""


class Endpoints(States):
    """Reads and writes endpoints."""

    _models = endpoints
    _versions = endpoint_versions

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

    def measured(self, model: str) -> Measured:
        """Return what was measured of the endpoints of a model last."""
        found = self._scalar(select(endpoint_lists.c.measured).where(endpoint_lists.c.model == model))
        return unpack(found, dict[str, dict[str, Any]]) if found else {}

    def documents(self, at: datetime | None) -> dict[str, list[dict[str, Any]]]:
        """Return the endpoints of each model at a moment (None: now), as they came.

        What was measured is only known of now, and a model without endpoints only too.
        """
        versions = endpoint_versions
        query = select(versions.c.model, versions.c.raw).order_by(versions.c.model)
        if at is None:
            query = query.where(versions.c.valid_to.is_(None))
        else:
            query = query.where(
                versions.c.valid_from <= at, or_(versions.c.valid_to.is_(None), versions.c.valid_to > at)
            )
        found: dict[str, list[dict[str, Any]]] = {}
        if at is None:
            found = {model: [] for model, asked in self.asked().items() if asked.answered is not None}
        for key, raw in self._connection.execute(query):
            document = msgspec.json.decode(decompress(raw), type=dict[str, Any])
            model, tag = model_of(key), document.pop("id").partition(" ")[2]
            if at is None:
                document |= self.measured(model).get(tag, {})
            found.setdefault(model, []).append(document)
        return found
