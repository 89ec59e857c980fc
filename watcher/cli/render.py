"""`watcher render`: what a channel would be sent, without sending it."""

import os
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click

from watcher.catalog.model import Event
from watcher.cli.arguments import when
from watcher.cli.completion import channel_names
from watcher.cli.output import print_json
from watcher.cli.setup import CONSOLE, Context, choose_channels, open_session, with_console
from watcher.config import Channel, Config
from watcher.delivery.channel import DEFAULT_TIMEOUT, check_url
from watcher.delivery.services import open_service
from watcher.errors import ConfigError, UsageError
from watcher.messages.builder import Message
from watcher.messages.document import Format
from watcher.messages.sample import sample_events
from watcher.messages.template import compose_for
from watcher.rules.rules import wants

_UNLIMITED = 1_000_000_000


@click.command(epilog="Example: watcher render --since 7d")
@click.option(
    "--channel", "name", metavar="NAME", shell_complete=channel_names, help="Only for this channel; default: for each."
)
@click.option(
    "--format",
    "forced",
    type=click.Choice([format.value for format in Format]),
    help="Use this format, whatever the service.",
)
@click.option("--since", type=when, metavar="WHEN", help="What was announced from then on: 2026-01-04, or 7d ago.")
@click.option("--event", "ids", metavar="ID", multiple=True, help="This event, by the start of its id; repeatable.")
@click.option("--sample", is_flag=True, help="A made-up event of every kind, which is the default.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list of messages.")
@click.pass_obj
def render(
    context: Context,
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
    config = with_console(context.load())
    chosen = choose_channels(config, name)
    events = _events(config, since, ids)
    messages: list[tuple[Channel, Message]] = []
    for channel in chosen:
        # Events that were chosen one by one, or made up, are shown whatever the channel's rules say.
        wanted = [event for event in events if since is None or wants(channel.rules, event)]
        if wanted:
            messages += ((channel, message) for message in compose_for(channel, wanted, *_format(channel, forced)))
    if as_json:
        print_json([_as_json(channel, message) for channel, message in messages])
        return
    for channel, message in messages:
        if len(messages) > 1:
            click.echo(f"----- {channel.name} ({message.format.value})")
        click.echo(f"{message.title}\n\n{message.body}")


def _events(config: Config, since: datetime | None, ids: Sequence[str]) -> Sequence[Event]:
    if since is None and not ids:
        return sample_events()
    with open_session(config) as session:
        stored = session.history.events(since=since)
    return [_event_by_id(stored, start) for start in dict.fromkeys(ids)] if ids else stored


def _event_by_id(stored: Sequence[Event], start: str) -> Event:
    found = [event for event in stored if event.id.startswith(start)]
    if not found:
        raise UsageError(f"there is no event {start!r}; `watcher changes --json` lists them")
    exact = [event for event in found if event.id == start]
    if not exact and len(found) > 1:
        raise UsageError(f"{len(found)} events begin with {start!r}; give more of the id")
    return (exact or found)[0]


def _format(channel: Channel, forced: str | None) -> tuple[Format, int]:
    """Return the format of the channel's service, and the most bytes of one message there."""
    if forced is not None or channel == Channel(CONSOLE):
        return Format(forced or "text"), _UNLIMITED
    url = channel.secret_url(os.environ)
    if problem := check_url(url):
        raise ConfigError(f'channel "{channel.name}": {problem}')
    service = open_service(url, DEFAULT_TIMEOUT)
    return service.format, service.limit


def _as_json(channel: Channel, message: Message) -> dict[str, Any]:
    return {
        "channel": channel.name,
        "format": message.format.value,
        "title": message.title,
        "body": message.body,
        "text": message.text,
        "events": message.ids,
    }
