"""`/feed.atom`, `/feed.rss`, `/feed.json`: announced changes for feed readers, in the words that a channel gets.

An entry is one event. Its id follows from the event's, and the feed's from its filter: a move to another host, prefix
or scheme is no news to a reader. Pages are those of RFC 5005, section 3.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial
from urllib.parse import parse_qsl, urlencode
from uuid import NAMESPACE_URL, uuid5

from watcher import __version__
from watcher.api import answer as api
from watcher.api.query import BadQueryError, Query
from watcher.catalog.model import Event
from watcher.config.settings import Config
from watcher.messages.builder import compose
from watcher.messages.document import Format
from watcher.messages.text import own_link, visible
from watcher.store.store import Store
from watcher.web.access import Asked
from watcher.web.answers import CACHED, Answer, Answers, Render
from watcher.web.changes import Changes, Filter, find_changes

FEEDS: Mapping[str, str] = {
    "/feed.atom": "application/atom+xml",
    "/feed.rss": "application/rss+xml",
    "/feed.json": "application/feed+json",
}
"""The media type of each feed, by its path. All take the parameters of the Changes page."""
ENTRIES = 100
"""Changes on a page of a feed."""
_BEFORE = "before"
"""The parameter that asks for the page before an event."""
_IDS = uuid5(NAMESPACE_URL, "openrouter-watcher")
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""When a feed without entries was updated."""


def feed(config: Config, store: Store, answers: Answers, render: Render, asked: Asked, _now: datetime) -> Answer:
    """Return a page of a feed, from `answers` if nothing was recorded since. Raises StoreError or ConfigError."""
    try:
        wanted = Filter.parse(asked.query)
        before = Query.parse(asked.query, (_BEFORE,)).values.get(_BEFORE)
    except BadQueryError as error:
        return Answer(api.error(400, str(error)))
    with store.reading() as session:
        key = (session.version(), asked.base_url, asked.path, asked.query)
        if (known := answers.get(key)) is not None:
            return known
        changes = find_changes(session, wanted, config.mine, limit=ENTRIES, before=before)
    page = _Feed(asked, wanted, before, changes)
    made_from = repr([__version__, key[1:], changes.following, [event.id for event in changes.events]])
    form = asked.path.rpartition(".")[2]
    values = {"feed": page, "version": __version__, "rfc3339": _rfc3339, "rfc822": _rfc822}
    body = _json(page) if form == "json" else render("feed", form, values).encode()
    response = api.ok(body, f"{page.media_type}; charset=utf-8", CACHED)
    return answers.keep(key, Answer(response, made_from, page.changed))


class _Feed:
    """What a page of a feed says, in any format."""

    def __init__(self, asked: Asked, wanted: Filter, before: str | None, changes: Changes) -> None:
        self.media_type = FEEDS[asked.path]
        self.id = _id(f"feed?{wanted.query}")
        asks = ", ".join(f"{name} {value}".removesuffix(" true") for name, value in parse_qsl(wanted.query))
        self.title = f"OpenRouter's models: {visible(asks) or 'all changes'}"
        query = f"?{wanted.query}" if wanted.query else ""
        self.home = f"{asked.base_url}/{query}"
        asked_for = [pair for pair in parse_qsl(asked.query) if pair[0] != _BEFORE]  # a token of the URL included

        def page(before: str | None) -> str:
            pairs = asked_for + ([(_BEFORE, before)] if before is not None else [])
            return f"{asked.base_url}{asked.path}{'?' if pairs else ''}{urlencode(pairs, safe='/:,*~')}"

        self.links = {"self": page(before), "first": page(None)}
        if changes.following is not None:
            self.links["next"] = page(changes.following)
        self.updated = max((event.at for event in changes.events), default=_NEVER)
        # Imported events are older than the last answer, so only the ETag tells that they came.
        is_dated = changes.events and not any("imported" in event.marks for event in changes.events)
        self.changed = self.updated if is_dated else None
        self.entries = [_Entry(event, self.home) for event in changes.events]


class _Entry:
    """One event, as a channel gets it."""

    def __init__(self, event: Event, home: str) -> None:
        message = compose((event,), Format.FEED)
        self.id = _id(event.id)
        self.url = own_link(event.url) or home
        self.at = event.at
        self.kind = event.kind
        self.title = message.title
        self.html = message.body.strip()


def _id(name: str) -> str:
    return f"urn:uuid:{uuid5(_IDS, name)}"


def _json(feed: _Feed) -> bytes:
    items = [
        {
            "id": entry.id,
            "url": entry.url,
            "title": entry.title,
            "content_html": entry.html,
            "date_published": _rfc3339(entry.at),
            "tags": [entry.kind],
        }
        for entry in feed.entries
    ]
    document = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "home_page_url": feed.home,
        "feed_url": feed.links["self"],
        **({"next_url": feed.links["next"]} if "next" in feed.links else {}),
        "language": "en",
        "authors": [{"name": "openrouter-watcher"}],
        "items": items,
    }
    return api.to_json(document)


_rfc822 = partial(format_datetime, usegmt=True)


def _rfc3339(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
