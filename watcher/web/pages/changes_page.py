"""The page that tells what was announced, newest first."""

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import groupby

from msgspec import Struct
from msgspec.structs import asdict, replace

from watcher.api.query import Query
from watcher.catalog.model import Event
from watcher.config.mine import MineSettings
from watcher.messages.cards import Card, cards
from watcher.messages.document import Line
from watcher.messages.wording import item_of
from watcher.web.changes import NAMES, SHOWN_KINDS, Filter, find_changes
from watcher.web.pages.page import Asking, Page

LIMIT = 50
"""Changes on a page."""


class Day(Struct, frozen=True):
    """What was announced on one day (UTC)."""

    day: date
    cards: Sequence[Card]


def changes_page(asking: Asking) -> Page:
    """Return the page of the changes that the query asks for. Raises BadQueryError."""
    wanted = Filter.parse(asking.query)
    before = Query.parse(asking.query, names=("before",)).values.get("before")
    found = find_changes(asking.session, wanted, asking.config.mine, limit=LIMIT, before=before)
    more = {
        "wanted": wanted,
        "days": list(by_day(found.events)),
        "kinds": SHOWN_KINDS,
        "started": before is not None,
        "mine": asking.config.mine != MineSettings(),
        "watched": asking.edition.polled is not None,
    }
    data = {
        "filter": asdict(wanted),
        "parameters": NAMES,
        "changes": found.events,
        "next": found.following and f"?{wanted.query}{'&' if wanted.query else ''}before={found.following}",
    }
    return Page("changes", "Changes", data, more, feed=wanted.query)


def by_day(events: Sequence[Event]) -> Iterator[Day]:
    """Yield the days of the events, which come newest first; what was announced together is told together."""
    for day, same in groupby(events, key=lambda event: event.at.date()):
        together = [cards(at_once) for _, at_once in groupby(same, key=lambda event: event.at)]
        yield Day(day, [card for found in together for card in found])


def lines_of(card: Card) -> Sequence[Line]:
    """Return what a card says; that it is imported is said elsewhere."""
    news = tuple(replace(event, marks=tuple(mark for mark in event.marks if mark != "imported")) for event in card.news)
    return item_of(replace(card, news=news), None).lines
