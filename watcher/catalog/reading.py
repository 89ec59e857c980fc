"""From response bodies to a snapshot, and from one document to the normal form.

The normal form makes equal what means the same (see `normalise`); the raw document stays beside it, so that
nothing is lost by reading it. Reading is in two steps because nearly every document is the one of the last poll:
`read` splits a list into entries with a digest each, and only an entry whose digest is new need be normalised.
"""

import json
import re
from collections.abc import Container, Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct

from watcher.catalog import price
from watcher.catalog.model import Facets, Model

PRICING = "pricing."
"""Prefix of the facets that are prices: `pricing.prompt`; a tier of it is `pricing.prompt@200000+`."""

REQUIRED_PRICES = ("prompt", "completion")

UNWATCHED = frozenset({"id", "benchmarks"})
"""Not part of the normal form: `benchmarks` moves all the time and says nothing about the offer."""

_SETS = frozenset(
    {"supported_parameters", "architecture.input_modalities", "architecture.output_modalities", "supported_voices"}
)
_ID = re.compile(r"[\x21-\x7e]{1,200}")
_MAX_DEPTH = 4
_CONDITIONS = frozenset({"min_prompt_tokens", "utc_start", "utc_end"})
_PRICE_KEYS = frozenset(
    {
        *("prompt", "completion", "request", "image", "image_output", "image_token", "audio", "audio_output"),
        *("input_audio_cache", "web_search", "internal_reasoning"),
        *("input_cache_read", "input_cache_write", "input_cache_write_1h"),
    }
)
"""The price keys seen so far; another key beside them in `pricing` is read as a price too."""


class UnreadableError(ValueError):
    """The body is not the promised list; the message says how."""


class UnfitError(ValueError):
    """One document is not a model that can be understood; the message says what is wrong with it."""


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
    unnamed: int = 0
    """Entries whose id cannot be read: any model that is missing may be one of them."""
    duplicates: tuple[str, ...] = ()


class _Page(Struct):
    data: list[msgspec.Raw]
    total_count: Any = None


class _Named(Struct):
    id: str


class _Architecture(Struct):
    input_modalities: list[str] | None = None
    output_modalities: list[str] | None = None


class _TopProvider(Struct):
    context_length: int | float | None = None
    max_completion_tokens: int | float | None = None
    is_moderated: bool | None = None


class _AliasTarget(Struct):
    slug: str


class _Document(Struct):
    """The parts of the API's Model that the watcher relies on, to check their types."""

    id: str
    name: str
    pricing: dict[str, Any]
    canonical_slug: str | None = None
    context_length: int | float | None = None
    architecture: _Architecture | None = None
    top_provider: _TopProvider | None = None
    supported_parameters: list[str] | None = None
    alias_target: _AliasTarget | None = None
    expiration_date: str | None = None
    hugging_face_id: str | None = None


_page_decoder = msgspec.json.Decoder(_Page)
_named_decoder = msgspec.json.Decoder(_Named)


class Familiar:
    """The documents of the list that was read last: what comes again need not be looked through again.

    It keeps no document, only its length and a hash of 64 bits that has a secret of this process in it.
    """

    def __init__(self) -> None:
        self.documents: dict[tuple[int, int], tuple[str, bytes]] = {}
        """The id and the digest of each."""


def read(pages: Sequence[bytes], familiar: Familiar | None = None) -> Snapshot:
    """Split the pages of a list into a snapshot.

    Args:
        pages: their bodies.
        familiar: what the last list held, which is then what this one holds.

    Raises:
        UnreadableError: a page is not a JSON object with a list `data`.
    """
    familiar = familiar or Familiar()
    known, found = familiar.documents, {}
    entries: dict[str, Entry] = {}
    duplicates: list[str] = []
    unnamed = total = 0
    promised: int | None = None
    for body in pages:
        count, documents = _decode_page(body, known)
        promised = count if isinstance(count, int) else promised
        total += len(documents)
        for data in documents:
            key = (hash(data), len(data))
            model_id, digest = named = known.get(key) or (_id(data), blake2b(data, digest_size=16).digest())
            found[key] = named
            if not model_id:
                unnamed += 1
            elif model_id in entries:
                duplicates.append(model_id)
            else:
                entries[model_id] = Entry(data, digest)
    familiar.documents = found
    return Snapshot(entries, total, promised, unnamed, tuple(duplicates))


