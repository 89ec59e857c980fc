"""Mail: Apprise reads the URL and knows the providers; this module writes and sends the message.

Apprise's mail plugin makes the plain-text part out of the HTML, and a new random Message-ID for every attempt.
Here the plain text is written as such, and a repeat has the same Message-ID, so that mail programs can drop it.
"""

import html
import os
import re
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from hashlib import blake2b
from typing import Any, cast
from urllib.parse import unquote

from apprise.plugins.email import NotifyEmail
from apprise.plugins.email.base import PGP_MODE_DEFAULT
from apprise.utils.parse import parse_bool

from watcher.delivery.addressees import UnusableURLError, ascii_domain, mailbox, mailboxes
from watcher.delivery.diagnosis import LONGEST_REASON, socket_reason
from watcher.delivery.smtp import Dialogue, DialogueError, Mode, Refused, Reply
from watcher.delivery.statuses import Outcome, after_reply
from watcher.errors import ConfigError
from watcher.messages.builder import Message
from watcher.messages.cards import cards
from watcher.messages.chart import HEIGHT, WIDTH
from watcher.messages.document import HTML_HEAD, HTML_START, Format, Item, frame, write, write_all
from watcher.messages.text import clean, visible
from watcher.network import tls_context

_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+(%\w+)?")
_LONGEST_HEADER = 2_000
"""Characters of a header that the URL gives; it is folded into lines."""

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


