"""What several verbs need: the store, the source, the channels and archives."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from watcher.config import Config
from watcher.config.settings import Channel
from watcher.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from watcher.catalog.model import Event
    from watcher.delivery.channel import Result
    from watcher.store.store import Store
    from watcher.upstream.archive import Capture
    from watcher.upstream.client import Client

CONSOLE = "console"
"""The channel that stands in where none is configured: it prints."""


@contextmanager
def open_store(config: Config, *, read_only: bool = False) -> "Iterator[Store]":
    """Have the database of the configuration at hand, opened when first used; `read_only`: without writing."""
    from watcher.store.store import Store

    with Store(config.store.url.reveal(), read_only=read_only) as store:
        yield store


@contextmanager
def open_source(config: Config) -> "Iterator[Client]":
    """Open the source of the configuration, with the API key if there is one. Raises ConfigError."""
    from watcher.upstream.client import Client
    from watcher.upstream.key import find_api_key

    key = find_api_key(os.environ, config.source.api_key_file)
    with Client(config.source.url.reveal(), config.source.query, api_key=key) as client:
        yield client


def with_console(config: Config) -> Config:
    """Return the configuration with a channel that prints, if it has no channel."""
    return config if config.channels else replace(config, channels=(Channel(CONSOLE),))


def choose_channels(config: Config, name: str | None) -> list[Channel]:
    """Return the channel of this name, or all. Raises UsageError if there is none."""
    chosen = [channel for channel in config.channels if name in (None, channel.name)]
    if not chosen:
        raise UsageError(f"there is no channel {name!r}; there are {', '.join(c.name for c in config.channels)}")
    return chosen


def read_archives(archives: Iterable[str], on_problem: Callable[[str], None]) -> "Iterator[Capture]":
    """Return the snapshots of all archives in the order of their time."""
    from heapq import merge

    from watcher.upstream.archive import read_archive

    readers = [read_archive(archive, on_problem=on_problem) for archive in archives]
    return merge(*readers, key=lambda capture: capture.at)


def sender(config: Config, *, quiet: bool = False) -> "Callable[[Channel, Sequence[Event]], Result]":
    """Return what sends events to a channel: to its service, or to the terminal for `console`.

    `quiet`: print nothing; the caller prints the events as JSON.
    """

    timeout = config.delivery.timeout.total_seconds()

    def send(channel: Channel, events: "Sequence[Event]") -> "Result":
        from watcher.delivery.channel import Result
        from watcher.delivery.channel import send as send_to
        from watcher.messages.template import composer

        if channel == Channel(CONSOLE):
            if not quiet:
                from watcher.messages.console import print_events

                try:
                    print_events(events, sys.stdout)
                    sys.stdout.flush()
                except OSError as error:
                    return Result(False, f"cannot print: {error.strerror}")
            return Result(True, "printed")
        try:
            return send_to(channel.secret_url(os.environ), composer(channel, events), timeout=timeout)
        except ConfigError as error:
            return Result(False, str(error))

    return send


def tell_log() -> None:
    """Print what is logged as warnings are: a line on stderr."""
    import logging

    class Told(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            from watcher.messages.text import visible

            warn(visible(record.getMessage(), 2000))

    logging.getLogger("watcher").handlers[:] = [Told(logging.WARNING)]


def warn(message: str) -> None:
    """Print one line on stderr."""
    click.echo(f"watcher: {message}", err=True)
