"""What a message shows together: all the news about one model, and models that made the same move.

events → cards, most important first; each event is in one card
"""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from watcher.catalog.model import KINDS, Event, Kind

_CAUSES: tuple[Kind, ...] = ("expired", "expiring", "retargeted", "new", "returned", "repriced", "changed")
"""Kinds of news about one model: what explains others comes before them."""
_PRESENCE = ("expired", "new", "returned")
_ALIAS = "alias"
"""Begins a move that only an alias shares with another model: same author, same prices."""
_WITH_VARIANTS = ("expired", "expiring", "new", "returned")
"""News that a model shares with its variants, whatever their prices."""


class Card(Struct, frozen=True):
    """The news about one model."""

    news: tuple[Event, ...]
    """The main one first: it says where the card belongs."""
    others: tuple["Card", ...] = ()
    """Models that made the same move."""

    @property
    def main(self) -> Event:
        return self.news[0]

    @property
    def events(self) -> tuple[Event, ...]:
        """All events of the card."""
        return sum((other.news for other in self.others), self.news)


def cards(events: Iterable[Event]) -> list[Card]:
    """Return the cards of these events, grouped by kind, most important first."""
    by_model: dict[str, list[Event]] = {}
    for event in events:
        by_model.setdefault(event.model or f" {event.id}", []).append(event)
    merged: list[list[Card]] = []
    by_move: dict[tuple[object, ...], list[Card]] = {}
    # A model comes before its variants and aliases, and is the one that the card is about.
    for model in sorted(by_model, key=lambda model: (":" in model or model.startswith("~"), model)):
        card = Card(_cause_first(by_model[model]))
        moves = list(_moves(card)) if len(by_model) > 1 else []
        known = moves if model.startswith("~") else [move for move in moves if move[0] != _ALIAS]
        same = next((by_move[move] for move in known if move in by_move), None)
        if same is None:
            merged.append(same := [])
        same.append(card)
        for move in moves:
            by_move.setdefault(move, same)
    found = [replace(first, others=tuple(others)) for first, *others in merged]
    return sorted(found, key=lambda card: (KINDS.index(card.main.kind), card.main.model or "", card.main.id))


def _cause_first(news: Sequence[Event]) -> tuple[Event, ...]:
    """Return the news about one model: its main news, and then the others in the order of time."""

    def rank(event: Event) -> int:
        return _CAUSES.index(event.kind) if event.kind in _CAUSES else len(_CAUSES)

    ordered = sorted(news, key=lambda event: (event.at, rank(event), event.id))
    # Of a model that went and came back, the last of it counts.
    presence = [event for event in ordered if event.kind in _PRESENCE]
    main = min((event for event in ordered if event not in presence[:-1]), key=rank)
    return (main, *(event for event in ordered if event is not main))


def _moves(card: Card) -> Iterator[tuple[object, ...]]:
    """Yield what another card must share with this one to be part of it."""
    model = card.main.model
    if model is None:
        return
    family = model.partition(":")[0].lstrip("~")
    kinds = tuple(event.kind for event in card.news)
    if card.main.kind in _WITH_VARIANTS:
        dates = repr([event.fields.get("expiration_date") for event in card.news])
        yield family, kinds, dates
        if card.main.offer is not None and ":" not in model:
            yield _ALIAS, family.partition("/")[0], kinds, dates, repr(card.main.offer.prices)
        return
    rest = repr([(event.fields, event.marks, event.provider) for event in card.news])
    relative = [
        {key: price.change or (price.old, price.new) for key, price in event.prices.items()} for event in card.news
    ]
    yield family, kinds, rest, repr(relative)
    yield family.partition("/")[0], kinds, rest, repr([event.prices for event in card.news])
