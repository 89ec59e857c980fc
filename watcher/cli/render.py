"""`watcher render`: what a channel would be sent, without sending it."""

import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from watcher.cli.complete import channel_names
from watcher.cli.context import Context
from watcher.cli.setup import CONSOLE, choose_channels, open_store, with_console
from watcher.cli.table import print_json
from watcher.cli.time_arguments import When
from watcher.config import Channel, Config
from watcher.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from watcher.catalog.model import Event
    from watcher.messages.builder import Message
    from watcher.messages.document import Format

FORMATS = ("text", "markdown", "slack", "telegram", "html")
_ENDLESS = 1_000_000_000
_TIMEOUT = 20.0


@click.command()
@click.option(
    "--channel", "name", metavar="NAME", shell_complete=channel_names, help="Only for this channel; otherwise for each."
)
@click.option("--format", "forced", type=click.Choice(FORMATS), help="In this format, whatever the service.")
@click.option("--since", type=When(), metavar="WHEN", help="What was announced from then on: 2026-01-04, or 7d ago.")
@click.option("--event", "ids", metavar="ID", multiple=True, help="This event, by the start of its id; repeatable.")
@click.option("--sample", is_flag=True, help="A made-up event of every kind, which is the default.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list of messages.")
@click.pass_obj
def render(
    state: Context,
    name: str | None,
    forced: str | None,
    since: datetime | None,
    ids: tuple[str, ...],
    sample: bool,
    as_json: bool,
) -> None:
    """Show exactly what a channel would be sent. Nothing is sent, and no service is contacted."""
    if (since is not None) + bool(ids) + sample > 1:
        raise UsageError("--since, --event and --sample exclude each other")
    config = with_console(state.load())
    chosen = choose_channels(config, name)
    events = _events(config, since, ids)
    shown = [
        (channel, message)
        for channel in chosen
        for message in _messages(channel, _wanted(channel, events, all_of_them=since is None), forced)
    ]
    if as_json:
        print_json([_as_json(channel, message) for channel, message in shown])
        return
    several = len(shown) > 1
    for channel, message in shown:
        if several:
            click.echo(f"----- {channel.name} ({message.format.value})")
        click.echo(f"{message.title}\n\n{message.body}")


def _events(config: Config, since: datetime | None, ids: Sequence[str]) -> "Sequence[Event]":
    if since is None and not ids:
        from watcher.messages.sample import sample_events

        return sample_events()
    with open_store(config) as store, store.reading() as session:
        stored = session.history.events(since=since)
    if not ids:
        return stored
    return [_only([event for event in stored if event.id.startswith(start)], start) for start in dict.fromkeys(ids)]


def _only(found: "Sequence[Event]", start: str) -> "Event":
    if not found:
        raise UsageError(f"there is no event {start!r}; `watcher changes --json` lists them")
    exact = [event for event in found if event.id == start]
    if not exact and len(found) > 1:
        raise UsageError(f"{len(found)} events begin with {start!r}; give more of the id")
    return (exact or found)[0]


def _wanted(channel: Channel, events: "Sequence[Event]", *, all_of_them: bool) -> "Sequence[Event]":
    """Return what the channel's rules let through; all, where the events were chosen one by one or made up."""
    from watcher.rules.rules import wants

    return [event for event in events if all_of_them or wants(channel.rules, event)]


def _messages(channel: Channel, events: "Sequence[Event]", forced: str | None) -> "Iterator[Message]":
    from watcher.messages.template import composer

    if events:
        yield from composer(channel, events)(*_place(channel, forced))


def _place(channel: Channel, forced: str | None) -> "tuple[Format, int]":
    """Return the format, and the most that one message holds, of the channel's service."""
    from watcher.messages.document import Format

    if forced is not None or channel == Channel(CONSOLE):
        return Format(forced or "text"), _ENDLESS
    from watcher.delivery.channel import check_url
    from watcher.delivery.plugins import UnusableURLError
    from watcher.delivery.services import open_service

    url = channel.secret_url(os.environ)
    problem = check_url(url)
    try:
        service = open_service(url, _TIMEOUT)
    except UnusableURLError as error:
        raise ConfigError(f'channel "{channel.name}": {problem or error}') from None
    return service.format, service.limit


def _as_json(channel: Channel, message: "Message") -> dict[str, Any]:
    return {
        "channel": channel.name,
        "format": message.format.value,
        "title": message.title,
        "body": message.body,
        "text": message.text,
        "events": message.ids,
    }
