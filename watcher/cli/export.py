"""`watcher export`: dated prices and events, in formats that others read."""

import sys
from datetime import datetime

import click

from watcher.cli.arguments import when
from watcher.cli.output import warn
from watcher.cli.setup import Context, open_store
from watcher.errors import NothingFoundError

FORMATS = ("csv", "jsonl", "litellm", "llm-prices")


@click.command(epilog="Example: watcher export --format csv --model openai/gpt-4o")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    metavar="FORMAT",
    default="csv",
    show_default=True,
    help="Prices as csv, litellm or llm-prices; or events as jsonl.",
)
@click.option("--at", type=when, metavar="WHEN", help="As it was then: 2026-01-04, 2026-01-04T19:13Z or 7d ago.")
@click.option("--model", metavar="PATTERN", default="*", help='Only these models, such as openai/gpt-4o or "qwen/*".')
@click.option("--since", type=when, metavar="WHEN", help="Only what held, or was announced, from then on.")
@click.pass_obj
def export(context: Context, form: str, at: datetime | None, model: str, since: datetime | None) -> None:
    """Print all prices ever seen, with their dates.

    Each has the time in which it held. What the format has no place for is named on stderr.
    """
    from watcher.export import export as export_from
    from watcher.store.past import Past

    with open_store(context.load(), read_only=True) as store, store.reading() as session:
        if at is not None and Past(session.connection).polled(at) is None:
            raise NothingFoundError("nothing is known of that time")
        found = export_from(session, form, at=at, model=model, since=since)
    sys.stdout.write(found.text)
    for remark in found.remarks:
        warn(remark)
