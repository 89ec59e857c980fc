"""The built-in catalogue, as `GET /api/v1/models` would list it.

`catalogue.json` beside this file has one model a line. Ids, prices and dates are those of early 2026; the descriptions
are our own. It has an example of everything that is hard to read: variants, aliases, conditional prices, odd spellings.
"""

import json
from importlib.resources import files
from typing import Any

Document = dict[str, Any]
"""One model as the API writes it: a JSON object."""


def built_in() -> list[Document]:
    """Return the catalogue, newest first: a fresh copy that the caller may change.

    The top-level price of a document is its base price; `schedule.in_force` gives the price of a moment.
    """
    models: list[Document] = json.loads((files("watcher.simulator") / "catalogue.json").read_text("utf-8"))
    return models
