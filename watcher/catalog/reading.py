"""From response bodies to a snapshot, and from one document to the normal form.

The normal form makes equal what means the same (see `normalise`); the raw document stays beside it, so that
nothing is lost by reading it. Reading is in two steps because nearly every document is the one of the last poll:
`read` splits a list into entries with a digest each, and only an entry whose digest is new need be normalised.
"""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct

from watcher.catalog import price
from watcher.catalog.model import Model
from watcher.catalog.pricing import OVERRIDES, PRICING, TOKEN_PRICES, is_price, is_tier, read_pricing, whole
from watcher.catalog.values import READERS, UnreadableValueError, clean

UNREAD = "?"
"""The facet that lists the paths of a model that never could be read, so that nothing is known of them."""

UNWATCHED = frozenset({"id", "benchmarks"})
"""Not part of the normal form: `benchmarks` moves all the time and says nothing about the offer."""

WHOLE_DOCUMENT = ""
"""The path of everything in a document."""

_OBJECTS = frozenset({"architecture", "top_provider", "alias_target", "per_request_limits", "reasoning"})
_NUMBERS = ("per_request_limits.", "reasoning.")
"""Prefixes of values of which a number may come as text."""
_MAX_DEPTH = 4
_MAX_ID = 200


class UnreadableError(ValueError):
    """The body is not the promised list; the message says how."""


class Entry(Struct, frozen=True, gc=False):
    """One document of the list as it came, and a digest of its bytes."""

    raw: bytes
    digest: bytes


class Snapshot(Struct, frozen=True):
    """What one poll of the list showed: its entries by id, in the order of the list."""

    entries: dict[str, Entry]
    total: int
    """Entries in the list, whatever their state."""
    promised: int | None = None
    """The list's own `total_count`, if it gave one."""
    unnamed: tuple[str, ...] = ()
    """What tells the entries without a readable id apart: their name, or else a digest."""
    conflicting: tuple[str, ...] = ()
    """Ids of which there are two different documents; the digest in `entries` is that of both."""


class Reading(Struct, frozen=True):
    """One document in normal form, and what of it could not be read."""

    model: Model
    unreadable: tuple[str, ...] = ()
    """Paths of the API's document whose values are not what the API promises."""
    conditions: tuple[str, ...] = ()
    """Conditions of prices that are not understood."""


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
        count, documents = _decode_page(body)
        promised = count if isinstance(count, int) else promised
        total += len(documents)
        for data in documents:
            entry = Entry(data, _digest(data))
            model_id = _id(data)
            if not model_id:
                unnamed.append(_name(entry))
            elif (known := entries.setdefault(model_id, entry)).digest != entry.digest:
                conflicting[model_id] = None
                entries[model_id] = Entry(known.raw, _digest(known.digest + entry.digest))
    return Snapshot(entries, total, promised, tuple(sorted(unnamed)), tuple(conflicting))


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()


def _id(data: bytes) -> str:
    """Return the id in a document; empty where none can be read."""
    try:
        model_id = _named_decoder.decode(data).id
    except msgspec.MsgspecError:
        return ""
    return model_id if is_id(model_id) else ""


def is_id(text: str) -> bool:
    """Whether a text can be the id of a model: one word, in any script."""
    return 0 < len(text) <= _MAX_ID and text.isprintable() and " " not in text


def _name(entry: Entry) -> str:
    """Return what tells an entry without an id apart from others."""
    document = _decode(entry.raw)
    name = document.get("name") if isinstance(document, dict) else None
    return name[:_MAX_ID] if isinstance(name, str) and name else entry.digest.hex()


def _decode_page(body: bytes) -> tuple[Any, list[bytes]]:
    """Return the page's `total_count` and its documents."""
    try:
        try:
            page = _page_decoder.decode(body)
            documents = [bytes(raw) for raw in page.data]
            body.decode()  # the decoder looks only at the text that it hands out
        except msgspec.ValidationError:
            raise
        except (msgspec.DecodeError, UnicodeDecodeError):
            # A lone surrogate or a stray byte somewhere must not cost us the other models.
            page = _page_decoder.decode(_repair(body))
            documents = [bytes(raw) for raw in page.data]
    except msgspec.ValidationError as error:
        raise UnreadableError(f"not the promised list: {error}") from None
    except RecursionError:
        raise UnreadableError("not the promised list: it is nested too deeply") from None
    return page.total_count, documents


