"""Reading OpenRouter's RSS feed: bytes in, entries out.

The feed is a second witness for models that are new; it carries some that the list does not. Everything in it is a
stranger's text, so it is bounded and checked with expat before feedparser sees it: feedparser alone would expand
entities, and hand what is not well-formed (a feed that was cut off, an HTML page) to a lenient parser that takes
what it can get.
"""

import codecs
import re
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.parsers import expat

from msgspec import Struct

from watcher.upstream.errors import NotPromisedError, TooLargeError, excerpt

MAX_BYTES = 16 * 1024 * 1024
"""The whole catalogue is about 1 MB of RSS."""
MAX_ENTRIES = 10_000
"""feedparser takes about 0.4 ms for each."""
MAX_ELEMENTS = 100_000
"""An item has six; feedparser takes about 15 µs for each, and much longer for thousands of attributes on one."""
MAX_ATTRIBUTES = 32
MAX_DEPTH = 32
MAX_NAME = 300  # characters

_ID = re.compile(r"~?[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*(:[A-Za-z0-9][A-Za-z0-9._-]*)?", re.ASCII)
_MAX_ID = 200
_NO_AUTHORS = frozenset({"api", "chat", "docs", "models"})
"""First path segments on openrouter.ai that are pages of the site, so that `/docs/models` is not taken for an id."""

# What XML 1.0 does not allow and some feeds contain anyway.
_FORBIDDEN = dict.fromkeys([*(c for c in range(0x20) if c not in b"\t\n\r"), 0xFFFE, 0xFFFF, *range(0xD800, 0xE000)])
# Marks that turn the direction of the text around them, with which one name can be made to look like another.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")

_BREAKS = frozenset({"Cc", "Zl", "Zp", "Cs"})  # Unicode categories: control characters, line and paragraph separators


class FeedEntry(Struct, frozen=True):
    """One model in the feed.

    `name` has no control characters and at most 300 characters; it is still a stranger's text. `published` is in
    UTC, None where the feed gives no possible date. `canonical_slug` is the guid where that has the form of an id;
    it may equal `id`.
    """

    id: str
    name: str
    url: str
    published: datetime | None = None
    canonical_slug: str | None = None
    may_be_slug: bool = False
    """Whether the id is only the guid's, which may be the canonical slug of another id."""


class Feed(Struct, frozen=True):
    """The entries in the feed's order (newest first), each id once, and how many had no id that can be read."""

    entries: tuple[FeedEntry, ...]
    skipped: int = 0


def read_feed(body: bytes) -> Feed:
    """Reads an RSS (or Atom) document.

    Raises:
        TooLargeError: it has more bytes or entries than are read.
        NotPromisedError: it is no feed, is not well-formed (cut off, say), or declares a document type.
    """
    if len(body) > MAX_BYTES:
        raise TooLargeError(f"the RSS feed has {len(body)} bytes, more than the {MAX_BYTES} that are read")
    document = _normal_document(body)
    _check_well_formed(document)
    entries: dict[str, FeedEntry] = {}
    skipped = 0
    for item in _parse(document):
        entry = _entry(item)
        if entry is None:
            skipped += 1
        else:
            entries.setdefault(entry.id, entry)
    return Feed(tuple(entries.values()), skipped)


def _normal_document(body: bytes) -> bytes:
    """The document in UTF-8 without its XML declaration, so that whoever parses it sees the same text as we check."""
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = body.decode("utf-16", "replace")
    else:
        try:
            text = body.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = body.decode("cp1252", "replace")
    text = text.translate(_FORBIDDEN).lstrip()
    if text.startswith("<?xml"):
        text = text[text.find("?>") + 2 :].lstrip() if "?>" in text else ""
    return text.encode()


def _check_well_formed(document: bytes) -> None:
    depth = elements = items = namespaces = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, elements, items
        depth += 1
        elements += 1
        if depth > MAX_DEPTH or elements > MAX_ELEMENTS or len(attributes) > MAX_ATTRIBUTES:
            raise TooLargeError(
                f"the RSS feed was refused: it has more than {MAX_ELEMENTS} elements, or more than {MAX_DEPTH} inside "
                f"each other, or one with more than {MAX_ATTRIBUTES} attributes; check what source.url answers to "
                "use_rss=true"
            )
        if name.rpartition(" ")[2].lower() in ("item", "entry"):
            items += 1
            if items > MAX_ENTRIES:
                raise TooLargeError(f"the RSS feed has more than the {MAX_ENTRIES} entries that are read")

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1

    def namespace(prefix: str, uri: str) -> None:
        nonlocal namespaces
        namespaces += 1
        if namespaces > MAX_ELEMENTS // 100:
            raise TooLargeError("the RSS feed was refused: it declares more namespaces than any feed needs")

    def declaration(*_: object) -> None:
        raise NotPromisedError(
            "the RSS feed declares a document type, as HTML pages and attacks by entities do, so it was refused; "
            "check what source.url answers to use_rss=true"
        )

    parser = expat.ParserCreate("utf-8", " ")
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.StartNamespaceDeclHandler = namespace
    parser.StartDoctypeDeclHandler = declaration
    parser.EntityDeclHandler = declaration
    try:
        parser.Parse(document, True)
    except expat.ExpatError as error:
        raise NotPromisedError(
            f"the RSS feed is not well-formed XML or was cut off ({error}); it begins {excerpt(document)!r}; "
            "it is tried again at the next check"
        ) from None


