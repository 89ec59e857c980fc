"""Reading response bodies into a snapshot, and single documents into the normal form.

Nearly every document is the same as at the last poll. So `read` only splits the list into entries with a digest each,
and `normalise` reads one entry; the caller skips those whose digest it knows.
"""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from watcher.catalog.model import Model
from watcher.catalog.pricing import OVERRIDES, PRICING, is_tier, read_pricing
from watcher.catalog.values import READERS, clean, whole

T = TypeVar("T")

UNREAD = "?"
"""The facet that lists the paths of a model that could never be read so far."""

_UNWATCHED = frozenset({"id", "benchmarks", UNREAD})
"""Not part of the normal form: `benchmarks` changes all the time and is not part of the offer."""

WHOLE_DOCUMENT = ""
"""The path of everything in a document."""

_OBJECTS = frozenset({"architecture", "top_provider", "alias_target", "per_request_limits", "reasoning"})
_NUMBERS = ("per_request_limits.", "reasoning.")
"""Prefixes of paths whose numbers may come as text."""
_MAX_DEPTH = 4
_MAX_ID = 200


class UnreadableError(ValueError):
    """The body is not the promised list; the message says why."""


class Entry(Struct, frozen=True, gc=False):
    """One document of the list as it came, and a digest of its bytes."""

    raw: bytes
    digest: bytes


class Snapshot(Struct, frozen=True):
    """The list as one poll showed it: its entries by id, in the order of the list."""

    entries: dict[str, Entry]
    total: int
    """The number of entries, readable or not."""
    promised: int | None = None
    """The list's own `total_count`, if it gave one."""
    unnamed: tuple[str, ...] = ()
    """The name, or else a digest, of each entry without a readable id."""
    conflicting: tuple[str, ...] = ()
    """Ids with two different documents. Their digest in `entries` stands for both."""


class Reading(Struct, frozen=True):
    """One document in normal form, and the parts that could not be read."""

    model: Model
    unreadable: tuple[str, ...] = ()
    """Paths whose values are not what the API promises."""
    conditions: tuple[str, ...] = ()
    """Conditions of prices that the watcher does not know."""


class _Page(Struct):
    data: list[msgspec.Raw]
    total_count: Any = None


class _Named(Struct):
    id: str


_page_decoder = msgspec.json.Decoder(_Page)
_named_decoder = msgspec.json.Decoder(_Named)


def read(pages: Sequence[bytes]) -> Snapshot:
    """Split the pages of a list into a snapshot. A second copy of the same document counts once.

    Raises:
        UnreadableError: a page is not a JSON object with a list `data`.
    """
    entries: dict[str, Entry] = {}
    unnamed: list[str] = []
    conflicting: dict[str, None] = {}
    total = 0
    promised: int | None = None
    for body in pages:
        page = decode_body(body, _page_decoder)
        promised = page.total_count if isinstance(page.total_count, int) else promised
        total += len(page.data)
        for data in map(bytes, page.data):
            entry = Entry(data, digest(data))
            model_id = _id(data)
            if not model_id:
                unnamed.append(_name(entry))
            elif (known := entries.setdefault(model_id, entry)).digest != entry.digest:
                conflicting[model_id] = None
                entries[model_id] = Entry(known.raw, digest(known.digest + entry.digest))
    return Snapshot(entries, total, promised, tuple(sorted(unnamed)), tuple(conflicting))


def digest(data: bytes) -> bytes:
    """Return what recognises an unchanged document."""
    return blake2b(data, digest_size=16).digest()


def _id(data: bytes) -> str:
    """Return the id in a document, or an empty text: an id is one word of at most 200 characters, in any script."""
    try:
        model_id = _named_decoder.decode(data).id
    except msgspec.MsgspecError:
        return ""
    return model_id if len(model_id) <= _MAX_ID and model_id.isprintable() and " " not in model_id else ""


def _name(entry: Entry) -> str:
    document = decode_document(entry.raw)
    name = document.get("name") if isinstance(document, dict) else None
    return name[:_MAX_ID] if isinstance(name, str) and name else entry.digest.hex()


