"""How urgent a kind of event is, and its colour and tags, for services that show them."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from watcher.catalog.model import Event, Kind

PAGE = "https://openrouter.ai/models"

Tone = Literal["good", "bad", "neutral"]


class Look(Struct, frozen=True):
    """How a kind looks on a phone."""

    emoji: str
    """Its name, as ntfy knows it."""
    priority: int
    """As ntfy counts: 2 makes no sound, 3 is usual, 4 insists."""
    tone: Tone = "neutral"


LOOKS: dict[Kind, Look] = {
    "expired": Look("wastebasket", 4, "bad"),
    "expiring": Look("hourglass_flowing_sand", 4, "bad"),
    "repriced": Look("moneybag", 3),
    "retargeted": Look("twisted_rightwards_arrows", 3),
    "new": Look("sparkles", 3, "good"),
    "returned": Look("leftwards_arrow_with_hook", 3, "good"),
    "changed": Look("pencil2", 2),
    "provider_gone": Look("outbox_tray", 3, "bad"),
    "provider_repriced": Look("moneybag", 3),
    "provider_added": Look("inbox_tray", 2, "good"),
    "undelivered": Look("warning", 4, "bad"),
    "catalog_suspect": Look("warning", 3, "bad"),
    "source_failing": Look("warning", 3, "bad"),
    "source_recovered": Look("white_check_mark", 2, "good"),
    "alive": Look("green_heart", 2),
}


def tone(kind: Kind, events: Sequence[Event]) -> Tone:
    """Return the tone of the events of a kind: prices are good news where all of them fall."""
    directions = {event.direction for event in events if event.kind == kind}
    if kind in ("repriced", "provider_repriced") and len(directions) == 1:
        return {"down": "good", "up": "bad"}.get(directions.pop() or "", "neutral")  # type: ignore[return-value]
    return LOOKS[kind].tone


def kinds(events: Sequence[Event]) -> list[Kind]:
    """Return the kinds of the events, each once."""
    return list(dict.fromkeys(event.kind for event in events))


def priority(events: Sequence[Event]) -> int:
    """Return the priority of a message: that of its most urgent event."""
    return max(LOOKS[event.kind].priority for event in events)


def address(events: Sequence[Event]) -> str:
    """Return the page to open: the model's where all is about one, else the list of all models."""
    pages = {event.url or PAGE for event in events}
    return pages.pop() if len(pages) == 1 else PAGE
