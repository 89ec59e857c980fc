"""Log lines for people on a terminal, for systemd's journal, or as JSON: one line an event that matters."""

import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

import msgspec

from watcher.messages.text import visible
from watcher.redaction import redact

Style = Literal["auto", "human", "journal", "json"]

_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
_LONGEST = 2000


def set_up(style: Style, environ: Mapping[str, str], *, verbose: bool, stream: TextIO | None = None) -> None:
    """Have the watcher log to stderr. A stranger's text in a message cannot break out of its line.

    Args:
        style: `auto` is `journal` under systemd (which sets $JOURNAL_STREAM), and `human` elsewhere and on a terminal.
        environ: the environment.
        verbose: log polls that changed nothing, too, and tracebacks.
        stream: instead of stderr.
    """
    stream = stream or sys.stderr
    if style == "auto":  # a terminal can be started by systemd, and hand the variable on
        style = "journal" if "JOURNAL_STREAM" in environ and not stream.isatty() else "human"
    handler = logging.StreamHandler(stream)
    handler.setFormatter({"human": _Human, "journal": _Journal, "json": _Json}[style](verbose))
    logger = logging.getLogger("watcher")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)
    logger.propagate = False


class _Line(logging.Formatter):
    def __init__(self, verbose: bool) -> None:
        super().__init__()
        self._verbose = verbose

    def text(self, record: logging.LogRecord) -> str:
        """Return the message on one line."""
        text = visible(redact(record.getMessage()), _LONGEST)
        if record.exc_info and not self._verbose:
            kind = record.exc_info[0]
            text += f" ({kind.__name__ if kind else 'error'}; --verbose shows where)"
        return text

    def trace(self, record: logging.LogRecord) -> list[str]:
        """Return the lines of the traceback to show, made harmless: they may quote a stranger's text."""
        if not record.exc_info or not self._verbose:
            return []
        lines = redact(self.formatException(record.exc_info)).splitlines()
        return [f"{_indent(line)}{visible(line, _LONGEST)}" for line in lines if line.strip()]


class _Human(_Line):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%d %H:%M:%S")
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        return "\n".join([f"{at} {level}{self.text(record)}", *self.trace(record)])


class _Journal(_Line):
    def format(self, record: logging.LogRecord) -> str:
        priority = _PRIORITIES.get(record.levelno, 6)
        lines = [self.text(record), *self.trace(record)]
        return "\n".join(f"<{priority}>{line}" for line in lines)


class _Json(_Line):
    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "message": self.text(record),
        }
        if trace := self.trace(record):
            fields["trace"] = trace
        return msgspec.json.encode(fields).decode()


def _indent(line: str) -> str:
    """Return the line's own indent and two spaces, so that no line of a traceback looks like one of the log."""
    return " " * (2 + min(len(line) - len(line.lstrip(" ")), 40))
