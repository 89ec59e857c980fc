"""`watcher channels`: what each channel gets; `watcher channels test`: whether a message arrives."""

from collections.abc import Mapping
from contextlib import suppress

import click

from watcher.cli.completion import channel_names
from watcher.cli.output import print_json
from watcher.cli.setup import Context, choose_channels, reading, sender, with_console
from watcher.cli.table import print_table
from watcher.config.write import effective
from watcher.errors import NothingFoundError
from watcher.messages.sample import sample_events

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
    with suppress(NothingFoundError), reading(config) as session:  # without a database nothing waits
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
@click.pass_context
def test(ctx: click.Context, name: str | None) -> None:
    """Send a sample to the channel NAME, or to all. It is marked as a test, and the result of each is printed."""
    context: Context = ctx.obj
    config = with_console(context.load())
    send, failed = sender(config), False
    for channel in choose_channels(config, name):
        result = send(channel, sample_events())
        failed = failed or not result.ok
        click.echo(f"{channel.name}: {'ok' if result.ok else 'failed'}: {result.detail}")
    if failed:
        ctx.exit(FAILED)
