"""`watcher channels`: who is told what; `watcher channels test`: whether it arrives."""

import click

from watcher.cli.complete import channel_names
from watcher.cli.context import Context
from watcher.cli.setup import choose_channels, open_store, sender, with_console
from watcher.cli.table import print_json, print_table

FAILED = 75


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
@click.pass_context
def channels(ctx: click.Context, as_json: bool) -> None:
    """List the channels, or test them. The list has what each wants, and what waits for it."""
    if ctx.invoked_subcommand is not None:
        return
    from watcher.config.write import effective

    config = with_console(ctx.obj.load())
    with open_store(config) as store, store.reading() as session:
        pending = session.outbox.pending()
    shown = [{**channel, "pending": pending.get(str(channel["name"]), 0)} for channel in effective(config)["channels"]]
    if as_json:
        print_json(shown)
        return
    print_table(
        ("channel", "service", "events", "models", "pending"),
        (
            (
                channel["name"],
                str(channel.get("url") or channel.get("url_file") or channel.get("url_env") or "prints here"),
                ", ".join(channel["events"]),
                ", ".join(channel["models"]),
                str(channel["pending"]),
            )
            for channel in shown
        ),
        right=("pending",),
    )


@channels.command()
@click.argument("name", required=False, shell_complete=channel_names)
@click.pass_obj
def test(state: Context, name: str | None) -> None:
    """Send a marked sample to the channel NAME, or to all. Each one's line says how it fared."""
    from watcher.messages.sample import sample_events

    config = with_console(state.load())
    send, failed = sender(config), False
    for channel in choose_channels(config, name):
        result = send(channel, sample_events())
        failed = failed or not result.ok
        click.echo(f"{channel.name}: {'ok' if result.ok else 'failed'}: {result.detail}")
    if failed:
        click.get_current_context().exit(FAILED)
