"""A message as a small tree, and how each format writes it.

Clean strangers' text with `text.clean` before it goes into the tree. `write` escapes every text, so no text can become
markup.
"""

import html
import re
from collections.abc import Callable, Iterable
from enum import Enum
from functools import partial
from typing import Literal

from msgspec import Struct

from watcher.catalog.model import Kind
from watcher.messages.text import own_link


class Format(Enum):
    """The markup languages that services read."""

    TEXT = "text"
    MARKDOWN = "markdown"
    """Generic, and what Discord reads."""
    SLACK = "slack"
    """Slack's mrkdwn."""
    TELEGRAM = "telegram"
    """The few HTML tags that Telegram knows."""
    HTML = "html"
    """A mail."""
    FEED = "feed"
    """HTML without styles: an entry of a feed."""


Style = Literal["plain", "strong", "code", "price", "muted", "good", "bad"]
"""`code` is for ids; a mail breaks neither them nor a `price` where it can help it."""


class Span(Struct, frozen=True):
    """A piece of a line. A `url` that is not on openrouter.ai is not rendered."""

    text: str
    style: Style = "plain"
    url: str | None = None


Line = tuple[Span, ...]


class Heading(Struct, frozen=True):
    """The title of a group, and the kind of its events."""

    text: str
    kind: Kind


class Item(Struct, frozen=True):
    """A head, usually a model with its link, and its lines."""

    head: Line
    lines: tuple[Line, ...] = ()
    row: bool = False
    """Whether it is a line of a list."""


class Note(Struct, frozen=True):
    """A discreet line at the end."""

    text: str


Block = Heading | Item | Note


def write(block: Block, format: Format) -> str:
    """Return one block in the format."""
    writer = _WRITERS[format]
    if isinstance(block, Heading):
        return writer.heading.format(block.text.upper() if format is Format.TEXT else writer.escape(block.text))
    if isinstance(block, Note):
        return writer.note.format(writer.escape(block.text))
    first, *others = ("".join(map(writer.span, line)) for line in (block.head, *block.lines))
    if format is Format.TEXT:
        # Plain text spells out the link of the head; the links of the lines only repeat their ids.
        others += [link for span in block.head if (link := own_link(span.url))]
    if block.row:
        return (writer.row or writer.head).format(first)
    return "".join([writer.head.format(first), *map(writer.line.format, others), writer.end])


def write_all(blocks: Iterable[Block], format: Format) -> str:
    """Return the blocks below each other, the rows of a list without a space between them."""
    text, was_row = "", False
    for block in blocks:
        is_row = isinstance(block, Item) and block.row
        between = "\n" if format is Format.HTML or (is_row and was_row) else "\n\n"
        text += (between if text else "") + write(block, format)
        was_row = is_row
    return text


def frame(text: str, format: Format) -> str:
    """Return a whole document around what is already written in the format."""
    return f"{HTML_START}{text}{_HTML_END}" if format is Format.HTML else f"{text}\n"


def title_line(title: str, format: Format) -> str:
    """Return a title as the first line of a body, for services that have no titles."""
    return _WRITERS[format].title.format(_WRITERS[format].escape(title))


def escape(text: str, format: Format) -> str:
    """Return the text escaped for the format. It is also safe between the quotes of an attribute."""
    return html.escape(text) if format is Format.TELEGRAM else _WRITERS[format].escape(text)


_MARKDOWN_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~&])")


def _markdown_escape(text: str) -> str:
    return _MARKDOWN_SPECIAL.sub(r"\\\1", text)


def _markdown_span(span: Span) -> str:
    text = f"`{span.text.replace('`', chr(39))}`" if span.style == "code" else _markdown_escape(span.text)
    if span.style in ("strong", "good", "bad"):
        text = f"**{text}**"
    # <…> keeps Discord from adding a preview of every page.
    return f"[{text}](<{span.url}>)" if own_link(span.url) else text


# Slack has no escapes for its own marks, so a look-alike replaces a mark that could begin or end something.
_SLACK_MARKS = str.maketrans({"*": "∗", "~": "∼", "`": "ˋ", "|": "¦"})
_SLACK_UNDERLINE = re.compile(r"(?<!\w)_|_(?!\w)")
_escape_tags = partial(html.escape, quote=False)


def _slack_escape(text: str) -> str:
    return _escape_tags(_SLACK_UNDERLINE.sub("ˍ", text.translate(_SLACK_MARKS)))


def _slack_span(span: Span) -> str:
    text = _slack_escape(span.text)
    if span.url and own_link(span.url):
        text = f"<{_escape_tags(span.url)}|{text}>"
    elif span.style == "code":  # Slack would show the marks of code in the text of a link
        text = f"`{_escape_tags(span.text.replace('`', 'ˋ'))}`"
    return f"*{text}*" if span.style in ("strong", "good", "bad") else text


def _telegram_span(span: Span) -> str:
    text = _escape_tags(span.text)
    if span.url and own_link(span.url):
        text = f'<a href="{html.escape(span.url)}">{text}</a>'
    elif span.style == "code":  # Telegram does not allow code with a link
        text = f"<code>{text}</code>"
    return f"<b>{text}</b>" if span.style in ("strong", "good", "bad") else text


