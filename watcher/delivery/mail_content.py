"""What a mail has beside the message: headline and preview in its page, and headers for lists and conversations."""

import html
from collections.abc import Iterator
from hashlib import blake2b

from watcher.messages.builder import Message
from watcher.messages.cards import cards
from watcher.messages.chart import HEIGHT, WIDTH
from watcher.messages.document import HTML_HEAD, HTML_START, Format, Item, frame, write, write_all
from watcher.messages.text import clean

_PREVIEW_ITEMS = 4
_PREVIEW_LENGTH = 200
_HIDDEN = '<div style="display:none;max-height:0;overflow:hidden;mso-hide:all">{}</div>\n'
_IMAGE = (
    f'<img src="cid:{{}}" alt="{{}}" width="{WIDTH}" height="{HEIGHT}" '
    'style="display:block;width:100%;max-width:640px;height:auto;margin:12px 0 0;border-radius:8px">'
)
_HEADLINE = (
    '<h1 style="margin:14px 0 0;font-size:20px;line-height:1.3;font-weight:600;overflow-wrap:anywhere">{}</h1>\n'
)


def headers(message: Message, sender: str, *, threads: bool) -> Iterator[tuple[str, str]]:
    """Yield the names and values of headers; `sender` is an address.

    The same events have the same `Message-ID`, by which mail programs recognise a repeat. It ends with the sender's
    domain, as filters of spam expect. Filters and "unsubscribe" go by `List-Id` (RFC 2919). With `threads`, all mails
    about one model answer the same message, which was never sent: so mail programs show them as one conversation.
    """
    domain = sender.rpartition("@")[2]
    if "." not in domain:  # without one, an id is none for some mail programs
        domain = "openrouter-watcher.invalid"
    yield "Message-ID", f"<{_digest(*sorted(message.ids))}@{domain}>"
    yield "List-Id", f"OpenRouter Watcher <openrouter-watcher.{domain}>"
    # RFC 3834: no out-of-office answers to a machine.
    yield "Auto-Submitted", "auto-generated"
    found = cards(message.events)
    if threads and len(found) == 1 and found[0].main.model is not None:
        model = found[0].main.model.partition(":")[0]  # a variant belongs to its model
        for header in ("In-Reply-To", "References"):
            yield header, f"<model-{_digest(model)}@{domain}>"


def _digest(*texts: str) -> str:
    return blake2b("\n".join(texts).encode(errors="replace"), digest_size=16).hexdigest()


def page(message: Message) -> str:
    """Return the HTML of a mail: the headline stands above the news, too, and figures stand where an inbox looks."""
    if message.own_words:
        return message.body
    hidden = _HIDDEN.format(html.escape(_preview(message)))
    headline = _HEADLINE.format(html.escape(clean(message.title)))
    body = message.body
    if message.pictures:
        *news, note = message.blocks
        shown = "\n".join(_IMAGE.format(picture.id, html.escape(picture.text)) for picture in message.pictures)
        body = frame(f"{write_all(news, Format.HTML)}\n{shown}\n{write(note, Format.HTML)}", Format.HTML)
    return body.replace(HTML_START, f"{HTML_HEAD}{hidden}{HTML_START.removeprefix(HTML_HEAD)}{headline}", 1)


def _preview(message: Message) -> str:
    """Return the figures of the first news on one line: what an inbox shows beside the title."""
    said = []
    for item in [block for block in message.blocks if isinstance(block, Item)][:_PREVIEW_ITEMS]:
        name, *rest = ("".join(span.text for span in line) for line in (item.head, *item.lines[:2]))
        said.append(name if item.row else f"{item.head[0].text}: {', '.join(rest)}")
    return clean("; ".join(said), _PREVIEW_LENGTH)
