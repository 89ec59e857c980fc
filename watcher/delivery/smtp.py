"""The dialogue with a mail server, within a deadline.

    greeting → EHLO → STARTTLS → AUTH → for each mail: MAIL, RCPT, DATA, the text, the dot → QUIT

An error says whether the mail may have arrived: only from the dot on. What happens after the server has accepted a mail
changes nothing. Python's smtplib bounds each read, not the whole, raises the same error for silence and for a broken
connection, and takes passwords in ASCII alone.
"""

import base64
import hmac
import re
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Literal

from msgspec import Struct

CONNECT_SECONDS = 15.0
_MOST_READ = 1 << 20
"""Bytes that a server may say in one dialogue."""
_MOST_INITIAL = 500
"""Bytes of a login that go into the line of AUTH; longer ones are sent when the server asks."""
_BROKEN = "The connection to the mail server broke in the middle"
_HOST_NAME = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")

Mode = Literal["insecure", "starttls", "ssl"]


class Reply(Struct, frozen=True):
    """What a server said to a command."""

    code: int
    """0 if it was no SMTP reply."""
    text: str

    @property
    def good(self) -> bool:
        """Whether the server did what it was asked."""
        return 200 <= self.code < 300

    def __str__(self) -> str:
        return f"{self.code} {self.text}" if self.code else self.text


class DialogueError(Exception):
    """The dialogue cannot go on. The message is a sentence of ours; `reply` is what the server said, if that is why.

    `may_have_arrived`: the server was told that the mail is complete, and did not say what became of it.
    """

    def __init__(self, message: str, reply: Reply | None = None, *, may_have_arrived: bool = False) -> None:
        super().__init__(message)
        self.reply = reply
        self.may_have_arrived = may_have_arrived


class Refused(Struct, frozen=True):
    """A mail, or one of its recipients, that the server did not take."""

    what: Literal["sender", "recipient", "mail"]
    reply: Reply


