"""What a page is before it is written in a format."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from watcher.config.settings import Config
from watcher.store.listing import Edition
from watcher.store.session import Session
from watcher.web.pages.rows import Rows


class Page(Struct, frozen=True):
    """One page: `data` is what it says, for machines; `more` is what only its templates need."""

    template: str
    title: str
    data: Mapping[str, Any]
    more: Mapping[str, Any] = {}
    feed: str | None = None
    """The filter of the feed that tells what changes here, as a query string."""
    lasts: bool = True
    """Whether it is the same until something new is recorded, or another day begins."""


class Asking(Struct, frozen=True):
    """What a page is made from."""

    session: Session
    config: Config
    now: datetime
    path: str
    """Decoded, without the suffix of a format."""
    query: str
    edition: Edition
    rows: Callable[[], Rows]
    """Reads the models that are listed."""
