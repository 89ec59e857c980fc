"""Servers on loopback that misbehave at one step of the dialogue, once, and behave from then on."""

import os
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

Answer = bytes | Callable[[socket.socket], None]
"""What is said at a step, or done."""


def silence(connection: socket.socket) -> None:
    """Say nothing until the other side hangs up."""
    with suppress(OSError):
        while connection.recv(4096):
            pass


def hang_up(connection: socket.socket) -> None:
    """End the connection in order."""
    connection.shutdown(socket.SHUT_RDWR)


def reset(connection: socket.socket) -> None:
    """End the connection with RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(connection.detach())  # though a file of it is open


def drip(text: bytes, seconds: float) -> Callable[[socket.socket], None]:
    """Say it byte by byte, with a pause before each."""

    def answer(connection: socket.socket) -> None:
        over = threading.Event()
        for byte in text:
            over.wait(seconds)
            connection.sendall(bytes([byte]))

    return answer


def endless(text: bytes) -> Callable[[socket.socket], None]:
    """Say it until the other side hangs up."""

    def answer(connection: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection.sendall(text)

    return answer


def then(text: bytes, answer: Answer) -> Callable[[socket.socket], None]:
    """Say the text, and then the answer."""

    def both(connection: socket.socket) -> None:
        connection.sendall(text)
        give(connection, answer)

    return both


def give(connection: socket.socket, answer: Answer) -> None:
    """Say or do the answer."""
    if isinstance(answer, bytes):
        connection.sendall(answer)
    else:
        answer(connection)


class Server:
    """Listens on loopback and has `talk` with each connection, in a thread of its own."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self._talks: list[threading.Thread] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def talk(self, connection: socket.socket) -> None:
        raise NotImplementedError

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                talk = threading.Thread(target=self._serve, args=self._listening.accept()[:1], daemon=True)
                self._talks.append(talk)
                talk.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError, EOFError):
            connection.settimeout(20)
            self.talk(connection)

    def finish(self) -> None:
        """Wait for the end of the connections."""
        for talk in self._talks:
            talk.join(20)

    def close(self) -> None:
        self._listening.close()


class MisbehavingMail(Server):
    """A mail server. `faults` has, by step, what it says instead the first time: the steps are `greeting`, the names of
    the commands, `text` (while it gets the mail) and `dot`. `answers` is what it says always."""

    def __init__(self, faults: dict[str, Answer] | None = None, certificate: Path | None = None) -> None:
        self.faults = dict(faults or {})
        self.answers: dict[str, Answer] = {
            "greeting": b"220 here\r\n",
            "EHLO": b"250-here\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n",
            "DATA": b"354 go on\r\n",
            "QUIT": b"221 bye\r\n",
            "STARTTLS": b"220 go on\r\n",
            "AUTH": b"235 welcome\r\n",
        }
        self.mails: list[bytes] = []
        """The mails that arrived whole, whatever it said then."""
        self.said: list[str] = []
        """The commands."""
        self._certificate = certificate
        super().__init__()

    def talk(self, connection: socket.socket) -> None:
        self._answer(connection, "greeting")
        lines = connection.makefile("rb")
        while line := lines.readline():
            command = line.decode().strip()
            self.said.append(command)
            step = command.split()[0].upper() if command else ""
            fault = self._answer(connection, step)
            if step == "QUIT":
                return
            if step == "STARTTLS" and not fault and self._certificate:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(self._certificate)
                connection = context.wrap_socket(connection, server_side=True)
                lines = connection.makefile("rb")
            if step == "DATA" and not fault:
                mail = lines.readline()
                if "text" in self.faults:
                    self._answer(connection, "text")
                while not mail.endswith(b"\r\n.\r\n"):
                    if not (line := lines.readline()):
                        raise EOFError
                    mail += line
                self.mails.append(mail)
                self._answer(connection, "dot")

    def _answer(self, connection: socket.socket, step: str) -> bool:
        """Answer, and return whether it was a fault."""
        fault = self.faults.pop(step, None)
        answer = self.answers.get(step, b"250 fine\r\n") if fault is None else fault
        give(connection, answer)
        return fault is not None


class MisbehavingWeb(Server):
    """A web server. It does `fault` once, `before` it reads the request or after it, and then says 200."""

    def __init__(self, fault: Answer, *, before: bool = False) -> None:
        self._fault: Answer | None = fault
        self._before = before
        self.bodies: list[bytes] = []
        """The bodies that arrived whole, whatever it said then."""
        super().__init__()

    def talk(self, connection: socket.socket) -> None:
        fault, self._fault = self._fault, None
        if fault is not None and self._before:
            give(connection, fault)
            return
        request = connection.makefile("rb")
        length = 0
        while (line := request.readline()) not in (b"\r\n", b""):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split()[1])
        body = request.read(length)
        if len(body) == length:
            self.bodies.append(body)
        give(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" if fault is None else fault)
