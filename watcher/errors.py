"""All errors that a user sees, in one tree, with exit codes from sysexits.h.

A message says what happened, to what, and what to do next. It never holds a secret.
"""


class WatcherError(Exception):
    """Base of all errors with a message for the user. `exit_code` is the process's exit status."""

    exit_code = 70  # EX_SOFTWARE


class UsageError(WatcherError):
    """The command line asks for something impossible."""

    exit_code = 64  # EX_USAGE


class SourceError(WatcherError):
    """The upstream could not be read, or its answer was refused."""

    exit_code = 69  # EX_UNAVAILABLE


class StoreError(WatcherError):
    """The database is locked, read-only, full or damaged."""

    exit_code = 74  # EX_IOERR


class ConfigError(WatcherError):
    """The configuration is wrong; the message has one line for each mistake."""

    exit_code = 78  # EX_CONFIG


class StoreTooNewError(ConfigError):
    """The database was written by a newer version of the watcher."""
