"""`watcher channels`: what each channel gets; `watcher channels test`: whether a message arrives."""

from collections.abc import Mapping
from contextlib import suppress
from secrets import token_hex

import click
from msgspec.structs import replace

from watcher.catalog.model import Event
from watcher.cli.completion import channel_names
from watcher.cli.output import print_json, print_table
from watcher.cli.setup import Context, choose_channels, open_session, sender, with_console
from watcher.config import Channel
from watcher.config.write import effective
from watcher.errors import NothingFoundError
from watcher.messages.sample import sample_events
from watcher.rules.rules import apply_min_change

FAILED = 75


@click.group(invoke_without_command=True, epilog="Example: watcher channels test")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
@click.pass_context
def channels(ctx: click.Context, as_json: bool) -> None:
    """List the channels, or test them. The list shows what each gets, and how many alerts wait for it."""
    if ctx.invoked_subcommand is not None:
        return
    config = with_console(ctx.obj.load())
    pending: Mapping[str, int] = {}
    with suppress(NothingFoundError), open_session(config) as session:  # without a database nothing waits
        pending = session.outbox.pending()
    listed = [{**channel, "pending": pending.get(channel["name"], 0)} for channel in effective(config)["channels"]]
    if as_json:
        print_json(listed)
        return
    rows = [
        (
            channel["name"],
            str(channel["url"] or channel["url_file"] or channel["url_env"] or "prints here"),
            str(channel["pending"]),
            ", ".join(channel["models"]),
            ", ".join(channel["events"]),
        )
        for channel in listed
    ]
    print_table(("channel", "service", "pending", "models", "events"), rows, right=("pending",))


@channels.command(epilog="Example: watcher channels test team")
@click.argument("name", required=False, shell_complete=channel_names)
@click.pass_obj
def test(context: Context, name: str | None) -> int:
    """Send "It works" to the channel NAME, or to all.

    The message has a made-up event of a kind that the channel gets.
    """
    config = with_console(context.load())
    send, failed = sender(config), False
    for channel in choose_channels(config, name):
        # An id of its own: a mail program would drop a second mail with the Message-ID of the first.
        example = _example(channel)
        result = send(channel, [replace(example, id=f"{example.id}-{token_hex(4)}")])
        failed = failed or not result.ok
        click.echo(f"{channel.name}: {'ok' if result.ok else 'failed'}: {result.detail}")
    return FAILED if failed else 0


def _example(channel: Channel) -> Event:
    """Return a made-up event that the channel would get, but for its rules about models."""
    samples = sample_events()
    wanted = (event for kind in channel.rules.events for event in samples if event.kind == kind)
    return next((event for event in wanted if apply_min_change(channel.rules, event, {})[0]), samples[0])
