"""Reading OpenRouter's RSS feed: bytes in, the models that it names out.

Everything in it is a stranger's text, and one odd item must cost that item alone. So the document is cut into its items
first, and each is parsed by feedparser on its own: whatever it makes of one, or raises, is no matter of the others, and
a feed that was cut off is read as far as it goes.
"""

import codecs
import re
import time
import unicodedata
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from msgspec import Struct

from watcher.upstream.errors import NotPromisedError, TooLargeError, excerpt

MAX_BYTES = 16 * 1024 * 1024
"""600 items are about 500 KB."""
MAX_ITEMS = 10_000
"""feedparser takes about 0.3 ms for each."""
MAX_ITEM = 16 * 1024  # characters
"""A real one has at most 3,000. feedparser is quadratic in places: what is longer is left out."""
MAX_SECONDS = 10.0
"""For a feed that is made to keep feedparser busy; the real one takes 0.2 s."""
MAX_NAME = 300  # characters

_MAX_ID = 200
_SEGMENT = r"\w[^\s/:()<>&?#%\"'\\~\ufffd]*"
_ID = re.compile(rf"~?(?P<author>{_SEGMENT})/{_SEGMENT}(:{_SEGMENT})?")
_PAGES = frozenset(
    {"about", "activity", "announcements", "api", "apps", "blog", "careers", "changelog", "chat", "collections"}
    | {"compare", "credits", "docs", "enterprise", "guides", "legal", "login", "models", "news", "press", "pricing"}
    | {"privacy", "providers", "rankings", "settings", "sign-in", "sign-up", "status", "support", "terms", "workspaces"}
)
"""First path segments on openrouter.ai that are pages of the site: no model is under them."""
_SITES = frozenset({"openrouter.ai", "www.openrouter.ai"})

