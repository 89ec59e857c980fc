"""`watcher deliveries`: what waits for the channels, was sent or given up; and to act on it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from watcher.cli.complete import channel_names
from watcher.cli.context import Context
from watcher.cli.setup import open_store
from watcher.cli.table import print_json, print_table
from watcher.cli.time_arguments import format_time
from watcher.errors import UsageError

if TYPE_CHECKING:
    from watcher.store.outbox import Delivery
    from watcher.store.session import Session


@click.group(invoke_without_command=True)
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
    """List deliveries, or have them sent again or dropped. There is one for each event and channel."""
    if ctx.invoked_subcommand is not None:
        return
    from watcher.messages.headline import headline
    from watcher.messages.text import visible

    with open_store(ctx.obj.load()) as store, store.reading() as session:
        found = session.outbox.listed(states=states or ("pending", "given up"), channel=channel)
    if as_json:
        print_json(found)
        return
    print_table(
        ("id", "channel", "state", "tries", "next try (UTC)", "news", "last error"),
        (
            (
                str(row.id),
                row.channel,
                row.state,
                str(row.attempts),
                format_time(row.next_attempt) if row.next_attempt else "",
                headline((row.event,)),
                visible(row.last_error or ""),
            )
            for row in found
        ),
        right=("id", "tries"),
    )


@deliveries.command()
@click.argument("ids", metavar="ID…", type=int, nargs=-1, required=True)
@click.pass_obj
def retry(state: Context, ids: tuple[int, ...]) -> None:
    """Have deliveries sent at the next check. Whatever became of them, they are sent anew."""
    with open_store(state.load()) as store, store.writing() as session:
        found = _chosen(session, ids)
        session.outbox.retry(found, datetime.now(UTC))
    click.echo(f"{len(found)} to be sent at the next check")


@deliveries.command()
@click.argument("ids", metavar="ID…", type=int, nargs=-1, required=True)
@click.pass_obj
def drop(state: Context, ids: tuple[int, ...]) -> None:
    """Give deliveries up: they are not tried again."""
    with open_store(state.load()) as store, store.writing() as session:
        found = _chosen(session, ids)
        waiting = [row for row in found if row.state == "pending"]
        session.outbox.give_up(waiting, "dropped by hand")
    click.echo(f"{len(waiting)} dropped")


def _chosen(session: "Session", ids: Sequence[int]) -> "list[Delivery]":
    found = session.outbox.listed(ids=ids)
    missing = sorted(set(ids) - {row.id for row in found})
    if missing:
        raise UsageError(f"there is no delivery {', '.join(map(str, missing))}")
    return found
