"""The page of one model, gone or not, and the comparison of several."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from watcher.api.query import BadQueryError, Query
from watcher.catalog.event import offer
from watcher.catalog.model import CHANGE_KINDS, Event
from watcher.catalog.pricing import PRICING, TOKEN_PRICES, is_price
from watcher.catalog.reading import decode_document
from watcher.catalog.summary import with_description
from watcher.catalog.timeline import Period, Points, price_series, timeline
from watcher.messages.chart import MOST_LINES, NARROW, WIDTH, Chart, Series, chart, series_of
from watcher.messages.headline import headline
from watcher.messages.prices import in_order, unit
from watcher.messages.wording import FACTS, sentence_case
from watcher.store.listing import Listing
from watcher.web.access import RefusedError
from watcher.web.changes import Filter
from watcher.web.pages.changes_page import by_day
from watcher.web.pages.models_page import DEPARTURE, departure
from watcher.web.pages.page import Asking, Page
from watcher.web.pages.rows import CACHE

MODEL = "/model/"
_MOST_EVENTS = 50
_MOST_TURNS = 300
_MOST_COMPARED = 6
_COMPARED_PRICES = (*TOKEN_PRICES, CACHE)
_MOST_SUGGESTED = 1000
_SIMILAR = 8


def model_page(asking: Asking, id: str) -> Page:
    """Return the page of a model that was ever seen. Raises RefusedError."""
    known = next(iter(asking.session.history.known(id)), None)
    if known is None:
        raise RefusedError(404, f"No model {id} was ever seen.", similar_ids(id, asking.session.history.names()))
    listing = Listing(asking.session.connection)
    periods, raw = listing.periods(id), listing.document(id)
    events = asking.session.history.events(about=[id], kinds=CHANGE_KINDS, limit=_MOST_EVENTS)
    last = departure(known, asking.session.history.events(about=[id], kinds=DEPARTURE))
    facets = with_description(periods[-1].facets if periods else {}, raw or b"{}")
    offered, turns, own = offer(facets), timeline(periods), (id, facets.get("canonical_slug") or id)
    until = asking.session.history.watched_until() or asking.now
    series = price_points(periods, until)
    data = {
        "model": known,
        "offer": offered,
        "facets": facets,
        "successors": last.successors,
        "variants": asking.session.history.variants(id),
        "aliases": [row.id for row in asking.rows().by_id.values() if row.target in own and row.id != id],
        "prices": series,
        "endpoints": asking.session.endpoints.offered(id),
        "history": turns,
        "changes": events[::-1],
    }
    more = {
        "departure": last,
        "acknowledges": known.present and asking.config.web.tokens_file is not None,
        "days": list(by_day(events[::-1])),
        "facts": [(sentence_case(name), path, facets[path]) for path, name in FACTS.items() if path in facets],
        "charts": list(charts(known.name, series, events)),
        "turns": turns[: -_MOST_TURNS - 1 : -1],
        "hidden": max(0, len(turns) - _MOST_TURNS),
        "document": raw and json.dumps(decode_document(raw), indent=2, ensure_ascii=False),
    }
    return Page("model", known.name, data, more, feed=Filter(model=id).query)


def price_points(periods: Sequence[Period], until: datetime) -> dict[str, Points]:
    """Return each price that a model ever had over time, by key; without what was always free, tokens apart."""
    keys = {path.removeprefix(PRICING) for period in periods for path in period.facets if is_price(path)}
    found = {key: price_series(periods, key, since=None, until=until) for key in in_order(dict.fromkeys(keys))}
    return {
        key: points
        for key, points in found.items()
        if key in TOKEN_PRICES or any(price not in (None, "0", "?") for _, price in points)
    }


def charts(
    name: str, found: Mapping[str, Points], events: Iterable[Event]
) -> Iterator[tuple[list[Chart], Sequence[Series]]]:
    """Yield the charts of a model's prices, wide and narrow, and what they show: those of one unit, and tiers apart."""
    marks = [(event.at, headline((event,))) for event in events]
    groups: dict[tuple[str, str], dict[str, Points]] = {}
    for key, points in found.items():
        changes = any(price != points[0][1] for _, price in points)
        if changes or key in TOKEN_PRICES or key == CACHE:
            groups.setdefault((unit(key), key.partition("@")[2]), {})[key] = points
    for keys in groups.values():
        series = series_of("", keys)
        for start in range(0, len(series), MOST_LINES):
            part = series[start : start + MOST_LINES]
            drawn = _in_widths(f"Prices of {name}", part, marks)
            if drawn:
                yield drawn, part


def _in_widths(title: str, series: Sequence[Series], marks: Sequence[tuple[datetime, str]] = ()) -> list[Chart]:
    found = (chart(title, series, marks, width=width) for width in (WIDTH, NARROW))
    return [each for each in found if each is not None]


def similar_ids(wanted: str, known: Collection[str]) -> list[str]:
    """Return the ids that a mistyped one may mean, the nearest first."""
    word = wanted.casefold()
    slug = word.rpartition("/")[2]
    found = [id for id in known if slug and slug in id.casefold()]
    found.sort(key=lambda id: (word not in id.casefold(), len(id)))
    if not found:  # comparing every id would take too long
        near = [id for id in known if id[:3].casefold() == word[:3] or id.rpartition("/")[2][:3].casefold() == slug[:3]]
        found = get_close_matches(word, near[:500], n=_SIMILAR)
    return found[:_SIMILAR]


def compare_page(asking: Asking) -> Page:
    """Return two to six models side by side, and one price of them in one chart. Raises BadQueryError."""
    query = Query.parse(asking.query, ("model", "price"))
    wanted = dict.fromkeys(word.strip() for word in query.values.get("model", "").split(",") if word.strip())
    found = ((id, asking.session.history.known(id)) for id in wanted)
    known = {id: one[0] for id, one in found if one}
    chosen, unknown = list(known), [id for id in wanted if id not in known]
    names = asking.session.history.names() if unknown else {}
    key = query.choice("price", _COMPARED_PRICES) or "prompt"
    if len(wanted) > _MOST_COMPARED:
        raise BadQueryError(f'"model" may be given {_MOST_COMPARED} times at most')
    listing = Listing(asking.session.connection)
    until = asking.session.history.watched_until() or asking.now
    latest = {found.model.id: found.model for found in asking.session.history.latest(chosen)}
    histories = ((id, listing.periods(id, only=PRICING + key)) for id in chosen if id in latest)
    points = {id: price_series(periods, key, since=None, until=until) for id, periods in histories}
    series = [Series(known[id].name, key, found) for id, found in points.items()]
    drawn = _in_widths(f"{key} price of {', '.join(known[id].name for id in chosen)}", series) if series else []
    offers = {id: offer(model.facets) for id, model in latest.items()}
    more = {
        "ids": chosen,
        "typed": list(wanted),
        "known": known,
        "unknown": {id: similar_ids(id, names) for id in unknown},
        "offers": offers,
        "series": series,
        "chart": drawn,
        "key": key,
        "keys": _COMPARED_PRICES,
        "most": _MOST_COMPARED,
        "suggested": list(asking.rows().by_id)[:_MOST_SUGGESTED],
        "price_keys": in_order({each: 1 for found in offers.values() for each in found.prices}),
    }
    data: dict[str, Any] = {
        "price": key,
        "models": [{"model": known[id], "offer": offers.get(id), "prices": points.get(id, [])} for id in chosen],
        "unknown": more["unknown"],
    }
    return Page("compare", "Compare", data, more, feed="")
