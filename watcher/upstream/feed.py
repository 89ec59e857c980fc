"""Reading OpenRouter's RSS feed: bytes in, the models it names out.

The feed is a stranger's text, and one odd item must cost that item alone. So the document is first cut into items, and
feedparser gets them one by one. A feed that was cut off is read as far as it goes.
"""

import re
import time
import unicodedata
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from msgspec import Struct

from watcher.catalog.feed import FeedModel
from watcher.upstream.errors import LATER, NotPromisedError, TooLargeError, excerpt

MAX_BYTES = 16 * 1024 * 1024
"""600 items are about 500 KB."""
MAX_ITEMS = 10_000
"""feedparser takes about 0.3 ms for each."""
MAX_ITEM = 16 * 1024  # characters
"""Longer items are left out, as feedparser is quadratic in places. A real one has at most 3,000."""
MAX_SECONDS = 10.0
"""For a feed that is made to keep feedparser busy. The real one takes 0.2 s."""
MAX_NAME = 300  # characters

_MAX_ID = 200
_SEGMENT = r"\w[^\s/:()<>&?#%\"'\\~\ufffd]*"
_ID = re.compile(rf"~?(?P<author>{_SEGMENT})/{_SEGMENT}(:{_SEGMENT})?")
_PAGES = frozenset(
    {"about", "activity", "announcements", "api", "apps", "blog", "careers", "changelog", "chat", "collections"}
    | {"compare", "credits", "docs", "enterprise", "guides", "legal", "login", "models", "news", "press", "pricing"}
    | {"privacy", "providers", "rankings", "settings", "sign-in", "sign-up", "status", "support", "terms", "workspaces"}
)
"""First path segments of the site's own pages. No author of models has such a name."""
_SITES = frozenset({"openrouter.ai", "www.openrouter.ai"})

_PROLOG = re.compile(r"(?:\s+|<\?.*?\?>|<!--.*?-->)*+", re.DOTALL)
_ROOT = re.compile(r"<rss(?:\s[^<>]{0,2000})?(?<!/)>")
# The tags of items, and CDATA sections, in which tags do not count.
_MARKS = re.compile(r"<!\[CDATA\[.*?(?:\]\]>|\Z)|<(?P<end>/?)item(?:\s[^<>]*)?>", re.DOTALL)

# XML 1.0 does not allow these; some feeds contain them.
_FORBIDDEN = dict.fromkeys([*(c for c in range(0x20) if c not in b"\t\n\r"), 0xFFFE, 0xFFFF])
# These change the direction of the text around them, and can make one name look like another.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
_BREAKS = frozenset({"Cc", "Zl", "Zp", "Cs"})  # Unicode categories: control characters, line and paragraph separators


class Feed(Struct, frozen=True):
    """The models in the feed's order, newest first. The same id may come several times."""

    models: tuple[FeedModel, ...]
    whole: bool = True
    """Whether it was read to its end."""


def read_feed(body: bytes, *, monotonic: Callable[[], float] = time.monotonic) -> Feed:
    """Return the models that an RSS 2.0 document in UTF-8 names. Items that name none are left out.

    Raises:
        TooLargeError: it has too many bytes or items.
        NotPromisedError: it is not a feed, declares a document type, or has items but names no model.
    """
    if len(body) > MAX_BYTES:
        raise TooLargeError(f"the RSS feed has {len(body)} bytes, more than the {MAX_BYTES} that are read")
    root, content = _split_root(body.decode("utf-8-sig", "replace").translate(_FORBIDDEN))
    items, whole = _split_items(content)
    end = monotonic() + MAX_SECONDS
    models = []
    for item in items:
        if monotonic() > end:
            whole = False
            break
        if model := _model(_parse(root, item)):
            models.append(model)
    if not models and (items or not whole):
        what = f"names no model in its {len(items)} items" if items else "was cut off before its first item"
        raise NotPromisedError(f"the RSS feed {what}; it begins {excerpt(body)!r}; {LATER}")
    return Feed(tuple(models), whole)


def _split_root(text: str) -> tuple[str, str]:
    """Return the root's opening tag and the text after it."""
    prolog = _PROLOG.match(text)
    start = prolog.end() if prolog else 0
    if root := _ROOT.match(text, start):
        return root[0], text[root.end() :]
    what = "something other than an RSS feed came"
    if text[start : start + 9].upper() == "<!DOCTYPE":
        what = "the RSS feed was refused, as it declares a document type, like HTML pages and attacks by entities"
    raise NotPromisedError(f"{what}: it begins {excerpt(text)!r}; check what source.url answers to use_rss=true")


def _split_items(content: str) -> tuple[list[str], bool]:
    """Return the text of each item, and whether the feed has its end."""
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


def _parse(root: str, item: str) -> Mapping[str, Any]:
    import feedparser

    # At each item it would look in all folders for a parser that hardly anybody has, which takes a third of the time.
    feedparser.api.PREFERRED_XML_PARSERS = []
    try:
        # feedparser could take bytes or a string for a URL or a path, so it gets BytesIO. Sanitising and relative links
        # concern descriptions, which are not used.
        found = feedparser.parse(
            BytesIO(f"{root}{item}</rss>".encode()),
            sanitize_html=False,
            resolve_relative_uris=False,
            response_headers={"content-type": "application/rss+xml; charset=utf-8"},
        ).entries
    except Exception:  # re.error, ValueError and more on hostile input
        return {}
    return found[0] if found else {}


def _model(item: Mapping[str, Any]) -> FeedModel | None:
    """Return the model of an item, its name without control characters.

    The id comes from the title or the link: the base id, without a variant. The canonical slug (the guid) is also the
    id if nothing else gives one.
    """
    title, link, guid = (str(item.get(key) or "") for key in ("title", "link", "id"))
    is_page, id_in_link = _read_link(link)
    name, id_in_title = _split_title(title)
    slug = _valid_id(guid)
    found = id_in_title or id_in_link or slug
    return None if found is None or is_page else FeedModel(found, _clean(name) or found, slug)


def _valid_id(candidate: str) -> str | None:
    candidate = candidate.strip()
    if len(candidate) > _MAX_ID or not candidate.isprintable():
        return None
    match = _ID.fullmatch(candidate)
    return candidate if match and match["author"].lower() not in _PAGES else None


def _split_title(title: str) -> tuple[str, str | None]:
    """Return name and id of `Author: Name (author/slug)`. The id is None if the last parentheses hold none."""
    end = title.rfind(")")
    start = title.rfind("(", 0, max(end, 0))
    found = _valid_id(title[start + 1 : end]) if start >= 0 else None
    return (title, None) if found is None else (title[:start] + title[end + 1 :], found)


def _read_link(link: str) -> tuple[bool, str | None]:
    """Return whether the link leads to a page of the site, and the id in it.

    An id is in `https://openrouter.ai/author/slug` and `https://openrouter.ai/chat?models=author/slug`.
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
        return False, next(filter(None, map(_valid_id, query.get("models", ()))), None)
    return path.partition("/")[0].lower() in _PAGES, _valid_id(path)


def _clean(name: str) -> str:
    """Return the name on one line, of at most `MAX_NAME` characters, without invisible ones."""
    shown = "".join(" " if unicodedata.category(c) in _BREAKS else c for c in name if c not in _BIDI)
    shown = " ".join(shown.split())
    return shown if len(shown) <= MAX_NAME else shown[: MAX_NAME - 1].rstrip() + "…"
