"""What the store knows of prices, in the formats that others read."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from fnmatch import fnmatchcase

import msgspec

from watcher.export import csv_file, litellm, llm_prices
from watcher.export.periods import Exported, Known, known
from watcher.store.past import Past
from watcher.store.session import Session

_PRICES: Mapping[str, Callable[[Sequence[Known], datetime | None], Exported]] = {
    "csv": csv_file.export,
    "litellm": litellm.export,
    "llm-prices": llm_prices.export,
}
FORMATS = (*_PRICES, "jsonl")
"""The formats: prices, and the events as `jsonl`."""


def export(
    session: Session, form: str, *, at: datetime | None = None, model: str = "*", since: datetime | None = None
) -> Exported:
    """Return an export in one of `FORMATS`.

    Args:
        session: what is read, at one moment.
        form: the format.
        at: as it was known at that moment; for `csv` the prices that held then.
        model: only models whose id matches this pattern.
        since: only what held, or was announced, at that time or later.
    """
    if form == "jsonl":
        lines = [
            msgspec.json.encode(event).decode()
            for event in session.history.events(since=since)
            if (at is None or event.at <= at) and fnmatchcase(event.model or "", model) and event.kind != "alive"
        ]
        return Exported("application/x-ndjson", "".join(f"{line}\n" for line in lines), ())
    models = known(Past(session.connection), at, since)
    return _PRICES[form]([one for one in models if fnmatchcase(one.id, model)], at)
