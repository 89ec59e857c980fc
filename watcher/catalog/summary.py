"""What a model is, in one sentence: the first of its description."""

import re
from collections.abc import Iterable

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from watcher.catalog.model import Event, Facets, Offer
from watcher.catalog.reading import Snapshot
from watcher.catalog.values import clean

LONGEST = 200
"""Characters of the sentence."""
_MOST_READ = 1_000
_LINK = re.compile(r"!?\[([^\][]{0,200})\]\([^()\s]{0,500}\)")
_MARKS = re.compile(r"[*`]{1,3}|__|^#+ ", re.MULTILINE)
_END = re.compile(r"(?<=[^\W\d_]{2}[.!?])\s+(?=[^a-z])|(?<=\d[.!?])\s+(?=[A-Z])|\n")
_ELLIPSIS = re.compile(r"(?<![\s,;:.])[\s,;:]*(?:\.{3,}|…)$")


class _Described(msgspec.Struct):
    description: str = ""


_decoder = msgspec.json.Decoder(_Described)


def first_sentence(description: str) -> str | None:
    """Return the first sentence of a description, without Markdown, cut between words; a stranger's text."""
    text = clean(_MARKS.sub("", _LINK.sub(r"\1", description[:_MOST_READ]))).strip()
    sentence = _ELLIPSIS.sub("…", " ".join(_END.split(text, maxsplit=1)[0].split()))
    if len(sentence) > LONGEST:
        sentence = sentence[: LONGEST - 1].rsplit(" ", 1)[0].rstrip(" ,;:") + "…"
    return sentence or None


def describe_new(events: Iterable[Event], snapshot: Snapshot) -> tuple[Event, ...]:
    """Return the events, those about new models with the first sentence of the model's description in their offer."""
    return tuple(_described(event, snapshot) if event.kind == "new" else event for event in events)


def with_description(facets: Facets, raw: bytes) -> Facets:
    """Return a model's facets with the description of its document, of which they hold only a digest."""
    try:
        description = _decoder.decode(raw).description
    except msgspec.MsgspecError:  # it is not a text
        return facets
    return {**facets, "description": description} if description else facets


def _described(event: Event, snapshot: Snapshot) -> Event:
    try:
        description = _decoder.decode(snapshot.entries[event.model or ""].raw).description
    except (KeyError, msgspec.MsgspecError):  # only the feed has it, or it is not a text
        return event
    return replace(event, offer=replace(event.offer or Offer(), description=first_sentence(description) or UNSET))
