"""A message as a small tree, and the writer of each format.

Clean strangers' text with `text.clean` before it goes into the tree. A writer escapes every text, so no text can become
markup.
"""

import html
import re
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Literal

from msgspec import Struct

from watcher.messages.text import own_link


class Format(Enum):
    """The ways a message can be written."""

    TEXT = "text"
    MARKDOWN = "markdown"
    """Generic, also what Discord reads."""
    SLACK = "slack"
    """Slack's mrkdwn."""
    TELEGRAM = "telegram"
    """The few HTML tags that Telegram knows."""
    HTML = "html"
    """A mail."""


Style = Literal["plain", "strong", "code", "muted", "good", "bad"]


class Span(Struct, frozen=True):
    """A piece of a line. A `url` that is not on openrouter.ai is not rendered."""

    text: str
    style: Style = "plain"
    url: str | None = None


Line = tuple[Span, ...]


class Heading(Struct, frozen=True):
    """The title of a group."""

    text: str


class Item(Struct, frozen=True):
    """One event: a head, usually the model with its link, and its lines."""

    head: Line
    lines: tuple[Line, ...] = ()


class Note(Struct, frozen=True):
    """A discreet line at the end."""

    text: str


Block = Heading | Item | Note


def write(block: Block, format: Format) -> str:
    """Return one block in the format; `assemble` makes a document of several."""
    return _WRITERS[format](block)


def assemble(written: Sequence[str], format: Format) -> str:
    """Return the document made of blocks that are already in the format."""
    start, end = frame(format)
    return start + ("\n" if format is Format.HTML else "\n\n").join(written) + end


def frame(format: Format) -> tuple[str, str]:
    """Return what stands before and after the blocks of a document."""
    return (_HTML_START, _HTML_END) if format is Format.HTML else ("", "\n")


def escape(text: str, format: Format) -> str:
    """Return the text escaped for the format. It is safe between the quotes of an attribute, too."""
    return _ESCAPES[format](text)


def title_line(title: str, format: Format) -> str:
    """Return a title as the first line of a body, for services that have no titles."""
    return _TITLES[format](title)


def _text(block: Block) -> str:
    def line(spans: Line) -> str:
        return "".join(span.text for span in spans)

    if isinstance(block, Heading):
        return block.text.upper()
    if isinstance(block, Note):
        return f"-- \n{block.text}"
    # Plain text spells the link of the head out; the links of the lines only repeat their ids.
    links = [link for span in block.head if (link := own_link(span.url))]
    return "\n".join([f"• {line(block.head)}", *(f"  {text}" for text in [*map(line, block.lines), *links])])


_MARKDOWN_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~&])")


def _markdown_escape(text: str) -> str:
    return _MARKDOWN_SPECIAL.sub(r"\\\1", text)


def _markdown(block: Block) -> str:
    escape = _markdown_escape

    def span(span: Span) -> str:
        if span.style == "code":
            text = f"`{span.text.replace('`', chr(39))}`"
        elif span.style in ("strong", "good", "bad"):
            text = f"**{escape(span.text)}**"
        else:
            text = escape(span.text)
        # <…> keeps Discord from adding a preview of every page.
        return f"[{text}](<{span.url}>)" if span.url and own_link(span.url) else text

    if isinstance(block, Heading):
        return f"**{escape(block.text)}**"
    if isinstance(block, Note):
        return f"*{escape(block.text)}*"
    lines = ["".join(map(span, spans)) for spans in (block.head, *block.lines)]
    return "\n".join([f"- {lines[0]}", *(f"  - {line}" for line in lines[1:])])


# Slack has no escapes for its own marks, so a look-alike replaces a mark that could begin or end something.
_SLACK_MARKS = str.maketrans({"*": "∗", "~": "∼", "`": "ˋ", "|": "¦"})
_SLACK_UNDERLINE = re.compile(r"(?<!\w)_|_(?!\w)")


def _slack_escape(text: str) -> str:
    text = _SLACK_UNDERLINE.sub("ˍ", text.translate(_SLACK_MARKS))
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _slack(block: Block) -> str:
    def span(span: Span) -> str:
        if span.style == "code":
            text = span.text.replace("`", "ˋ").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            text = f"`{text}`"
        else:
            text = _slack_escape(span.text)
        if span.url and own_link(span.url):
            # Slack shows code marks in the text of a link as they are.
            text = f"<{span.url.replace('&', '&amp;')}|{_slack_escape(span.text)}>"
        return f"*{text}*" if span.style in ("strong", "good", "bad") else text

    if isinstance(block, Heading):
        return f"*{_slack_escape(block.text)}*"
    if isinstance(block, Note):
        return f"_{_slack_escape(block.text)}_"
    lines = ["".join(map(span, spans)) for spans in (block.head, *block.lines)]
    return "\n".join([f"• {lines[0]}", *(f"    {line}" for line in lines[1:])])


