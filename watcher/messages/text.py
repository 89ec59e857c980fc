"""Makes strangers' text harmless in every format: names, ids and values from the catalogue.

`document` then escapes the characters that are special in one format.
"""

import re
import unicodedata
from urllib.parse import quote

from watcher.catalog.event import SITE

MAX_LENGTH = 200
"""Characters of a stranger's text that are shown; a name can be a megabyte long."""

ZERO_WIDTH_SPACE = "\u200b"

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])|\x9b[0-?]*[ -/]*[@-~]")
_SPACES = re.compile(r"\s+")
_MENTION = re.compile(r"@|<(?=[A-Za-z!#/?])|\](?=\()")
"""Where services see a mention, a tag or (`](`) a Markdown link. Some read plain text as Markdown or HTML."""
# Chat clients and mail readers make links of bare addresses, so a zero-width space separates the parts of an address.
_ADDRESS = re.compile(
    r":(?=//)|(?<=\w)\.(?=[^\W\d_]{2,})|\b(?:javascript|data|vbscript|mailto|tel|file):", re.IGNORECASE
)
_LINK = re.compile(re.escape(SITE) + r"[A-Za-z0-9\-._~%:/?=&+]*")
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
"""Unicode categories that do not belong in a name: controls, bidi overrides and zero-width, surrogates."""
_MAX_MARKS = 2
"""Combining marks on one character; more of them climb over the neighbouring lines."""


def clean(text: object, limit: int = MAX_LENGTH) -> str:
    """Return a stranger's text as one visible line without working mentions and links.

    It removes controls, ANSI sequences, bidi overrides, zero-width characters, NUL and lone surrogates, and replaces
    white space by single spaces. It clips the text to `limit` characters. `@everyone`, `<!channel>` and addresses get a
    zero-width space, so that no service recognises them.
    """
    line = visible(text, limit)
    line = _MENTION.sub(lambda match: match[0] + ZERO_WIDTH_SPACE, line)
    return _ADDRESS.sub(lambda match: match[0] + ZERO_WIDTH_SPACE, line)


def visible(text: object, limit: int = MAX_LENGTH) -> str:
    """Return the visible characters of the text on one line, clipped; `clean` breaks up mentions and links as well."""
    raw = str(text)[: limit * 50]
    if not (raw.isascii() and raw.isprintable()):
        chars: list[str] = []
        marks = 0
        for char in _SPACES.sub(" ", _ANSI.sub("", raw)):
            category = unicodedata.category(char)
            if category in _UNSEEN:
                continue
            marks = marks + 1 if category.startswith("M") else 0
            if marks <= _MAX_MARKS:
                chars.append(char)
        raw = "".join(chars)
    line = " ".join(raw.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def page(model_id: str) -> str:
    """Return the address of the model's page; the id may hold any characters."""
    return SITE + quote(visible(model_id), safe="/:~")


def own_link(url: str | None) -> str | None:
    """Return the address if it is on openrouter.ai and percent-encoded; otherwise None."""
    return url if url and _LINK.fullmatch(url) else None
