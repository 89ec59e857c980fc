"""`/badge/AUTHOR/SLUG.svg`: the price of a model, or since when it is gone, as a small picture."""

import re
import unicodedata
from datetime import datetime
from urllib.parse import unquote

from watcher.api import answer as api
from watcher.api.answer import Response
from watcher.catalog.event import offer
from watcher.catalog.price import FREE
from watcher.catalog.pricing import TOKEN_PRICES, headline_keys, is_free
from watcher.messages.prices import price_text, with_unit
from watcher.messages.text import visible
from watcher.store.session import Session
from watcher.store.store import Store
from watcher.web.access import Asked
from watcher.web.answers import CACHED, Answer, Render

BADGES = "/badge/"
"""Where the badges begin in the path of a URL."""
_PATH = re.compile(rf"{BADGES}([^/]+/[^/]+)\.svg")
_LONGEST = 60
"""Characters of each half."""
_GREY, _BLUE, _GREEN, _RED = "#616b78", "#1a56c4", "#0f7a3d", "#b3261e"


def badge(store: Store, render: Render, asked: Asked, _now: datetime) -> Answer:
    """Return the badge of a model; with status 404 if there never was one. Raises StoreError or ConfigError."""
    named = _PATH.fullmatch(unquote(asked.path, errors="replace"))
    if named is None:
        return Answer(api.error(404, f"A badge is at {BADGES}AUTHOR/SLUG.svg"))
    with store.reading() as session:
        status, says, colour = _state(session, named[1])
    id, says = visible(named[1], _LONGEST), visible(says, _LONGEST)
    widths = {"left": _width(id), "right": _width(says)}
    body = render("badge", "svg", {"id": id, "says": says, "colour": colour, **widths})
    headers = {"content-type": "image/svg+xml", "cache-control": CACHED}
    return Answer(Response(status, headers, body.encode("utf-8", "replace")), body)


def _state(session: Session, model: str) -> tuple[int, str, str]:
    """Return status, words and colour of a badge."""
    known = next(iter(session.history.known(model)), None)
    if known is None:
        return 404, "unknown model", _GREY
    if not known.present:
        gone = known.last_seen
        return (200, f"gone since {gone.day} {gone:%b %Y}", _RED) if gone else (200, "not listed yet", _GREY)
    latest = session.history.latest([model])
    prices = offer(latest[0].model.facets).prices if latest else {}
    if is_free(prices):
        return 200, "free", _GREEN
    keys = headline_keys(prices)
    if keys != TOKEN_PRICES:
        return 200, ", ".join(with_unit(key, prices[key]) for key in keys if prices.get(key, FREE) != FREE), _BLUE
    shown = [price_text(key, prices.get(key)) for key in keys]
    if "varies" in shown or "unknown" in shown:
        return 200, "price varies" if "varies" in shown else "price unknown", _GREY
    return 200, f"{' / '.join(shown)} per M", _BLUE


def _width(text: str) -> int:
    """Return about how wide a text is, in pixels; browsers then make it as wide."""
    narrow = sum(text.count(char) for char in "iIjltf.,:;/|!' ")
    wide = sum(char in "mMwW@%" or unicodedata.east_asian_width(char) in "WF" for char in text)
    return round(6.8 * len(text) - 3 * narrow + 3 * wide)