# Inline styles are for light mode, which every mail program shows. The classes are for programs that know dark mode.
# Outlook for Windows knows padding and widths in tables only, and hands no font down into them.
_DARK = (
    ":root{color-scheme:light dark}"
    "@media (prefers-color-scheme:dark){"
    "body,.w-page{background:#16181c!important;color:#e8e8ea!important}"
    ".w-card{background:#20242a!important;border-color:#343a42!important;color:#e8e8ea!important}"
    ".w-muted,.w-head{color:#a3acb8!important}.w-link{color:#8ab4ff!important}.w-code{color:#c9d1db!important}"
    ".w-good{color:#5fd38a!important}.w-bad{color:#ff8f8f!important}}"
)
_FONT = "-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_TABLE = '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0"'
HTML_HEAD = (
    '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width,initial-scale=1">'
    '<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">'
    f"<style>{_DARK}</style></head>\n"
    '<body style="margin:0;padding:0;background:#f5f6f8;color:#1b1f24">'
)
HTML_START = (
    f'{HTML_HEAD}{_TABLE} class="w-page" bgcolor="#f5f6f8" style="background:#f5f6f8;color:#1b1f24"><tr>'
    '<td align="center" style="padding:4px 12px 24px">'
    '<!--[if mso]><table role="presentation" width="640"><tr><td><![endif]-->'
    f'{_TABLE} style="max-width:640px"><tr><td align="left" style="font:15px/1.5 {_FONT}">\n'
)
_HTML_END = "\n</td></tr></table><!--[if mso]></td></tr></table><![endif]--></td></tr></table></body></html>\n"
_HTML_CARD = (
    f'{_TABLE} style="border-collapse:separate"><tr><td class="w-card" bgcolor="#ffffff" style="padding:{{}};'
    f"{{}};background:#ffffff;color:#1b1f24;font:15px/1.5 {_FONT};"
    'overflow-wrap:anywhere">'
)
_LONGEST_UNBROKEN = 42
"""Characters that a mail program may not break: so many of an id fit on a phone."""
_ID_PARTS = re.compile(r"(?<=/)")
_HTML_STYLES = {
    "code": (' class="w-code"', "font-family:Menlo,Consolas,monospace;font-size:12px;color:#4a5360"),
    "muted": (' class="w-muted"', "color:#616b78"),
    "good": (' class="w-good"', "color:#0f7a3d;font-weight:600"),
    "bad": (' class="w-bad"', "color:#b3261e;font-weight:600"),
}


def _html_span(span: Span) -> str:
    whole = span.style in ("code", "price", "good", "bad") and len(span.text) <= _LONGEST_UNBROKEN
    text = html.escape(span.text)
    if span.style == "code" and not whole:
        kept = '<span style="white-space:nowrap">{}</span>'
        parts = [(kept if len(part) <= _LONGEST_UNBROKEN else "{}", part) for part in _ID_PARTS.split(span.text)]
        text = "<wbr>".join(form.format(html.escape(part)) for form, part in parts)
    if span.url and own_link(span.url):
        href = html.escape(span.url)
        text = f'<a class="w-link" href="{href}" style="color:#1a56c4;text-decoration:none">{text}</a>'
    if span.style == "plain" or not text:
        return text
    if span.style == "strong":
        return f"<b>{text}</b>"
    name, style = _HTML_STYLES.get(span.style, ("", ""))
    style += ";white-space:nowrap" if whole else ""
    return f'<span{name} style="{style.strip(";")}">{text}</span>' if style else text


def _feed_span(span: Span) -> str:
    text = html.escape(span.text)
    if span.url and own_link(span.url):
        text = f'<a href="{html.escape(span.url)}">{text}</a>'
    tag = {"strong": "strong", "good": "strong", "bad": "strong", "code": "code"}.get(span.style)
    return f"<{tag}>{text}</{tag}>" if tag else text


class _Writer(Struct, frozen=True):
    """How a format escapes a text and writes a span, and what it puts around the text of a block: `{}`."""

    escape: Callable[[str], str]
    span: Callable[[Span], str]
    title: str
    heading: str
    note: str
    head: str
    line: str
    end: str = ""
    row: str = ""
    """A row, where it looks different from a head."""


_WRITERS = {
    Format.TEXT: _Writer(str, lambda span: span.text, "{}", "{}", "-- \n{}", "• {}", "\n  {}"),
    Format.MARKDOWN: _Writer(_markdown_escape, _markdown_span, "**{}**", "**{}**", "*{}*", "- {}", "\n  - {}"),
    Format.SLACK: _Writer(_slack_escape, _slack_span, "*{}*", "*{}*", "_{}_", "• {}", "\n    {}"),
    Format.TELEGRAM: _Writer(_escape_tags, _telegram_span, "<b>{}</b>", "<b>{}</b>", "<i>{}</i>", "• {}", "\n   {}"),
    Format.HTML: _Writer(
        html.escape,
        _html_span,
        "<b>{}</b>",
        heading='<h2 class="w-head" style="margin:22px 0 8px;font-size:13px;font-weight:600;letter-spacing:.04em;'
        'text-transform:uppercase;color:#616b78">{}</h2>',
        note='<p class="w-muted" style="margin:20px 0 0;font-size:12px;color:#616b78;word-break:break-word">{}</p>',
        head=_HTML_CARD.format("12px 14px", "border:1px solid #dfe3e8;border-radius:8px")
        + '<div style="font-size:16px">{}</div>',
        line='<p style="margin:4px 0 0">{}</p>',
        end='</td></tr></table><div style="height:10px;line-height:10px;font-size:10px">&nbsp;</div>',
        row=_HTML_CARD.format("8px 14px", "border-bottom:1px solid #dfe3e8") + "{}</td></tr></table>",
    ),
    Format.FEED: _Writer(
        html.escape,
        _feed_span,
        "<p><strong>{}</strong></p>",
        heading="<h3>{}</h3>",
        note="<p><small>{}</small></p>",
        head="<p>{}",
        line="<br>\n{}",
        end="</p>",
        row="<p>{}</p>",
    ),
}
