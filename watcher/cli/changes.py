"""`watcher changes`: what was announced."""

from datetime import UTC, datetime

import click

from watcher.catalog.model import KINDS, Event
from watcher.cli.completion import model_ids
from watcher.cli.output import format_time, print_json, print_table, warn
from watcher.cli.setup import Context, describe_future, open_store
from watcher.cli.time_arguments import when
from watcher.messages.headline import headline
from watcher.messages.text import visible


@click.command()
@click.option("--since", type=when, metavar="WHEN", help="From then on: 2026-01-04, or 7d ago.")
@click.option(
    "--kind",
    "kinds",
    type=click.Choice(KINDS),
    metavar="KIND",
    multiple=True,
    help="Only this kind, such as new or repriced; can be repeated.",
)
@click.option("--model", metavar="ID", shell_complete=model_ids, help="Only events about this model.")
@click.option("--limit", type=click.IntRange(1, 1_000_000_000), metavar="N", help="Only the newest N.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list of events.")
@click.pass_obj
def changes(
    context: Context,
    since: datetime | None,
    kinds: tuple[str, ...],
    model: str | None,
    limit: int | None,
    as_json: bool,
) -> None:
    """List announced events, oldest first."""
    wanted = kinds or [kind for kind in KINDS if kind != "alive"]  # a heartbeat is no change
    with open_store(context.load()) as store, store.reading() as session:
        future = describe_future(session, datetime.now(UTC))
        events = session.history.events(since=since, kinds=wanted, model=model, limit=limit)
    if future is not None:
        warn(future)
    if as_json:
        print_json(events)
        return
    rows = [
        (format_time(event.at), _kind(event), visible(event.model or event.name), headline((event,)))
        for event in events
    ]
    print_table(("announced", "kind", "model", "what"), rows)


def _kind(event: Event) -> str:
    return f"{event.kind} (imported)" if "imported" in event.marks else event.kind
