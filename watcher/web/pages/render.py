"""Pages as HTML and as Markdown, by Jinja2 templates. What a template prints is made harmless first."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from functools import partial
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from watcher.catalog.event import SITE
from watcher.catalog.summary import plain
from watcher.messages import document, wording
from watcher.messages.chart import svg
from watcher.messages.document import Format, Span
from watcher.messages.headline import HEADINGS
from watcher.messages.prices import count, in_order, label, price_text, unit
from watcher.messages.text import own_link, page, visible
from watcher.web.feeds import FEEDS
from watcher.web.pages.changes_page import lines_of

_LONGEST = 500
_STYLES = {
    "plain": "{}",
    "strong": "<b>{}</b>",
    "code": "<code>{}</code>",
    "good": '<b class="good">{}</b>',
    "bad": '<b class="bad">{}</b>',
    "muted": '<span class="muted">{}</span>',
    "price": '<span class="price">{}</span>',
}
_AFTER_ARROW = re.compile("(?<=[↑↓]) ")
_PLAIN = re.compile(r"[\w./:~-]+", re.ASCII)


class Renderer:
    """Writes pages for a site under a prefix."""

    def __init__(self, root: str, marks: Mapping[str, Any]) -> None:
        self._root = root
        html = Environment(
            loader=FileSystemLoader(Path(__file__).with_name("templates")),
            autoescape=True,
            auto_reload=False,  # an update of the package must not mix its templates with the old program
            finalize=_harmless,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        html.filters |= {
            "ago": ago,
            "code": _code,
            "count": count,
            "day": day,
            "label": label,
            "long": _long,
            "markdown": lambda item: Markup(document.write(item, Format.MARKDOWN)),  # noqa: S704 - `write` escapes
            "moment": lambda at: f"{at.astimezone(UTC):%Y-%m-%d %H:%M}",
            "ours": self.ours,
            "path": _quoted,
            "plain": plain,
            "raw": Markup,
            "price": lambda value, key: price_text(key, value),
            "seen": visible,
            "spans": self._spans,
            "svg": lambda chart: Markup(svg(chart)),  # noqa: S704 - `svg` escapes
            "unit": unit,
            "words": lambda value, path: wording.value_text(path, value),
            "price_change": lambda change, key: wording.changes_text({key: change}, {}),
            "field_change": lambda change, path: wording.changes_text({}, {path: change}),
        }
        html.globals |= {
            **marks,
            "root": root,
            "HEADINGS": HEADINGS,
            "feeds": FEEDS,
            "in_order": in_order,
            "item_of": partial(wording.item_of, zone=None),
            "lines_of": lines_of,
            "site": page,
        }
        self._markup = html
        self._markdown = html.overlay(autoescape=False, finalize=_in_markdown)  # with the same filters and globals

    def render(self, template: str, form: str, values: Mapping[str, Any]) -> str:
        """Return a page in a format: `md`, `html` or another that is escaped like it."""
        environment = self._markdown if form == "md" else self._markup
        return environment.get_template(f"{template}.{form}").render(values)

    def ours(self, id: str) -> Markup:
        """Return the path of our page about a model."""
        return _quoted(f"{self._root}/model/{id}")

    def _spans(self, line: Iterable[Span]) -> Markup:
        """Return a line as HTML; its links go to our pages."""
        written = []
        for span in line:
            text = _STYLES[span.style].format(escape(_AFTER_ARROW.sub("\u00a0", span.text)))
            if link := own_link(span.url):
                path = link.removeprefix(SITE)
                href = f"{self._root}/models" if path == "models" else f"{self._root}/model/{path}"
                text = f'<a href="{escape(href)}">{text}</a>'
            written.append(text)
        return Markup("".join(written))  # noqa: S704 - escaped above


def _quoted(path: str) -> Markup:
    """Return a path as it can stand in a link."""
    return Markup(quote(path, safe="/:~"))  # noqa: S704 - nothing to escape is left


def ago(at: datetime | None, now: datetime) -> str:
    """Return how long ago a moment was, in one unit: `today`, `3 d`, `5 mo`, `2 y`."""
    if at is None:
        return ""
    days = (now.date() - at.date()).days
    if days < 1:
        return "today"
    if days < 60:
        return f"{days} d"
    return f"{round(days / 30.44)} mo" if days < 700 else f"{days / 365.25:.1f} y"


def day(on: date | datetime | str | None) -> str:
    """Return a day in words: `20 January 2026`."""
    return "" if on is None else wording.day_text(on if isinstance(on, str) else f"{on:%Y-%m-%d}")


def _harmless(value: Any) -> Any:
    if isinstance(value, str) and not isinstance(value, Markup):
        return visible(value, _LONGEST)
    return "" if value is None else value


def _in_markdown(value: Any) -> Any:
    if isinstance(value, Markup):
        return str(value)
    return "" if value is None else document.escape(visible(value, _LONGEST), Format.MARKDOWN)


def _long(text: str, limit: int) -> Markup:
    """Return a long text, its lines and their indents kept."""
    lines = ((len(line) - len(line.lstrip(" ")), visible(line, limit)) for line in text[:limit].splitlines())
    return Markup("\n".join(" " * indent + escape(line) for indent, line in lines))  # noqa: S704 - escaped


def _code(id: str) -> Markup:
    """Return an id for Markdown, letter by letter; escaped if it is not made of what ids are made of."""
    return Markup(f"`{id}`") if _PLAIN.fullmatch(id) else Markup(_in_markdown(id))  # noqa: S704 - harmless or escaped