def _parse(document: bytes) -> list[Mapping[str, Any]]:
    import feedparser

    try:
        # BytesIO, never bytes or a string: those may be taken for a URL or a path. Descriptions, which are all that
        # sanitising and relative links are about, are not used.
        result = feedparser.parse(BytesIO(document), sanitize_html=False, resolve_relative_uris=False)
        version = result.get("version", "")
        entries = list(result.get("entries", ()))
        broken = result.get("bozo_exception") if result.get("bozo") else None
    except Exception as error:
        # It is known to let re.error and ValueError out on hostile input; whatever comes, it is the feed's fault.
        raise NotPromisedError(
            f"the RSS feed cannot be read ({type(error).__name__}); it begins {excerpt(document)!r}; "
            "it is tried again at the next check"
        ) from None
    harmless = (feedparser.CharacterEncodingOverride, feedparser.NonXMLContentType)
    if not version or (broken is not None and not isinstance(broken, harmless)):
        raise NotPromisedError(
            f"something other than an RSS feed came: it begins {excerpt(document)!r}; check what source.url answers to "
            "use_rss=true"
        )
    return entries


def _entry(item: Mapping[str, Any]) -> FeedEntry | None:
    title, link, guid = (_text(item.get(key)) for key in ("title", "link", "id"))
    name, in_title = _split_title(title)
    slug = _valid(guid)
    named = in_title or next(_ids_in_link(link), None)
    found = named or slug
    if found is None:
        return None
    return FeedEntry(
        id=found,
        name=_clean(name) or found,
        url=link if _is_web_address(link) else f"https://openrouter.ai/{found}",
        published=_date(_text(item.get("published")) or _text(item.get("updated"))),
        canonical_slug=slug,
        may_be_slug=named is None,
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _valid(candidate: str) -> str | None:
    candidate = candidate.strip()
    return candidate if len(candidate) <= _MAX_ID and _ID.fullmatch(candidate) else None


def _split_title(title: str) -> tuple[str, str | None]:
    """`Author: Name (author/slug)` in its two parts; the second is None where the last parentheses hold no id."""
    end = title.rfind(")")
    start = title.rfind("(", 0, max(end, 0))
    found = _valid(title[start + 1 : end]) if start >= 0 else None
    return (title, None) if found is None else (title[:start] + title[end + 1 :], found)


def _ids_in_link(link: str) -> Iterator[str]:
    """The id in `https://openrouter.ai/author/slug` or `https://openrouter.ai/chat?models=author/slug`."""
    try:
        parts = urlsplit(link.strip())
        query = parse_qs(parts.query, max_num_fields=20)
    except ValueError:
        return
    path = unquote(parts.path).strip("/")
    if path == "chat":
        for value in query.get("models", ()):
            if found := _valid(value):
                yield found
    elif path.partition("/")[0] not in _NO_AUTHORS and (found := _valid(path)):
        yield found


def _is_web_address(link: str) -> bool:
    return (
        link.startswith(("https://", "http://"))
        and link.isascii()
        and link.isprintable()
        and not set(link) & set(' "<>')
    ) and len(link) <= 2000


def _clean(name: str) -> str:
    """One line of at most `MAX_NAME` characters that shows what it holds."""
    head = name[: MAX_NAME * 20]  # enough for every real name, and a bound on the work for one of a megabyte
    shown = "".join(" " if unicodedata.category(c) in _BREAKS else c for c in head if c not in _BIDI)
    shown = " ".join(shown.split())
    return shown if len(shown) <= MAX_NAME else shown[: MAX_NAME - 1].rstrip() + "…"


def _date(text: str) -> datetime | None:
    """An RSS or Atom date in UTC. feedparser's own reading is not used: it turns 31 February into 3 March."""
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            when = parse(text.strip()[:64])
            return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, TypeError, OverflowError, IndexError):
            continue
    return None
