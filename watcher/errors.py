"""All errors that a user sees, in one tree, with exit codes from sysexits.h.

A message says what happened, to what, and what to do next. It never holds a secret.
"""

import time

from watcher.redaction import redact


class WatcherError(Exception):
    """Base of all errors with a message for the user. `exit_code` is the process's exit status."""

    exit_code = 70  # EX_SOFTWARE

    def __str__(self) -> str:
        """Return the message without any secret, whatever a server or a file put into it."""
        return redact(super().__str__())


class UsageError(WatcherError):
    """The command line asks for something impossible."""

    exit_code = 64  # EX_USAGE


class NothingFoundError(WatcherError):
    """A listing has nothing to show."""

    exit_code = 1


class SourceError(WatcherError):
    """The upstream could not be read, or its answer was refused."""

    exit_code = 69  # EX_UNAVAILABLE


class StoreError(WatcherError):
    """The database is locked, read-only, full or damaged."""

    exit_code = 74  # EX_IOERR


class MachineError(WatcherError):
    """The machine has no memory or no thread left, or its clock cannot be right."""

    exit_code = 71  # EX_OSERR


def machine_error(error: Exception) -> MachineError | None:
    """Return what an unexpected error says of the machine; None if it is a bug."""
    cause: BaseException | None = error
    while cause is not None:
        # CPython raises SystemError, too, where it gets no memory in the middle of something.
        if isinstance(cause, MemoryError | SystemError) or any(words in str(cause) for words in _EXHAUSTED):
            return MachineError(
                "The machine has no memory or no thread left for this. Stop something else, or raise the limit"
                " (MemoryMax= and TasksMax= of a unit, ulimit of a shell)."
            )
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, OverflowError | ValueError) and not _DAY < time.time() < _END - 365 * _DAY:
        return MachineError("The machine's clock cannot be right: dates around its time do not exist. Set it.")
    return None


_DAY = 24 * 60 * 60
_END = 253_402_300_800
"""Seconds from 1970 to the year 10000, of which Python knows no date."""
_EXHAUSTED = ("annot allocate memory", "failed to map segment", "can't start new thread", "out of memory")


class BusyError(StoreError):
    """Another process is at work and did not end in time; all that was to be stored is stored."""

    exit_code = 75  # EX_TEMPFAIL


class ConfigError(WatcherError):
    """The configuration is wrong; the message has one line for each mistake."""

    exit_code = 78  # EX_CONFIG


class StoreTooNewError(ConfigError):
    """The database was written by a newer version of the watcher."""
