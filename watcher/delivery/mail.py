"""Mail: Apprise reads the URL and knows the providers; this module writes and sends the message.

Apprise's mail plugin makes the plain-text part out of the HTML, and a new random Message-ID for every attempt.
Here the plain text is written as such, and a repeat has the same Message-ID, so that mail programs can drop it.

Imported only when a mail is sent, since it imports Apprise.
"""

import smtplib
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from hashlib import blake2b
from typing import Any

from apprise.plugins.email import NotifyEmail
from apprise.plugins.email.base import PGP_MODE_DEFAULT

from watcher.messages.builder import Message
from watcher.messages.text import visible

_FINAL = 500
"""SMTP replies from here on are final, by RFC 5321; those below ask to try again."""


class Mail(NotifyEmail):  # type: ignore[no-untyped-call]  # Apprise is typed in parts
    """A mailbox, or several: each gets a mail of its own, with `cc` and `bcc` on the first."""

    reply: int | None = None
    """The SMTP reply that refused the last mail, or one of its recipients."""

    @property
    def wants_pgp(self) -> bool:
        """Whether the URL asks for signing or encryption, which `post` does not do."""
        return bool(self.pgp_mode != PGP_MODE_DEFAULT)

    def post(self, message: Message) -> bool:
        """Send a mail to everyone. It logs what goes wrong as Apprise does; `reply` is the code of a refusal.

        Returns:
            Whether the server accepted it for somebody, and refused nobody or refused finally: another attempt would
            only reach those who have the mail already.
        """
        sender = str(self.from_addr[1])
        self.reply = None
        accepted, refused = 0, dict[str, tuple[int, bytes]]()
        try:
            with self._connect() as server:
                for at, (name, address) in enumerate(self.targets):
                    mail = self._mail(message, name, address, with_copies=at == 0)
                    people = [address, *self.cc, *self.bcc] if at == 0 else [address]
                    try:
                        rejected = server.send_message(mail, sender, people)
                    except smtplib.SMTPRecipientsRefused as error:
                        rejected = error.recipients
                    refused |= rejected
                    accepted += len(people) - len(rejected)
            for code, reason in refused.values():
                who = "A recipient" if accepted else "The recipient"
                self.logger.warning("%s was refused: %s", who, _reply_text(code, reason))
            self.reply = min((code for code, _ in refused.values()), default=None)
            return bool(accepted) and (self.reply is None or self.reply >= _FINAL)
        except smtplib.SMTPResponseException as error:
            self.reply = error.smtp_code
            self.logger.warning("The mail server refused: %s", _reply_text(error.smtp_code, error.smtp_error))
        except smtplib.SMTPNotSupportedError:
            self.logger.warning("The mail server does not support the encryption or login that the URL asks for")
        except (smtplib.SMTPException, OSError) as error:
            self.logger.debug("Socket Exception: %s", error)
            self.logger.warning("The mail server could not be reached")
        return False

    def _connect(self) -> smtplib.SMTP:
        port, timeout = self.port or 0, self.socket_connect_timeout
        context = ssl.create_default_context()
        if not self.verify_certificate:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        server: smtplib.SMTP
        if self.secure_mode == "ssl":
            server = smtplib.SMTP_SSL(self.smtp_host, port, timeout=timeout, context=context)
        else:
            server = smtplib.SMTP(self.smtp_host, port, timeout=timeout)
        try:
            if self.secure_mode == "starttls":
                server.starttls(context=context)
            if self.user and self.password:
                server.login(self.user, self.password)
        except BaseException:
            with suppress(smtplib.SMTPException, OSError):
                server.quit()
            raise
        return server

    def _mail(self, message: Message, name: Any, address: str, *, with_copies: bool) -> EmailMessage:
        mail = EmailMessage(policy=SMTP)
        mail["Subject"] = visible(message.title)
        mail["From"] = _address(self.from_addr[0] or self.app_id, str(self.from_addr[1]))
        mail["To"] = _address(name, address)
        if with_copies and self.cc:
            mail["Cc"] = [_address(self.names.get(copy), copy) for copy in sorted(self.cc)]
        if self.reply_to:
            mail["Reply-To"] = [_address(self.names.get(reply), reply) for reply in sorted(self.reply_to)]
        mail["Date"] = format_datetime(datetime.now(UTC))
        mail["Message-ID"] = message_id(message)
        # RFC 3834: no out-of-office answers to a machine.
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Application"] = self.app_id
        for header, value in self.headers.items():
            # A header that is not allowed, or that the URL gives twice, must not cost the alert.
            with suppress(ValueError):
                mail[visible(header)] = visible(value)
        mail.set_content(message.text, cte="quoted-printable")
        mail.add_alternative(message.body, subtype="html", cte="quoted-printable")
        return mail


def message_id(message: Message) -> str:
    """Return the Message-ID of a mail: the same for the same events, by which mail programs recognise a repeat."""
    digest = blake2b("\n".join(sorted(message.ids)).encode(errors="replace"), digest_size=16)
    return f"<{digest.hexdigest()}@openrouter-watcher>"


def _address(name: object, address: str) -> Address:
    return Address(display_name=visible(name) if name else "", addr_spec=address)


def _reply_text(code: int, reason: bytes | str) -> str:
    return f"{code} {reason.decode(errors='replace') if isinstance(reason, bytes) else reason}"