def _id(data: bytes) -> str:
    """Return the id in a document; empty where none can be read."""
    try:
        model_id = _named_decoder.decode(data).id
    except msgspec.MsgspecError:
        return ""
    return model_id if _ID.fullmatch(model_id) else ""


def _decode_page(body: bytes, known: Container[tuple[int, int]]) -> tuple[Any, list[bytes]]:
    """Return the page's `total_count` and its documents, of which all that are not `known` are made sure to be text."""
    try:
        try:
            page = _page_decoder.decode(body)
            documents = [bytes(raw) for raw in page.data]
            for data in documents:
                if (hash(data), len(data)) not in known:
                    data.decode()  # the decoder looks only at the text that it hands out
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
        document = json.loads(body.decode("utf-8", "replace"))
        return msgspec.json.encode(_without_surrogates(document))
    except ValueError as error:
        raise UnreadableError(f"not JSON: {error}") from None


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value


def normalise(raw: bytes) -> Model:
    """Return the normal form of one model's document.

    - Nested values are flattened to dotted paths; unknown ones are kept as they came.
    - `null`, `""`, empty lists and objects mean the same as absent: they are left out.
    - Lists that are sets are sorted; whole floats are integers.
    - Prices are canonical (see `price`); an optional price of zero is left out, as absent means the same.
      Conditional prices of `pricing.overrides` become facets of their own (`pricing.prompt@200000+`) or, for times
      of the day, the price itself: the day's schedule stands for the window that happens to be in force.
    - The description is kept as a digest only, enough to see that it changed.

    Raises:
        UnfitError: a part that the watcher relies on is missing or has the wrong type.
    """
    try:
        document = msgspec.json.decode(raw)
        fit = msgspec.convert(document, _Document)
    except RecursionError:
        raise UnfitError("nested too deeply") from None
    except msgspec.MsgspecError as error:
        raise UnfitError(str(error)) from None
    facets: dict[str, Any] = dict(_flatten("", {k: v for k, v in document.items() if k not in UNWATCHED}))
    facets["name"] = _clean(fit.name) or fit.id
    if "description" in facets:
        facets["description"] = blake2b(str(facets["description"]).encode(), digest_size=8).hexdigest()
    facets.update(_prices(fit.pricing))
    return Model(fit.id, facets)


