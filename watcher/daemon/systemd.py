"""The notify protocol of systemd (sd_notify(3)): datagrams of `KEY=value` lines to the socket in $NOTIFY_SOCKET."""

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

from watcher.messages.text import visible

_LONGEST = 500


class Notify:
    """Reports to systemd, or to nobody where systemd does not listen.

    systemd sets `NOTIFY_SOCKET` (a path, or an abstract name after `@`), `WATCHDOG_USEC` and `WATCHDOG_PID`.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog: float | None = None
        """Seconds within which systemd expects each next `feed_watchdog`; None: it expects none."""
        if environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid()):
            with suppress(ValueError):
                self.watchdog = max(0, int(environ.get("WATCHDOG_USEC", "0"))) / 1_000_000 or None

    def ready(self, status: str) -> None:
        """Report that the service is up, or has finished reloading."""
        self._send("READY=1", _status(status))

    def reloading(self) -> None:
        """Report that it begins to reload."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def status(self, text: str) -> None:
        """Report in words what it does."""
        self._send(_status(text))

    def feed_watchdog(self) -> None:
        """Report that the main part and the database answer."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Report that it begins to end."""
        self._send("STOPPING=1", _status("finishing what is in hand"))

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(1)  # a supervisor that does not listen is no reason to stop watching
            sender.sendto("\n".join(lines).encode(errors="replace"), self._address)


def _status(text: str) -> str:
    return f"STATUS={visible(text, _LONGEST)}"  # on one line: another would be another key