def _repair(body: bytes) -> bytes:
    """Return the JSON with what no text can hold replaced by U+FFFD, if it is JSON at all."""
    try:
        document = _lenient(body.decode("utf-8", "replace"))
        return msgspec.json.encode(_without_surrogates(document))
    except ValueError as error:
        if isinstance(error, json.JSONDecodeError) and error.msg == "Extra data":
            raise UnreadableError(f"not the promised list: something follows it at character {error.pos}") from None
        raise UnreadableError(f"not JSON: {error}") from None


def _lenient(text: str) -> Any:
    """Return what the JSON says, with numbers that JSON or a double does not have as text: they are no `null`."""
    return json.loads(text, parse_constant=str, parse_float=_finite, parse_int=_integer)


def _finite(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def _integer(text: str) -> int | str:
    return int(text) if len(text) < 19 else text


def _decode(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except msgspec.MsgspecError:
        return _lenient(raw.decode())


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value


def normalise(raw: bytes, now: datetime) -> Reading:
    """Return the normal form of one model's document, which has a readable id.

    - Nested values are flattened to dotted paths; unknown ones are kept as they came.
    - `null`, empty lists and objects mean the same as absent: they are left out, as is `""` where a text is optional.
    - Lists that are sets are sorted; whole floats are integers, as are digits in a string where a number is promised.
    - Prices are canonical, see `read_pricing`.
    - An expiration date over ten years ahead is none.
    - The description is kept as a digest only, enough to see that it changed.
    - What is not as promised is unknown: only that part of the document is lost, and its path is in `facets["?"]`.

    Args:
        raw: the document.
        now: the time of the poll (UTC).
    """
    document = _decode(raw)
    facets: dict[str, Any] = {}
    unread: list[str] = []
    for path, value in _flatten("", {key: value for key, value in document.items() if key not in UNWATCHED}):
        try:
            facet = _facet(path, value, now)
        except UnreadableValueError:
            unread.append(path)
        else:
            if facet is not None:
                facets[path] = facet
    if "name" not in facets:
        facets["name"] = document["id"]
        unread = [*(path for path in unread if path != "name"), "name"]
    pricing = document.get("pricing")
    prices = read_pricing(pricing if isinstance(pricing, dict) else {})
    facets.update(prices.facets)
    if pricing and isinstance(pricing, dict):
        lost = list(prices.lost)
        unreadable = [*unread, *prices.unreadable]
    else:
        lost = [PRICING.rstrip(".")]
        unreadable = [*unread, *lost]
    if unread or lost:
        facets[UNREAD] = sorted([*unread, *lost])
    return Reading(Model(document["id"], facets), tuple(unreadable), prices.conditions)


def not_understood(model_id: str) -> Reading:
    """Return the reading of a document of which nothing but the id is known."""
    prices = {PRICING + key: price.UNKNOWN for key in TOKEN_PRICES}
    return Reading(Model(model_id, {"name": model_id, **prices, UNREAD: [WHOLE_DOCUMENT]}), (WHOLE_DOCUMENT,))


def is_under(path: str, parents: Iterable[str]) -> bool:
    """Whether the path is one of the parents or inside one; tiers are inside `pricing.overrides`."""
    tier = is_price(path) and is_tier(path)
    return any(
        parent in (WHOLE_DOCUMENT, path) or path.startswith(f"{parent}.") or (tier and parent == OVERRIDES)
        for parent in parents
    )


def _flatten(prefix: str, values: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        path = prefix + key
        if path == "pricing":
            if isinstance(value, dict) and "discount" in value:
                yield "discount", value["discount"]
        elif value is None or value in ([], {}) or path == UNREAD or path.startswith(PRICING):
            continue
        elif isinstance(value, dict) and path not in READERS and path.count(".") < _MAX_DEPTH:
            yield from _flatten(path + ".", value)
        else:
            yield path, value


def _facet(path: str, value: Any, now: datetime) -> Any:
    """Return a value in normal form, or None where it means absent."""
    if path in _OBJECTS:
        raise UnreadableValueError
    if reader := READERS.get(path):
        return reader(value, now)
    if path == "description":
        text = clean(value) if isinstance(value, str) else str(value)
        return blake2b(text.encode(), digest_size=8).hexdigest() if text else None
    if isinstance(value, str):
        number = whole(value) if path.startswith(_NUMBERS) else None
        return (clean(value) or None) if number is None else number
    return int(value) if isinstance(value, float) and value.is_integer() else value