def _flatten(prefix: str, values: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, given in values.items():
        path = prefix + key
        value = _clean(given) if isinstance(given, str) else given
        if path == "pricing" or path.startswith(PRICING) or value is None or value in ("", [], {}):
            continue
        if isinstance(value, dict) and path.count(".") < _MAX_DEPTH:
            yield from _flatten(path + ".", value)
        elif path in _SETS and isinstance(value, list):
            yield path, sorted({item if isinstance(item, str) else json.dumps(item, sort_keys=True) for item in value})
        elif isinstance(value, float) and value.is_integer():
            yield path, int(value)
        else:
            yield path, value


def _clean(text: str) -> str:
    """Return the text without NUL, which databases refuse."""
    return text.replace("\0", "").strip()


# Prices


class _Override(Struct):
    """One conditional price list of `pricing.overrides`."""

    prices: dict[str, str]
    min_tokens: int = 0
    window: tuple[int, int] | None = None

    def covers(self, minute: int) -> bool:
        if self.window is None:
            return True
        start, end = self.window
        return start <= minute < end if start < end else minute >= start or minute < end


def _prices(pricing: dict[str, Any]) -> dict[str, Any]:
    listed = pricing.get("overrides")
    base = {key: value for key, value in pricing.items() if key not in ("overrides", "discount") and value is not None}
    if missing := [key for key in REQUIRED_PRICES if key not in base]:
        raise UnfitError(f"no price for {' and '.join(missing)}")
    known = {key: _price(key, value) for key, value in base.items()}
    overrides = [o for entry in (listed if isinstance(listed, list) else []) if (o := _override(entry, known.keys()))]
    facets: dict[str, Any] = {}
    for key in [*known, *{key: None for o in overrides for key in o.prices if key not in known}]:
        for tier in sorted({0, *(o.min_tokens for o in overrides if key in o.prices)}):
            value = _tier_price(key, tier, known.get(key, price.FREE), overrides)
            if value != price.FREE or key in REQUIRED_PRICES or tier:
                facets[PRICING + (f"{key}@{tier}+" if tier else key)] = value
    if discount := _fraction(pricing.get("discount")):
        facets["discount"] = discount
    return facets


def _price(key: str, value: object) -> str:
    try:
        return price.canonical(value)
    except ValueError:
        if key in REQUIRED_PRICES:
            raise UnfitError(f"the price for {key} is not a price") from None
        return price.UNKNOWN  # not zero: that would announce it as free


def _fraction(value: object) -> str | None:
    try:
        fraction = price.canonical(value)
    except ValueError:
        return None
    return fraction if fraction not in (price.FREE, price.VARIES) else None


def _override(entry: object, known: Iterable[str]) -> _Override | None:
    """Return the override, or None for one with a condition that we do not know: it is not ours to apply."""
    if not isinstance(entry, dict):
        return None
    entry = {key: value for key, value in entry.items() if value is not None}
    prices = {key: value for key, value in entry.items() if key not in _CONDITIONS}
    if not prices.keys() <= _PRICE_KEYS | set(known):
        return None
    tokens = entry.get("min_prompt_tokens", 0)
    times = [_minute(entry[key]) for key in ("utc_start", "utc_end") if key in entry]
    if isinstance(tokens, bool) or not isinstance(tokens, int) or tokens < 0 or len(times) == 1 or None in times:
        return None
    start_end = [minute for minute in times if minute is not None]
    window = (start_end[0], start_end[1]) if start_end and start_end[0] != start_end[1] else None
    return _Override({key: _optional(value) for key, value in prices.items()}, tokens, window)


def _optional(value: object) -> str:
    return _price("", value)


def _minute(hhmm: object) -> int | None:
    """Return the minute of the day of a time written as a number HHMM."""
    if isinstance(hhmm, bool) or not isinstance(hhmm, int) or not 0 <= hhmm <= 2400 or hhmm % 100 >= 60:
        return None
    return (hhmm // 100 * 60 + hhmm % 100) % price.DAY


def _tier_price(key: str, tier: int, top_level: str, overrides: Sequence[_Override]) -> str:
    """Return the price of prompts of `tier` tokens: of all applying overrides that give the key, the last one wins."""
    applying = [o for o in overrides if o.min_tokens <= tier and key in o.prices]
    cuts = sorted({0, *(minute for o in applying if o.window for minute in o.window)})
    # The top-level price is the one of the window in force at the moment of the poll. Where that could be one of the
    # windows' own, what holds outside of them cannot be told from this document.
    in_window = {o.prices[key] for o in overrides if o.window and not o.min_tokens and key in o.prices}
    base = price.UNKNOWN if top_level in in_window else top_level
    return price.join((cut, next((o.prices[key] for o in reversed(applying) if o.covers(cut)), base)) for cut in cuts)


def price_of(facets: Facets, path: str) -> str:
    """Return the price at a facet's path with the rules for what is absent.

    A tier that has no price of its own costs what the key costs; an optional price that is absent is zero.
    """
    value = facets.get(path)
    if value is None:
        value = facets.get(base_path(path))
    return price.FREE if value is None else str(value)


def base_path(path: str) -> str:
    """Return the path of the key's own price, which a tier without one inherits; itself, if it is no tier's."""
    return path.partition("@")[0]


def price_key(path: str) -> str:
    """Return the key that a price's path belongs to: `prompt` for `pricing.prompt@200000+`."""
    return base_path(path).removeprefix(PRICING)