_PROLOG = re.compile(r"(?:\s+|<\?.*?\?>|<!--.*?-->)*+", re.DOTALL)
_DECLARED = re.compile(rb"\s*<\?xml[^>]{0,200}?\sencoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
_CHARSETS = ("big5", "cp125", "euc", "gb", "iso8859", "koi8", "shift_jis")
"""What the names of encodings begin with that people write feeds in. Python knows others that are no such thing."""
_ROOT = re.compile(r"<rss(?:\s[^<>]{0,2000})?(?<!/)>")
# CDATA sections, where a tag is no tag, and the tags of items.
_MARKS = re.compile(r"<!\[CDATA\[.*?(?:\]\]>|\Z)|<(?P<end>/?)item(?:\s[^<>]*)?>", re.DOTALL)

# What XML 1.0 does not allow and some feeds contain anyway.
_FORBIDDEN = dict.fromkeys([*(c for c in range(0x20) if c not in b"\t\n\r"), 0xFFFE, 0xFFFF, *range(0xD800, 0xE000)])
# Marks that turn the direction of the text around them, with which one name can be made to look like another.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")

_BREAKS = frozenset({"Cc", "Zl", "Zp", "Cs"})  # Unicode categories: control characters, line and paragraph separators


class FeedEntry(Struct, frozen=True):
    """One model as the feed names it.

    `id` is that of the title or the link: the base id, without a variant. `slug` is the canonical slug (the guid);
    where nothing else names the model, it is the id as well. `name` has no control characters and at most 300
    characters; it is still a stranger's text.
    """

    id: str
    name: str
    slug: str | None = None


class Feed(Struct, frozen=True):
    """The entries in the feed's order (newest first). An id comes as often as the feed has it."""

    entries: tuple[FeedEntry, ...]
    whole: bool = True
    """Whether it goes on to its end; else there were more entries."""


def read_feed(body: bytes, *, monotonic: Callable[[], float] = time.monotonic) -> Feed:
    """Return the models that an RSS 2.0 document names. Items that name none are left out.

    Raises:
        TooLargeError: it has more bytes or items than are read.
        NotPromisedError: it is no feed, declares a document type, or names no model though it has items.
    """
    if len(body) > MAX_BYTES:
        raise TooLargeError(f"the RSS feed has {len(body)} bytes, more than the {MAX_BYTES} that are read")
    root, content = _opened(_decoded(body))
    items, whole = _items(content)
    end = monotonic() + MAX_SECONDS
    entries = []
    for item in items:
        if monotonic() > end:
            whole = False
            break
        if entry := _entry(_parsed(root, item)):
            entries.append(entry)
    if not entries and (items or not whole):
        what = f"names no model in its {len(items)} items" if items else "was cut off before its first item"
        raise NotPromisedError(f"the RSS feed {what}; it begins {excerpt(body)!r}; it is tried again at the next check")
    return Feed(tuple(entries), whole)


def _decoded(body: bytes) -> str:
    """Return the text. UTF-8 counts for more than what is declared, as servers declare all sorts of things."""
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return body.decode("utf-16", "replace").translate(_FORBIDDEN)
    declared = _DECLARED.match(body)
    for name in ("utf-8-sig", declared[1].decode() if declared else ""):
        try:
            if name == "utf-8-sig" or codecs.lookup(name).name.startswith(_CHARSETS):
                return body.decode(name).translate(_FORBIDDEN)
        except (LookupError, UnicodeDecodeError):
            continue
    return body.decode("utf-8-sig", "replace").translate(_FORBIDDEN)


def _opened(text: str) -> tuple[str, str]:
    """Return the root's opening tag and what follows it. Before it there is nothing that feedparser has to see."""
    prolog = _PROLOG.match(text)
    start = prolog.end() if prolog else 0
    if root := _ROOT.match(text, start):
        return root[0], text[root.end() :]
    what = "something other than an RSS feed came"
    if text[start : start + 9].upper() == "<!DOCTYPE":
        what = "the RSS feed was refused, as it declares a document type, like HTML pages and attacks by entities"
    raise NotPromisedError(f"{what}: it begins {excerpt(text)!r}; check what source.url answers to use_rss=true")


def _items(content: str) -> tuple[list[str], bool]:
    """Return the items, each as it is written, and whether the feed goes on to its end."""
    items: list[str] = []
    start = end = None
    for mark in _MARKS.finditer(content):
        if mark["end"] == "":
            start = mark.start()
        elif mark["end"] and start is not None:
            end = mark.end()
            items.append(content[start:end] if end - start <= MAX_ITEM else "")
            start = None
            if len(items) > MAX_ITEMS:
                raise TooLargeError(f"the RSS feed has more than the {MAX_ITEMS} items that are read")
    return items, "</rss" in content[end or 0 :]


def _parsed(root: str, item: str) -> Mapping[str, Any]:
    import feedparser

    try:
        # BytesIO, never bytes or a string: those may be taken for a URL or a path. Descriptions, which are all that
        # sanitising and relative links are about, are not used.
        document = BytesIO(f"{root}{item}</rss>".encode())
        found = feedparser.parse(
            document,
            sanitize_html=False,
            resolve_relative_uris=False,
            response_headers={"content-type": "application/rss+xml; charset=utf-8"},
        ).entries
    except Exception:  # it lets re.error, ValueError, and more out on hostile input; whatever comes, it is the item's
        return {}
    return found[0] if found else {}


def _entry(item: Mapping[str, Any]) -> FeedEntry | None:
    title, link, guid = (_text(item.get(key)) for key in ("title", "link", "id"))
    is_page, in_link = _read_link(link)
    name, in_title = _split_title(title)
    slug = _valid(guid)
    found = in_title or in_link or slug
    return None if found is None or is_page else FeedEntry(found, _clean(name) or found, slug)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _valid(candidate: str) -> str | None:
    candidate = candidate.strip()
    if len(candidate) > _MAX_ID or not candidate.isprintable():
        return None
    match = _ID.fullmatch(candidate)
    return candidate if match and match["author"].lower() not in _PAGES else None


def _split_title(title: str) -> tuple[str, str | None]:
    """`Author: Name (author/slug)` in its two parts; the second is None where the last parentheses hold no id."""
    end = title.rfind(")")
    start = title.rfind("(", 0, max(end, 0))
    found = _valid(title[start + 1 : end]) if start >= 0 else None
    return (title, None) if found is None else (title[:start] + title[end + 1 :], found)


def _read_link(link: str) -> tuple[bool, str | None]:
    """Return whether the link leads to a page of the site, and else the id in it.

    That is `https://openrouter.ai/author/slug`, or `https://openrouter.ai/chat?models=author/slug`.
    """
    try:
        parts = urlsplit(link.strip())
        query = parse_qs(parts.query, max_num_fields=20)
    except ValueError:
        return False, None
    if parts.hostname not in _SITES:
        return False, None
    path = unquote(parts.path).strip("/")
    if path == "chat":
        return False, next(filter(None, map(_valid, query.get("models", ()))), None)
    return path.partition("/")[0].lower() in _PAGES, _valid(path)


def _clean(name: str) -> str:
    """One line of at most `MAX_NAME` characters that shows what it holds."""
    shown = "".join(" " if unicodedata.category(c) in _BREAKS else c for c in name if c not in _BIDI)
    shown = " ".join(shown.split())
    return shown if len(shown) <= MAX_NAME else shown[: MAX_NAME - 1].rstrip() + "…"
