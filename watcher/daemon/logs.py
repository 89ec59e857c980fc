"""Log lines for people on a terminal, for systemd's journal, or as JSON: one line for each event that matters."""

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
    """Have the watcher log to stderr, or to `stream`. A stranger's text in a message cannot break out of its line.

    The style `auto` is `journal` under systemd (which sets $JOURNAL_STREAM), and `human` elsewhere and on a terminal.
    `verbose`: log polls that changed nothing, too, and tracebacks.
    """
    stream = stream or sys.stderr
    if style == "auto":  # a terminal can be started by systemd, and pass the variable on
        style = "journal" if "JOURNAL_STREAM" in environ and not stream.isatty() else "human"
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Formatter(style, verbose))
    logger = logging.getLogger("watcher")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)
    logger.propagate = False


class _Formatter(logging.Formatter):
    def __init__(self, style: Style, verbose: bool) -> None:
        super().__init__()
        self._looks = style
        self._verbose = verbose

    def format(self, record: logging.LogRecord) -> str:
        text, trace = visible(redact(record.getMessage()), _LONGEST), list[str]()
        if record.exc_info and self._verbose:  # a traceback may quote a stranger's text, too
            lines = redact(self.formatException(record.exc_info)).splitlines()
            trace = [f"{_indent(line)}{visible(line, _LONGEST)}" for line in lines if line.strip()]
        elif record.exc_info:
            kind = record.exc_info[0]
            text += f" ({kind.__name__ if kind else 'error'}; --verbose shows where)"
        at, level = datetime.fromtimestamp(record.created, UTC), record.levelname.lower()
        if self._looks == "json":
            fields: dict[str, Any] = {"at": at, "level": level, "message": text}
            return msgspec.json.encode({**fields, "trace": trace} if trace else fields).decode()
        if self._looks == "journal":
            return "\n".join(f"<{_PRIORITIES.get(record.levelno, 6)}>{line}" for line in (text, *trace))
        shown = "" if record.levelno == logging.INFO else f"{level}: "
        return "\n".join([f"{at:%Y-%m-%d %H:%M:%S} {shown}{text}", *trace])


def _indent(line: str) -> str:
    """Return the line's own indent and two spaces, so that no line of a traceback looks like one of the log."""
    return " " * (2 + min(len(line) - len(line.lstrip(" ")), 40))
