"""The notify protocol of systemd (sd_notify(3)): datagrams of `KEY=value` lines to the socket in $NOTIFY_SOCKET."""

import os
import socket
import time
from collections.abc import Mapping

from watcher.messages.text import visible

_LONGEST = 500


class Notify:
    """Tells systemd what the service does, or nobody where systemd does not listen.

    Args:
        environ: where `NOTIFY_SOCKET` (a path, or an abstract name after `@`), `WATCHDOG_USEC` and `WATCHDOG_PID` are.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog = _watchdog(environ)
        """Seconds within which systemd expects each next `alive`; None: it expects none."""

    def ready(self, status: str) -> None:
        """Say that the service is up, or has finished reloading."""
        self._send("READY=1", _status(status))

    def reloading(self) -> None:
        """Say that it begins to reload."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def status(self, text: str) -> None:
        """Say in words what it does."""
        self._send(_status(text))

    def alive(self) -> None:
        """Say that the main part and the database answer."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that it begins to end."""
        self._send("STOPPING=1", _status("finishing what is in hand"))

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(1)
                sender.sendto("\n".join(lines).encode(errors="replace"), self._address)
        except OSError:
            pass  # a supervisor that does not listen is no reason to stop watching


def _status(text: str) -> str:
    return f"STATUS={visible(text, _LONGEST)}"  # on one line: another would be another key


def _watchdog(environ: Mapping[str, str]) -> float | None:
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    try:
        microseconds = int(environ.get("WATCHDOG_USEC", "0"))
    except ValueError:
        return None
    return microseconds / 1_000_000 if microseconds > 0 else None
