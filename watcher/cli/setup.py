"""What several verbs need: the configuration, the database, the source, the channels and archives."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from heapq import merge
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from watcher.catalog.model import Event
from watcher.cli.output import format_count, format_time, warn
from watcher.config import Channel, Config, find_config, load_config
from watcher.config.find import foreign_keys
from watcher.config.parse import SHORT
from watcher.delivery.channel import Result, send
from watcher.errors import ConfigError, NothingFoundError, SourceError, UsageError
from watcher.messages.builder import Message
from watcher.messages.document import Format
from watcher.messages.template import compose_for
from watcher.messages.text import visible
from watcher.status import oldest_good
from watcher.store.records import SLACK
from watcher.store.store import Store
from watcher.upstream.archive import Capture, read_archive
from watcher.upstream.client import Client
from watcher.upstream.key import find_api_key

if TYPE_CHECKING:
    from watcher.store.session import Session

CONSOLE = "console"
"""The channel that stands in where none is configured: it prints."""


@dataclass(frozen=True)
class Context:
    """The global options, as every verb gets them."""

    config_path: Path | None = None
    """`--config`; None: look in the usual places."""
    verbose: bool = False

    def find_config(self) -> Path | None:
        """Return the configuration file to use, or None for the defaults. Raises ConfigError."""
        try:
            folder = Path.cwd()
        except OSError as error:
            raise UsageError(f"the current folder cannot be used: {error.strerror}") from None
        found = find_config(self.config_path, os.environ, folder)
        chosen = self.config_path or os.environ.get("WATCHER_CONFIG") or found == folder / "watcher.toml"
        if not chosen and sys.stderr.isatty() and (keys := foreign_keys(folder / "config.toml")):
            shown = ", ".join(visible(key, SHORT) for key in keys[:3])
            warn(f"config.toml here is another program's ({shown}): not used, unless --config config.toml says so")
        return found

    def load(self) -> Config:
        """Return the configuration to use. Raises ConfigError, with one line for each mistake."""
        return load_config(self.find_config(), os.environ)


def open_store(config: Config, *, read_only: bool = False, runs: bool = False) -> Store:
    """Return the database of the configuration, to be opened when it is first used."""
    return Store(config.store.url.reveal(), read_only=read_only, runs=runs)


@contextmanager
def open_session(config: Config, *, writes: bool = False) -> "Iterator[Session]":
    """Read from the database at one moment, or write to it in one transaction; without `writes` it stays as it is.

    Raises NothingFoundError if there is no database.
    """
    with open_store(config, read_only=not writes) as store:
        if not store.exists:
            start = "run `watcher --check`, or `watcher import ARCHIVE` for the past"
            raise NothingFoundError(f"there is no database {store.name} yet; {start}")
        with store.writing() if writes else store.reading() as session:
            yield session


@contextmanager
def reading_fresh(config: Config, oldest: datetime | None, now: datetime) -> "Iterator[Session]":
    """Read from the database, as `open_session`, where it can tell about today's models.

    Raises SourceError if there is no good poll since `oldest` (None: as for `watcher status`).
    """
    with open_store(config, read_only=True) as store:
        if not store.exists:
            raise SourceError(f"there is no database {store.name} yet; run `watcher --check` first")
        with store.reading() as session:
            polled = session.history.watched_until()
            if polled is None:
                raise SourceError("the database has no models yet; run `watcher --check` first")
            if not (oldest or oldest_good(config, now)) <= polled <= now + SLACK:
                last = f"the last good poll was at {format_time(polled)} UTC"
                raise SourceError(f"{last}, so this would not be about today's models; run `watcher --check` first")
            yield session


def open_source(config: Config) -> Client:
    """Return a client for the source of the configuration, with the API key if there is one. Raises ConfigError."""
    source = config.source
    key = find_api_key(os.environ, source.api_key_file)
    if key is None and source.account:
        raise ConfigError("source.account: it needs an API key: set OPENROUTER_API_KEY or source.api_key_file")
    return Client(source.url.reveal(), source.query, key=key, account=source.account)


def with_console(config: Config) -> Config:
    """Return the configuration with a channel that prints, if it has no channel."""
    return config if config.channels else replace(config, channels=(Channel(CONSOLE),))


def choose_channels(config: Config, name: str | None) -> list[Channel]:
    """Return the channel of this name, or all. Raises UsageError if there is none."""
    chosen = [channel for channel in config.channels if name in (None, channel.name)]
    if not chosen:
        raise UsageError(f"there is no channel {name!r}; there are {', '.join(c.name for c in config.channels)}")
    return chosen


def read_archives(archives: Iterable[str], on_problem: Callable[[str], None]) -> Iterator[Capture]:
    """Return the snapshots of all archives in the order of their time."""
    readers = [read_archive(archive, on_problem=on_problem) for archive in archives]
    return merge(*readers, key=lambda capture: capture.at)


def sender(config: Config, *, quiet: bool = False) -> Callable[[Channel, Sequence[Event]], Result]:
    """Return a function that sends events to a channel's service, or prints them for the console.

    `quiet`: print nothing, because the caller prints the events as JSON.
    """
    timeout = config.delivery.timeout.total_seconds()

    def compose(channel: Channel, events: Sequence[Event], format: Format, limit: int) -> Sequence[Message]:
        messages = compose_for(channel, events, format, limit)
        if not channel.chart or format is not Format.HTML:
            return messages
        from watcher.delivery.charts import with_charts

        return with_charts(messages, config.store.url.reveal())

    def send_to(channel: Channel, events: Sequence[Event]) -> Result:
        if channel == Channel(CONSOLE):
            return Result(True, "printed") if quiet else _print_to_console(events)
        try:
            return send(channel.secret_url(os.environ), partial(compose, channel), events, timeout=timeout)
        except ConfigError as error:
            return Result(False, str(error))

    return send_to


def _print_to_console(events: Sequence[Event]) -> Result:
    from watcher.messages.console import print_events

    try:
        print_events(events, sys.stdout)
        sys.stdout.flush()
    except OSError as error:
        return Result(False, f"cannot print: {error.strerror}")
    return Result(True, "printed")


def describe_future(session: "Session", now: datetime) -> str | None:
    """Return a line about records that are dated in the future; None if there are none."""
    number, last = session.history.after(now + SLACK)
    if last is None:
        return None
    lie, were = ("lies", "it was") if number == 1 else ("lie", "they were")
    records = f"{format_count(number, 'record')} {lie} in the future, up to {format_time(last)} UTC"
    return f"{records}: the clock was wrong when {were} made, or is wrong now"
