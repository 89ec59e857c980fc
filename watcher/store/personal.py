"""What the user has told the watcher: what is acknowledged, and how many tokens are used."""

from collections.abc import Mapping

from msgspec.structs import asdict
from sqlalchemy import delete, insert, select

from watcher.catalog.decision import Acknowledgement
from watcher.catalog.model import Tokens
from watcher.store.documents import pack, unpack
from watcher.store.rows import Rows
from watcher.store.schema import acknowledged, usage


class Personal(Rows):
    """Reads and writes what the user has told."""

    def acknowledged(self) -> dict[str, Acknowledgement]:
        """Return what is acknowledged, by model."""
        query = select(acknowledged).order_by(acknowledged.c.model)
        return {row.model: unpack(row.body, Acknowledgement) for row in self._connection.execute(query)}

    def acknowledge(self, model: str, known: Acknowledgement | None) -> bool:
        """Replace what is acknowledged about a model; None: nothing is. Returns whether something was before."""
        where = acknowledged.c.model == model
        before = self._connection.execute(delete(acknowledged).where(where)).rowcount
        if known is not None:
            self._connection.execute(insert(acknowledged).values(model=model, body=pack(known)))
        return bool(before)

    def usage(self) -> dict[str, Tokens]:
        """Return the tokens of a month, by model."""
        columns = (usage.c.prompt, usage.c.completion, usage.c.cached, usage.c.requests)
        query = select(usage.c.model, *columns).order_by(usage.c.model)
        return {model: Tokens(*counts) for model, *counts in self._connection.execute(query)}

    def replace_usage(self, tokens: Mapping[str, Tokens]) -> None:
        """Replace what `usage` returns."""
        self._connection.execute(delete(usage))
        self._each(insert(usage), [{"model": model, **asdict(counts)} for model, counts in tokens.items()])
