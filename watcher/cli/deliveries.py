"""`watcher deliveries`: what waits for the channels, was sent or given up; send it again, or drop it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from watcher.cli.completion import channel_names
from watcher.cli.output import format_time, print_json, print_table, warn
from watcher.cli.setup import Context, open_session
from watcher.errors import UsageError
from watcher.messages.headline import headline
from watcher.messages.text import visible

if TYPE_CHECKING:
    from watcher.store.outbox import Delivery
    from watcher.store.session import Session


@click.group(invoke_without_command=True, epilog="Example: watcher deliveries --state sent")
@click.option(
    "--state",
    "states",
    type=click.Choice(["pending", "sent", "given up"]),
    multiple=True,
    help="Only in this state; repeatable. Default: pending and given up.",
)
@click.option("--channel", metavar="NAME", shell_complete=channel_names, help="Only those to this channel.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
@click.pass_context
def deliveries(ctx: click.Context, states: tuple[str, ...], channel: str | None, as_json: bool) -> None:
    """List deliveries, retry them or drop them. There is one for each event and channel."""
    if ctx.invoked_subcommand is not None:
        return
    context: Context = ctx.obj
    with open_session(context.load()) as session:
        listed = session.outbox.listed(states=states or ("pending", "given up"), channel=channel)
    if as_json:
        print_json(listed)
        return
    if not listed:
        warn("there is no such delivery" if states or channel else "no delivery waits, and none was given up")
        return
    rows = [
        (
            str(delivery.id),
            delivery.channel,
            delivery.state,
            str(delivery.attempts),
            format_time(delivery.next_attempt) if delivery.next_attempt else "",
            headline((delivery.event,)),
            visible(delivery.last_error or ""),
        )
        for delivery in listed
    ]
    columns = ("id", "channel", "state", "tries", "next try (UTC)", "news", "last error")
    print_table(columns, rows, right=("id", "tries"))


@deliveries.command(epilog="Example: watcher deliveries retry 12 13")
@click.argument("ids", metavar="ID…", type=int, nargs=-1, required=True)
@click.pass_obj
def retry(context: Context, ids: tuple[int, ...]) -> None:
    """Send deliveries again at the next check, whatever their state."""
    with open_session(context.load(), writes=True) as session:
        chosen = _choose(session, ids)
        session.outbox.retry(chosen, datetime.now(UTC))
    click.echo(f"{len(chosen)} to be sent at the next check")


@deliveries.command(epilog="Example: watcher deliveries drop 12 13")
@click.argument("ids", metavar="ID…", type=int, nargs=-1, required=True)
@click.pass_obj
def drop(context: Context, ids: tuple[int, ...]) -> None:
    """Give deliveries up: they are not sent."""
    with open_session(context.load(), writes=True) as session:
        pending = [delivery for delivery in _choose(session, ids) if delivery.state == "pending"]
        session.outbox.give_up(pending, "dropped by hand")
    click.echo(f"{len(pending)} dropped")


def _choose(session: "Session", ids: Sequence[int]) -> "list[Delivery]":
    chosen = session.outbox.listed(ids=ids)
    if missing := sorted(set(ids) - {delivery.id for delivery in chosen}):
        raise UsageError(f"there is no delivery {', '.join(map(str, missing))}")
    return chosen