def _telegram(block: Block) -> str:
    tags = {"strong": "b", "good": "b", "bad": "b", "code": "code", "muted": "", "plain": ""}

    def span(span: Span) -> str:
        text, tag = html.escape(span.text, quote=False), tags[span.style]
        if span.url and own_link(span.url):
            # Telegram does not allow both code and a link; the link is more useful.
            text, tag = f'<a href="{html.escape(span.url)}">{text}</a>', tag.replace("code", "")
        return f"<{tag}>{text}</{tag}>" if tag else text

    if isinstance(block, Heading):
        return f"<b>{html.escape(block.text, quote=False)}</b>"
    if isinstance(block, Note):
        return f"<i>{html.escape(block.text, quote=False)}</i>"
    lines = ["".join(map(span, spans)) for spans in (block.head, *block.lines)]
    return "\n".join([f"• {lines[0]}", *(f"   {line}" for line in lines[1:])])


# Inline styles are for light mode, which every mail program shows; the classes are for dark mode, where it is known.
_DARK = (
    ":root{color-scheme:light dark}"
    "@media (prefers-color-scheme:dark){"
    "body,.w-page{background:#16181c!important;color:#e8e8ea!important}"
    ".w-card{background:#20242a!important;border-color:#343a42!important}"
    ".w-muted,.w-head{color:#a3acb8!important}.w-link{color:#8ab4ff!important}.w-code{color:#c9d1db!important}"
    ".w-good{color:#5fd38a!important}.w-bad{color:#ff8f8f!important}}"
)
_FONT = "-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_CODE_FONT = "ui-monospace,SFMono-Regular,Menlo,Consolas,monospace"
_HTML_START = (
    '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width,initial-scale=1">'
    '<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">'
    f"<style>{_DARK}</style></head>\n"
    '<body style="margin:0;padding:0;background:#f5f6f8;color:#1b1f24">'
    '<div class="w-page" style="max-width:640px;margin:0 auto;padding:4px 16px 24px;'
    f'font:15px/1.5 {_FONT}">\n'
)
_HTML_END = "\n</div></body></html>\n"
_LONGEST_UNBROKEN = 16
"""Characters that are kept on one line: `↓ −16.67 %`."""
_HTML_STYLES = {
    "strong": ("", ""),
    "code": ("w-code", f"font-family:{_CODE_FONT};font-size:13px;color:#4a5360"),
    "muted": ("w-muted", "color:#616b78"),
    "good": ("w-good", "color:#0f7a3d;font-weight:600"),
    "bad": ("w-bad", "color:#b3261e;font-weight:600"),
}


def _html(block: Block) -> str:
    def span(span: Span) -> str:
        text = html.escape(span.text)
        if span.url and own_link(span.url):
            href = html.escape(span.url)
            text = f'<a class="w-link" href="{href}" style="color:#1a56c4;text-decoration:none">{text}</a>'
        if span.style == "plain" or not text:
            return text
        name, style = _HTML_STYLES[span.style]
        if span.style in ("good", "bad") and len(text) <= _LONGEST_UNBROKEN:
            style += ";white-space:nowrap"
        return f'<span class="{name}" style="{style}">{text}</span>' if name else f"<b>{text}</b>"

    if isinstance(block, Heading):
        return (
            '<h2 class="w-head" style="margin:22px 0 8px;font-size:13px;font-weight:600;letter-spacing:.04em;'
            f'text-transform:uppercase;color:#616b78">{html.escape(block.text)}</h2>'
        )
    if isinstance(block, Note):
        return (
            '<p class="w-muted" style="margin:20px 0 0;font-size:12px;color:#616b78;word-break:break-word">'
            f"{html.escape(block.text)}</p>"
        )
    head, *lines = ["".join(map(span, spans)) for spans in (block.head, *block.lines)]
    return (
        '<div class="w-card" style="margin:0 0 10px;padding:12px 14px;border:1px solid #dfe3e8;border-radius:8px;'
        f'background:#ffffff;overflow-wrap:anywhere"><div style="font-size:16px">{head}</div>'
        + "".join(f'<div style="margin-top:4px">{line}</div>' for line in lines)
        + "</div>"
    )


_WRITERS: dict[Format, Callable[[Block], str]] = {
    Format.TEXT: _text,
    Format.MARKDOWN: _markdown,
    Format.SLACK: _slack,
    Format.TELEGRAM: _telegram,
    Format.HTML: _html,
}

_ESCAPES: dict[Format, Callable[[str], str]] = {
    Format.TEXT: str,
    Format.MARKDOWN: _markdown_escape,
    Format.SLACK: _slack_escape,
    Format.TELEGRAM: html.escape,
    Format.HTML: html.escape,
}

_TITLES: dict[Format, Callable[[str], str]] = {
    Format.TEXT: lambda title: title,
    Format.MARKDOWN: lambda title: f"**{_markdown_escape(title)}**",
    Format.SLACK: lambda title: f"*{_slack_escape(title)}*",
    Format.TELEGRAM: lambda title: f"<b>{html.escape(title, quote=False)}</b>",
    Format.HTML: lambda title: f"<b>{html.escape(title)}</b>",
}
