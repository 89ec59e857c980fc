"""The list of models as RSS 2.0, for `use_rss=true`."""

import re
from collections.abc import Iterable
from email.utils import formatdate
from html import escape
from typing import Any
from urllib.parse import quote

from watcher.api.selection import newest_first, value

_SITE = "https://openrouter.ai"
_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0"><channel>\n'
    f"<title>OpenRouter Models</title>\n<link>{_SITE}/models</link>\n"
    "<description>The models on OpenRouter, newest first</description>\n"
)
_FOOT = "</channel></rss>\n"

# XML 1.0 cannot hold these, not even as references.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_MARKDOWN_LINK = re.compile(r"\[([^\[\]\n]{1,300})\]\((https?://[^)\[\s]{1,1000}|/[^)\[\s]{0,1000})\)")


def render(models: Iterable[Any], chat_links: bool = False) -> bytes:
    """Return the feed of `models`, newest first. Those without an id are left out.

    As in the real feed, title and link have the base id, without a variant, and the guid is the canonical slug. With
    `chat_links` an item links to the chat page of the model.
    """
    items = [_item(model, chat_links) for model in newest_first(models) if isinstance(value(model, "id"), str)]
    return "".join([_HEAD, *items, _FOOT]).encode()


def _item(model: dict[str, Any], chat_links: bool) -> str:
    id_ = model["id"].partition(":")[0]
    slug = model.get("canonical_slug")
    # Readers find the id in the parentheses at the end of the title.
    title = _cdata(f"{model.get('name') or id_} ({id_})")
    guid = escape(_clean(slug if slug and isinstance(slug, str) else id_))
    page = f"/chat?models={quote(id_, safe='')}" if chat_links else "/" + quote(id_, safe="/:~")
    return (
        f"<item>\n<title>{title}</title>\n<description>{_cdata(_html(model.get('description')))}</description>\n"
        f'<link>{_SITE}{page}</link>\n<guid isPermaLink="false">{guid}</guid>\n'
        f"{_date(model.get('created'))}</item>\n"
    )


def _html(description: object) -> str:
    """Return a description, which is Markdown, as text with its links as HTML."""
    text = escape(description, quote=True) if isinstance(description, str) else ""
    return _MARKDOWN_LINK.sub(r'<a href="\2">\1</a>', text)


def _date(created: object) -> str:
    try:
        return f"<pubDate>{formatdate(float(created), usegmt=True)}</pubDate>\n"  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError, OSError):
        return ""


def _cdata(text: str) -> str:
    """Return `text` as CDATA. A `]]>` inside is split over two sections."""
    return f"<![CDATA[{_clean(text).replace(']]>', ']]]]><![CDATA[>')}]]>"


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
