"""Small archives: folders of response bodies named by their UTC time, one an hour."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.store.samples import HOUR, START, body, document

Documents = Sequence[Mapping[str, Any]]


def hour(number: float) -> datetime:
    """That many hours after the start of the history."""
    return START + number * HOUR


def record(folder: Path, captures: Mapping[float, Documents | bytes]) -> Path:
    """Write a capture for each hour, the body as it is or one with these documents, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, shown in captures.items():
        path = folder / f"{hour(number):%Y-%m-%dT%H-%M-%SZ}.json"
        path.write_bytes(shown if isinstance(shown, bytes) else body(shown))
    return folder


FREE: Mapping[str, Any] = {"pricing": {"prompt": "0", "completion": "0"}}
ONE, CHEAPER = document("a/one", "0.000002"), document("a/one", "0.000001")
TWO, GONE, FRESH = document("b/two", "0"), document("c/gone:free", **FREE), document("d/fresh")
SIBLING = document("c/gone")
STORY: Mapping[float, Documents] = {
    0: (ONE, TWO, GONE, SIBLING),
    1: (CHEAPER, TWO, GONE, SIBLING),
    2: (CHEAPER, TWO, GONE, SIBLING, FRESH),
    3: (CHEAPER, TWO, SIBLING, FRESH),
    4: (CHEAPER, TWO, SIBLING, FRESH),
}
"""A price is cut and lasts, a model is new, another expires."""
NEWS = [("new", "d/fresh", 2), ("expired", "c/gone:free", 4), ("repriced", "a/one", 4)]
"""What is announced of it: kind, model, at which hour."""

BEFORE = timedelta(minutes=1)
