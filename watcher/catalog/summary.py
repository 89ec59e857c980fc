"""What a model is, in one sentence: the first of its description."""

import re
from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from watcher.catalog.model import Event, Facets, Offer
from watcher.catalog.reading import Snapshot
from watcher.catalog.values import clean

LONGEST = 200
"""Characters of the sentence."""
_MOST_READ = 1_500
_LINK = re.compile(r"!?\[([^\][]{0,200})\]\([^()\s]{0,500}\)")
_MARKS = re.compile(r"[*`]{1,3}|__|^#+ ", re.MULTILINE)
_END = re.compile(r"(?<=[^\W\d_]{2}[.!?])\s+(?=[^a-z])|(?<=\d[.!?])\s+(?=[A-Z])|\n")
_ELLIPSIS = re.compile(r"(?<![\s,;:.])[\s,;:]*(?:\.{3,}|…)$")


class _Described(msgspec.Struct):
    description: str = ""


def plain(text: str) -> str:
    """Return the beginning of a stranger's text without the marks and the addresses of Markdown."""
    return _MARKS.sub("", _LINK.sub(r"\1", text[:_MOST_READ]))


def first_sentence(description: str) -> str | None:
    """Return the first sentence of a description, without Markdown, cut between words; a stranger's text."""
    text = clean(plain(description)).strip()
    sentence = _ELLIPSIS.sub("…", " ".join(_END.split(text, maxsplit=1)[0].split()))
    if len(sentence) > LONGEST:
        sentence = sentence[: LONGEST - 1].rsplit(" ", 1)[0].rstrip(" ,;:") + "…"
    return sentence or None


def describe_new(events: Iterable[Event], snapshot: Snapshot) -> tuple[Event, ...]:
    """Return the events, those about new models with the first sentence of the model's description in their offer."""
    return tuple(_described(event, snapshot) if event.kind == "new" else event for event in events)


def with_description(facets: Facets, raw: bytes) -> Facets:
    """Return a model's facets with the description of its document, of which they hold only a digest."""
    description = _description(raw)
    return {**facets, "description": description} if description else facets


def _described(event: Event, snapshot: Snapshot) -> Event:
    entry = snapshot.entries.get(event.model or "")  # None: only the feed has it
    sentence = entry and first_sentence(_description(entry.raw))
    return replace(event, offer=replace(event.offer or Offer(), description=sentence)) if sentence else event


def _description(raw: bytes) -> str:
    """Return the description in a document; empty if it has none, or one that is not a text."""
    try:
        return msgspec.json.decode(raw, type=_Described).description
    except msgspec.MsgspecError:
        return ""
