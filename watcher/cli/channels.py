"""`watcher channels`: what each channel gets; `watcher channels test`: whether a message arrives."""

import click

from watcher.catalog.model import Event
from watcher.cli.completion import channel_names
from watcher.cli.output import print_json, print_table
from watcher.cli.setup import Context, choose_channels, open_store, sender, with_console
from watcher.config import Channel
from watcher.config.write import effective
from watcher.messages.sample import sample_events
from watcher.rules.rules import apply_min_change

FAILED = 75


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
@click.pass_context
def channels(ctx: click.Context, as_json: bool) -> None:
    """List the channels, or test them. The list shows what each gets, and how many alerts wait for it."""
    if ctx.invoked_subcommand is not None:
        return
    config = with_console(ctx.obj.load())
    with open_store(config) as store, store.reading() as session:
        pending = session.outbox.pending()
    listed = [{**channel, "pending": pending.get(channel["name"], 0)} for channel in effective(config)["channels"]]
    if as_json:
        print_json(listed)
        return
    rows = [
        (
            channel["name"],
            str(channel["url"] or channel["url_file"] or channel["url_env"] or "prints here"),
            ", ".join(channel["events"]),
            ", ".join(channel["models"]),
            str(channel["pending"]),
        )
        for channel in listed
    ]
    print_table(("channel", "service", "events", "models", "pending"), rows, right=("pending",))


@channels.command()
@click.argument("name", required=False, shell_complete=channel_names)
@click.pass_context
def test(ctx: click.Context, name: str | None) -> None:
    """Send "It works" to the channel NAME, or to all.

    The message has a made-up event of a kind that the channel gets.
    """
    context: Context = ctx.obj
    config = with_console(context.load())
    send, failed = sender(config), False
    for channel in choose_channels(config, name):
        result = send(channel, [_example(channel)])
        failed = failed or not result.ok
        click.echo(f"{channel.name}: {'ok' if result.ok else 'failed'}: {result.detail}")
    if failed:
        ctx.exit(FAILED)


def _example(channel: Channel) -> Event:
    """Return a made-up event that the channel would get, but for its rules about models."""
    samples = sample_events()
    wanted = (event for kind in channel.rules.events for event in samples if event.kind == kind)
    return next((event for event in wanted if apply_min_change(channel.rules, event, {})[0]), samples[0])
