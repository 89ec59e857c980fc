"""What a mail has beside the message: headline and preview in its page, and headers for lists and conversations."""

import html
from collections.abc import Iterator
from hashlib import blake2b

from watcher.messages.builder import Message
from watcher.messages.cards import cards
from watcher.messages.document import HTML_START, Format, Item, frame, write, write_all
from watcher.messages.picture import Picture
from watcher.messages.text import clean

_PREVIEW_ITEMS = 4
_PREVIEW_LENGTH = 200
_HIDDEN = '<div style="display:none;max-height:0;overflow:hidden;mso-hide:all">{}</div>\n'
_IMAGE = (
    '<img src="cid:{}" alt="{}" width="{}" height="{}" '
    'style="display:block;width:100%;max-width:640px;height:auto;margin:12px 0 0;border-radius:8px">'
)
_HEADLINE = (
    '<h1 style="margin:14px 0 0;font-size:20px;line-height:1.3;font-weight:600;overflow-wrap:anywhere">{}</h1>\n'
)

_NO_DOMAIN = "openrouter-watcher.invalid"
"""For a sender without a domain: ids need a dot to be ids for all mail programs."""


def headers(message: Message, sender: str, *, threads: bool) -> Iterator[tuple[str, str]]:
    """Yield the names and values of headers.

    Filters and "unsubscribe" go by `List-Id` (RFC 2919). With `threads`, all mails about one model answer the same
    message, which was never sent: that is how mail programs show them as one conversation.
    """
    domain = sender.rpartition("@")[2]
    domain = domain if "." in domain and domain.isascii() else _NO_DOMAIN
    yield "List-Id", f"OpenRouter Watcher <openrouter-watcher.{domain}>"
    # RFC 3834: no out-of-office answers to a machine.
    yield "Auto-Submitted", "auto-generated"
    found = cards(message.events)
    if threads and len(found) == 1 and found[0].main.model is not None:
        model = found[0].main.model.partition(":")[0]  # a variant belongs to its model
        digest = blake2b(model.encode(errors="replace"), digest_size=16).hexdigest()
        yield "In-Reply-To", f"<model-{digest}@{domain}>"
        yield "References", f"<model-{digest}@{domain}>"


def page(message: Message) -> str:
    """Return the HTML of a mail: the headline stands above the news, too, and figures stand where an inbox looks."""
    if message.own_words or not message.body.startswith(HTML_START):
        return message.body
    start, body_tag, rest = HTML_START.rpartition("<body")
    body_tag, end, rest = (body_tag + rest).partition(">")
    hidden = _HIDDEN.format(html.escape(_preview(message)))
    headline = _HEADLINE.format(html.escape(clean(message.title)))
    body = message.body
    if message.pictures:
        *news, note = message.blocks
        shown = "\n".join(map(_picture, message.pictures))
        body = frame(f"{write_all(news, Format.HTML)}\n{shown}\n{write(note, Format.HTML)}", Format.HTML)
    return f"{start}{body_tag}{end}{hidden}{rest}{headline}{body.removeprefix(HTML_START)}"


def _picture(picture: Picture) -> str:
    width, height = picture.size
    return _IMAGE.format(picture.id, html.escape(picture.text), width, height)


def _preview(message: Message) -> str:
    """Return the figures of the first news on one line: what an inbox shows beside the title."""
    items = [block for block in message.blocks if isinstance(block, Item)][:_PREVIEW_ITEMS]
    told = []
    for item in items:
        name, *rest = ("".join(span.text for span in line) for line in (item.head, *item.lines[:2]))
        told.append(name if item.row else f"{item.head[0].text}: {', '.join(rest)}")
    return clean("; ".join(told), _PREVIEW_LENGTH)