class Dialogue:
    """A connection to a mail server. Use it as a context manager; a failure to end it in order is not an error.

    `context` is called for an encrypted connection alone: to load all certificates takes 25 ms. The last answer must be
    there at the `deadline`, by `time.monotonic`. Raises DialogueError if the server cannot be reached or refuses.
    """

    def __init__(
        self, host: str, port: int, mode: Mode, context: Callable[[], ssl.SSLContext], deadline: float
    ) -> None:
        self._deadline = deadline
        self._buffer = b""
        self._read = 0
        self._unfinished = False
        self._features: dict[str, str] = {}
        seconds = min(CONNECT_SECONDS, self._left())
        try:
            self._socket: socket.socket = socket.create_connection((host, port), seconds)
        except TimeoutError:
            raise DialogueError(f"The mail server could not be reached in {_seconds(seconds)}") from None
        try:
            if mode == "ssl":
                self._encrypt(context(), host)
            self._expect(self._answer(), "The mail server refused the connection")
            self._hello()
            if mode == "starttls":
                if "STARTTLS" not in self._features:
                    raise DialogueError("The mail server offers no encryption (STARTTLS), which the URL asks for")
                self._expect(self._ask("STARTTLS"), "The mail server refused encryption")
                self._expect_nothing("before the encryption")
                self._encrypt(context(), host)
                self._hello()
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> "Dialogue":
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # whether it is heard is of no interest
            self._socket.settimeout(0)
            self._socket.sendall(b"QUIT\r\n")
        self._socket.close()

    def login(self, user: str, password: str) -> None:
        """Log in by what both sides know; user and password go as UTF-8 (RFC 4616). Raises DialogueError."""
        # The old way to write the line of EHLO has an `=`.
        offered = self._features.get("AUTH", "").replace("=", " ").upper().split()
        ways: dict[str, Sequence[Callable[[bytes], bytes]]] = {
            "CRAM-MD5": [
                lambda challenge: f"{user} {hmac.new(password.encode(), challenge, 'md5').hexdigest()}".encode()
            ],
            "PLAIN": [lambda _: f"\0{user}\0{password}".encode()],
            "LOGIN": [lambda _: user.encode(), lambda _: password.encode()],
        }
        usable = [way for way in ways if way in offered]
        if not usable:
            offers = f"the server offers {', '.join(offered)}" if offered else "the server offers none"
            raise DialogueError(f"No usable login ({offers})")
        for way in usable:
            reply = self._log_in_by(way, ways[way])
            if reply.good:
                return
        raise DialogueError("The login was refused", reply)

    def _log_in_by(self, way: str, answers: Sequence[Callable[[bytes], bytes]]) -> Reply:
        initial = b"" if way == "CRAM-MD5" else base64.b64encode(answers[0](b""))
        if way == "PLAIN" and len(initial) <= _MOST_INITIAL:
            reply = self._ask(f"AUTH PLAIN {initial.decode()}")
        else:
            reply = self._ask(f"AUTH {way}")
            for answer in answers:
                if reply.code != 334:
                    break
                try:
                    challenge = base64.b64decode(reply.text)
                except ValueError:
                    challenge = b""
                reply = self._ask(base64.b64encode(answer(challenge)).decode())
        return self._ask("*") if reply.code == 334 else reply  # it asks for more than there is

    @property
    def takes_utf8(self) -> bool:
        """Whether addresses may hold any characters."""
        return "SMTPUTF8" in self._features

    def send(self, sender: str, people: Sequence[str], mail: bytes, *, utf8: bool = False) -> dict[str, Refused]:
        """Send one mail, its lines ended by CRLF, and return the refusals by recipient; the others have it.

        Raises DialogueError if the dialogue ends before the server has said what became of the mail.
        """
        options = f" SIZE={len(mail)}" if "SIZE" in self._features else ""
        options += " SMTPUTF8 BODY=8BITMIME" if utf8 else ""
        if self._unfinished:
            self._expect(self._ask("RSET"), "The mail server did not end a refused mail")
        self._unfinished = True
        reply = self._ask(f"MAIL FROM:<{sender}>{options}")
        if not reply.good:
            return dict.fromkeys(people, Refused("sender", reply))
        refused: dict[str, Refused] = {}
        for person in people:
            reply = self._ask(f"RCPT TO:<{person}>")
            if not reply.good:
                refused[person] = Refused("recipient", reply)
        left = [person for person in people if person not in refused]
        if not left:
            return refused
        reply = self._ask("DATA")
        if reply.good:
            raise DialogueError("The mail server's answer to DATA makes no sense", reply)
        if reply.code < 400:
            reply = self._send_text(mail)
        if not reply.good:
            return refused | dict.fromkeys(left, Refused("mail", reply))
        self._unfinished = False
        return refused

    def _send_text(self, mail: bytes) -> Reply:
        self._send(re.sub(rb"(?m)^\.", b"..", mail.removesuffix(b"\r\n")) + b"\r\n")
        self._expect_nothing("before the mail was complete")  # which would be taken for the answer to the dot
        self._left()
        try:
            self._send(b".\r\n")
            reply = self._reply()
            if not reply.good and not 400 <= reply.code < 600:
                raise DialogueError("The mail server's answer makes no sense", reply)
        except DialogueError as error:
            raise DialogueError(str(error), error.reply, may_have_arrived=True) from None
        return reply

    def _hello(self) -> None:
        name = socket.gethostname()
        if not _HOST_NAME.fullmatch(name):
            address = str(self._socket.getsockname()[0])
            name = f"[IPv6:{address}]" if ":" in address else f"[{address}]"
        reply = self._ask(f"EHLO {name}")
        if not reply.good:
            self._expect(self._ask(f"HELO {name}"), "The mail server refused the greeting")
            return
        lines = (line.replace("=", " ", 1).partition(" ") for line in reply.text.split("\n")[1:])
        self._features = {word.upper(): rest for word, _, rest in lines}

    def _encrypt(self, context: ssl.SSLContext, host: str) -> None:
        self._socket.settimeout(seconds := self._left())
        try:
            self._socket = context.wrap_socket(self._socket, server_hostname=host)
        except TimeoutError:
            raise _silent(seconds) from None

    def _expect(self, reply: Reply, otherwise: str) -> None:
        if not reply.good:
            raise DialogueError(otherwise, reply)

    def _expect_nothing(self, when: str) -> None:
        """Make sure that no old answer can be taken for the next one. Raises DialogueError."""
        if self._buffer:
            raise DialogueError(f"The mail server answered {when}")

    def _answer(self) -> Reply:
        """Return the next reply. Raises DialogueError if it ends the dialogue."""
        reply = self._reply()
        if reply.code == 421:
            raise DialogueError("The mail server ended the dialogue", reply)
        if not reply.code:
            raise DialogueError("The mail server's answer makes no sense", reply)
        return reply

    def _ask(self, command: str) -> Reply:
        self._expect_nothing("unasked")
        self._send(f"{' '.join(command.splitlines())}\r\n".encode())
        return self._answer()

    def _send(self, data: bytes) -> None:
        self._socket.settimeout(self._left())
        try:
            self._socket.sendall(data)
        except TimeoutError:
            raise _silent() from None
        except OSError:
            raise DialogueError(_BROKEN) from None

    def _reply(self) -> Reply:
        """Return the next reply, all its lines."""
        lines: list[str] = []
        while True:
            line = self._line()
            code, mark, text = line[:3], line[3:4], line[4:]
            if not (code.isascii() and code.isdigit() and mark in ("", " ", "-")):
                return Reply(0, line)
            lines.append(text)
            if mark != "-":
                return Reply(int(code), "\n".join(lines))

    def _line(self) -> str:
        began = time.monotonic()
        while b"\n" not in self._buffer:
            try:
                self._socket.settimeout(self._left())
                data = self._socket.recv(8192)
            except TimeoutError:
                raise _silent(time.monotonic() - began) from None
            except OSError:
                raise DialogueError(_BROKEN) from None
            self._read += len(data)
            if not data:
                raise DialogueError(_BROKEN)
            if self._read > _MOST_READ:
                raise DialogueError("The mail server does not stop talking")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode(errors="replace").rstrip("\r")

    def _left(self) -> float:
        """Return the seconds left, for a socket. Raises DialogueError if there are none."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise _silent()
        return left


def _silent(seconds: float = 0.0) -> DialogueError:
    return DialogueError(f"The mail server did not answer in {_seconds(seconds) if seconds else 'time'}")


def _seconds(seconds: float) -> str:
    return f"{round(seconds, 1):g} s"