class Mail(NotifyEmail):  # type: ignore[no-untyped-call]  # Apprise is typed in parts
    """A mailbox, or several: each gets a mail of its own, with `cc` and `bcc` on the first."""

    takes = Format.HTML
    body_maxlen = 95_000
    """Gmail hides what of a mail comes after 102 KB."""
    message: Message
    deadline = 0.0
    """When a sending must be over, by `time.monotonic`."""
    _trouble: DialogueError | None = None
    """Why the last sending broke off."""
    _refused: Sequence[Refused] = ()
    """What the server refused in the last sending."""

    def __init__(self, *, thread: str = "yes", **options: Any) -> None:
        """Read exactly who writes to whom: Apprise would drop, split or join addresses. Raises UnusableURLError."""
        lists = {key: mailboxes(options.pop(key, None)) for key in ("targets", "cc", "bcc", "reply_to")}
        sender, user = options.get("from_addr") or "", unquote(options.get("user") or "")
        if "@" not in sender and "@" in user:  # a login by address, at a server of another name
            sender = f"{sender} <{user}>" if sender else user
        name, address = mailbox(sender) if "@" in sender else ("", sender)
        super().__init__(**options | {"from_addr": address})  # type: ignore[no-untyped-call]
        if self.pgp_mode != PGP_MODE_DEFAULT:  # better no mail than one in the clear
            raise UnusableURLError("mail encrypted or signed with PGP (pgp=, wkd=) is not supported")
        if "@" in address:
            self.from_addr = [str(make_header(decode_header(name))), address]
        self.targets[:] = lists["targets"] or [("", str(self.from_addr[1]))]
        self.cc, self.bcc, self.reply_to = ({address for _, address in lists[key]} for key in ("cc", "bcc", "reply_to"))
        self.names = {address: name for key in ("cc", "reply_to") for name, address in lists[key]}
        self.smtp_host = ascii_domain(self.smtp_host).strip("[]")
        if not _HOST.fullmatch(self.smtp_host):
            raise UnusableURLError("smtp= has to be the name of a server alone; its port stands before the ?")
        self.threads = bool(parse_bool(thread))  # type: ignore[no-untyped-call]

    @staticmethod
    def parse_url(url: str) -> Any:  # type: ignore[override]
        """Return the arguments for `__init__` that Apprise finds in the URL. Raises UnusableURLError.

        `thread=no` keeps mails about one model from being one conversation.
        """
        try:
            parts: dict[str, Any] | None = NotifyEmail.parse_url(url)  # type: ignore[no-untyped-call]
        except UnicodeEncodeError:  # `formataddr` does not take an international domain
            raise UnusableURLError("beside name=, from= has to be ASCII; write from=Name <address> instead") from None
        return parts and parts | {"thread": parts["qsd"].get("thread", "yes")}

    def post(self) -> bool:
        """Send a mail to everyone who does not have it yet, and return whether everyone has it now."""
        self._trouble = None
        refused: dict[str, Refused] = {}
        try:
            mode = cast("Mode", self.secure_mode)
            with Dialogue(self.smtp_host, self.port or 0, mode, self._tls_context, self.deadline) as server:
                if self.user and self.password:
                    server.login(self.user, self.password)
                for at, (name, address) in enumerate(self.targets):
                    people = dict.fromkeys([address, *self.cc, *self.bcc] if at == 0 else [address])
                    left = [person for person in people if not self.is_delivered(person)]
                    if left:
                        mail = self._mail(name, address, with_copies=at == 0)
                        refused |= self._send(server, mail, left)
                        for person in left:
                            if person not in refused:
                                self.mark_delivered(person)
        except DialogueError as error:
            self._trouble = error
        except ConfigError as error:
            self._trouble = DialogueError(str(error))
        except OSError as error:
            reason = socket_reason(str(error)) or "no connection"
            self._trouble = DialogueError(f"{reason}: The mail server could not be reached")
        self._refused = list(refused.values())
        return not self._trouble and not refused

    def outcome(self, reached: bool, redact: Callable[[str], str]) -> Outcome:
        """Return what came of the last mail, if `reached` says whether anybody has it.

        A final refusal of some recipients is accepted: another attempt would gain nothing.
        """
        replies = [refusal.reply for refusal in self._refused]
        reasons = [
            f"{'A' if reached and refusal.what == 'recipient' else 'The'} {refusal.what} was refused: "
            f"{redact(str(refusal.reply))}"
            for refusal in self._refused
        ]
        arrived = False
        if self._trouble is not None:
            arrived = self._trouble.may_have_arrived
            replies.append(self._trouble.reply or Reply(0, ""))
            said = f": {redact(str(self._trouble.reply))}" if self._trouble.reply else ""
            reasons.append(f"{self._trouble}{said}{'; the mail may have arrived' if arrived else ''}")
        code = min((reply.code for reply in replies), default=0)
        treatment = after_reply(code or None)
        return Outcome(
            accepted=not replies or (reached and treatment != "again"),
            treatment=treatment,
            status=None if arrived or reached else code or None,
            reasons=visible("; ".join(dict.fromkeys(reasons)), LONGEST_REASON),
        )

    def _tls_context(self) -> ssl.SSLContext:
        context = tls_context(os.environ)
        if not self.verify_certificate:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def _send(self, server: Dialogue, mail: EmailMessage, people: list[str]) -> dict[str, Refused]:
        sender = str(self.from_addr[1])
        utf8 = not "".join((sender, *people)).isascii()
        if utf8 and not server.takes_utf8:
            raise DialogueError("The mail server takes no addresses beyond ASCII (SMTPUTF8)")
        return server.send(sender, people, mail.as_bytes(policy=SMTP.clone(utf8=utf8)), utf8=utf8)

    def _mail(self, name: Any, address: str, *, with_copies: bool) -> EmailMessage:
        message, sender = self.message, str(self.from_addr[1])
        mail = EmailMessage(policy=SMTP)
        mail["Subject"] = visible(message.title)
        mail["From"] = _address(self.from_addr[0] or self.app_id, sender)
        mail["To"] = _address(name, address)
        if with_copies and self.cc:
            mail["Cc"] = [_address(self.names.get(copy), copy) for copy in sorted(self.cc)]
        if self.reply_to:
            mail["Reply-To"] = [_address(self.names.get(reply), reply) for reply in sorted(self.reply_to)]
        mail["Date"] = format_datetime(datetime.now(UTC))
        for header, value in headers(message, sender, threads=self.threads):
            mail[header] = value
        mail["X-Application"] = self.app_id
        for header, value in self.headers.items():
            # A header that is not allowed, or that the URL gives twice, must not cost the alert.
            with suppress(ValueError):
                mail[visible(header)] = visible(value, _LONGEST_HEADER)
        mail.set_content(message.text, cte="quoted-printable")
        mail.add_alternative(page(message), subtype="html", cte="quoted-printable")
        for picture in message.pictures if not message.own_words else ():
            related = cast("list[EmailMessage]", mail.get_payload())[-1]
            related.add_related(picture.png, "image", "png", cid=f"<{picture.id}>", disposition="inline")
        return mail


def _address(name: object, address: str) -> Address:
    return Address(display_name=visible(name) if name else "", addr_spec=address)


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
