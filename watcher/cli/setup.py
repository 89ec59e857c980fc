"""What several verbs need open: the store, the source, and the channels."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from watcher.config import Config
from watcher.config.settings import Channel

if TYPE_CHECKING:
    from watcher.catalog.model import Event
    from watcher.delivery.channel import Result
    from watcher.store.store import Store
    from watcher.upstream import Client

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


def sender(config: Config, *, quiet: bool = False) -> "Callable[[Channel, Sequence[Event]], Result]":
    """Return what sends events to a channel: to its service, or to the terminal for `console`.

    `quiet`: print nothing; the caller prints the events as JSON.
    """

    timeout = config.delivery.timeout.total_seconds()

    def send(channel: Channel, events: "Sequence[Event]") -> "Result":
        from watcher.delivery.channel import Result
        from watcher.delivery.channel import send as send_to
        from watcher.errors import ConfigError
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