def decode_body(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Return what a body holds, as far as a stray byte or a lone surrogate allows. Raises UnreadableError."""
    try:
        try:
            body.decode()  # the decoder does not look into raw documents
            return decoder.decode(body)
        except msgspec.ValidationError:
            raise
        except (msgspec.DecodeError, UnicodeDecodeError):
            # A lone surrogate or a stray byte somewhere must not cost us the other models.
            return decoder.decode(_repair(body))
    except msgspec.ValidationError as error:
        raise UnreadableError(f"not the promised list: {error}") from None
    except RecursionError:
        raise UnreadableError("not the promised list: it is nested too deeply") from None


def _repair(body: bytes) -> bytes:
    """Return the JSON with everything that a text cannot hold replaced by U+FFFD."""
    try:
        text = json.dumps(_lenient(body.decode("utf-8", "replace")), ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
    except ValueError as error:
        if isinstance(error, json.JSONDecodeError) and error.msg == "Extra data":
            raise UnreadableError(f"not the promised list: something follows it at character {error.pos}") from None
        raise UnreadableError(f"not JSON: {error}") from None


def _lenient(text: str) -> Any:
    """Decode JSON; numbers that JSON or a double cannot hold become text, so that they are not taken for `null`."""
    return json.loads(
        text,
        parse_constant=str,
        parse_float=lambda number: float(number) if math.isfinite(float(number)) else number,
        parse_int=lambda number: int(number) if len(number) < 19 else number,
    )


def decode_document(raw: bytes) -> Any:
    """Return a model's document; numbers that no double holds are text."""
    try:
        return msgspec.json.decode(raw)
    except msgspec.MsgspecError:
        return _lenient(raw.decode())


def normalise(raw: bytes, now: datetime) -> Reading:
    """Return the normal form of one model's document, which has a readable id.

    - Nested values are flattened to dotted paths; unknown ones are kept as they came.
    - `null`, empty lists and objects mean the same as absent and are left out, as is `""` where a text is optional.
    - Values with a promised type are read by `values.READERS`, prices by `read_pricing`.
    - An unreadable value is unknown. Only that part of the document is lost, and its path is in `facets["?"]`.

    `now` is the time of the poll (UTC).
    """
    document = decode_document(raw)
    facets: dict[str, Any] = {}
    unread: set[str] = set()
    for path, value in _flatten("", document):
        try:
            facet = _facet(path, value, now)
        except ValueError:
            unread.add(path)
        else:
            if facet is not None:
                facets[path] = facet
    if "name" not in facets:
        facets["name"] = document["id"]
        unread.add("name")
    prices = read_pricing(document.get("pricing"))
    facets.update(prices.facets)
    if unread or prices.lost:
        facets[UNREAD] = sorted([*unread, *prices.lost])
    return Reading(Model(document["id"], facets), (*sorted(unread), *prices.unreadable), prices.conditions)


def not_understood(model_id: str) -> Reading:
    """Return the reading of a document that tells nothing but the id."""
    facets = {"name": model_id, **read_pricing(None).facets, UNREAD: [WHOLE_DOCUMENT]}
    return Reading(Model(model_id, facets), unreadable=(WHOLE_DOCUMENT,))


def is_under(path: str, parents: Iterable[str]) -> bool:
    """Whether the path is one of the parents or inside one; tiers are inside `pricing.overrides`."""
    return any(
        parent in (WHOLE_DOCUMENT, path) or path.startswith(f"{parent}.") or (parent == OVERRIDES and is_tier(path))
        for parent in parents
    )


def _flatten(prefix: str, values: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        path = prefix + key
        if path == "pricing":
            if isinstance(value, dict) and "discount" in value:
                yield "discount", value["discount"]
        elif value is None or value in ([], {}) or path in _UNWATCHED or path.startswith(PRICING):
            continue
        elif isinstance(value, dict) and path not in READERS and path.count(".") < _MAX_DEPTH:
            yield from _flatten(path + ".", value)
        else:
            yield path, value


def _facet(path: str, value: Any, now: datetime) -> Any:
    """Return a value in normal form, or None where it means absent; raise ValueError if it cannot be read."""
    if path in _OBJECTS:
        raise ValueError("not an object")
    if reader := READERS.get(path):
        return reader(value, now)
    if isinstance(value, str):
        number = whole(value) if path.startswith(_NUMBERS) else None
        return (clean(value) or None) if number is None else number
    return int(value) if isinstance(value, float) and value.is_integer() else value
