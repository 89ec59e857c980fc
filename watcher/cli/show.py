"""`watcher show MODEL`: what a model is now, and what it went through."""

import click

from watcher.cli.complete import model_ids
from watcher.cli.context import Context
from watcher.cli.setup import open_store
from watcher.cli.table import print_json, print_table
from watcher.cli.time_arguments import format_time
from watcher.errors import UsageError


@click.command()
@click.argument("model", shell_complete=model_ids)
@click.option("--json", "as_json", is_flag=True, help="As a JSON object, with every known value.")
@click.pass_obj
def show(state: Context, model: str, as_json: bool) -> None:
    """Show what MODEL (an id) is now, and what it went through."""
    from watcher.catalog.event import offer
    from watcher.catalog.timeline import Period, timeline
    from watcher.cli.similar import did_you_mean
    from watcher.messages.prices import in_order, label, percentage, price_text, unit
    from watcher.messages.text import page, visible

    with open_store(state.load()) as store, store.reading() as session:
        found = session.history.known(model)
        versions = session.history.versions(model)
        if not found:
            hint = did_you_mean(model, [known.id for known in session.history.known()])
            raise UsageError(f"no model {visible(model)!r} was ever seen{hint}")
    known = found[0]
    turns = timeline(Period(v.valid_from, v.valid_to, v.model.facets) for v in versions)
    facets = versions[-1].model.facets if versions else {}
    offered = offer(facets)
    if as_json:
        print_json({"model": known, "facets": facets, "offer": offered, "history": turns})
        return
    click.echo(f"{visible(known.name)}  ({visible(known.id)})")
    click.echo(page(known.id))
    click.echo(
        f"first seen {format_time(known.first_seen)} UTC, {_presence(known.present, known.listed, known.last_seen)}"
    )
    rows = [(label(key), price_text(key, offered.prices[key]), unit(key)) for key in in_order(offered.prices)]
    click.echo()
    print_table(("price now" if known.present else "last price", "", ""), rows)
    click.echo()
    for path in filter(facets.__contains__, _SHOWN):
        click.echo(f"{path.rpartition('.')[2].replace('_', ' ')}: {visible(_plain(facets[path]), 2000)}")
    if turns:
        click.echo()
        print_table(
            ("when (UTC)", "what", "price", "old", "new", "change"),
            (
                (
                    format_time(turn.at),
                    turn.what,
                    label(key) if key else "",
                    price_text(key, change.old) if change and change.old is not None else "",
                    price_text(key, change.new) if change else "",
                    percentage(change.change) if change and change.change else "",
                )
                for turn in turns
                for key, change in (turn.prices.items() or [("", None)])
            ),
        )


_SHOWN = (
    "context_length",
    "top_provider.max_completion_tokens",
    "architecture.input_modalities",
    "architecture.output_modalities",
    "canonical_slug",
    "alias_target.slug",
    "expiration_date",
    "knowledge_cutoff",
    "supported_parameters",
)


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _presence(present: bool, listed: bool, last_seen: object) -> str:
    if present:
        return "listed now"
    if not listed:
        return "in the RSS feed only, not yet listed"
    from datetime import datetime

    return f"gone; last seen {format_time(last_seen)} UTC" if isinstance(last_seen, datetime) else "gone"
