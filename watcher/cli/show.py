"""`watcher show MODEL`: what a model is now, and its history."""

import click

from watcher.catalog.event import offer
from watcher.catalog.timeline import Period, timeline
from watcher.cli.completion import model_ids
from watcher.cli.output import did_you_mean, format_time, print_json, print_table
from watcher.cli.setup import Context, open_store
from watcher.errors import UsageError
from watcher.messages.prices import in_order, label, percentage, price_text, unit
from watcher.messages.text import page, visible

_SHOWN_FACETS = (
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


@click.command()
@click.argument("model", shell_complete=model_ids)
@click.option("--json", "as_json", is_flag=True, help="As a JSON object, with every known value.")
@click.pass_obj
def show(context: Context, model: str, as_json: bool) -> None:
    """Show MODEL (an id) as it is now, and its history."""
    with open_store(context.load()) as store, store.reading() as session:
        found = session.history.known(model)
        versions = session.history.versions(model)
        if not found:
            hint = did_you_mean(model, [known.id for known in session.history.known()])
            raise UsageError(f"no model {visible(model)!r} was ever seen{hint}")
    known = found[0]
    history = timeline(Period(v.valid_from, v.valid_to, v.model.facets) for v in versions)
    facets = versions[-1].model.facets if versions else {}
    offered = offer(facets)
    if as_json:
        print_json({"model": known, "facets": facets, "offer": offered, "history": history})
        return
    if known.present:
        presence = "listed now"
    elif not known.listed:
        presence = "in the RSS feed only, not yet listed"
    else:
        presence = f"gone; last seen {format_time(known.last_seen)} UTC" if known.last_seen else "gone"
    click.echo(f"{visible(known.name)}  ({visible(known.id)})")
    click.echo(page(known.id))
    click.echo(f"first seen {format_time(known.first_seen)} UTC, {presence}")
    click.echo()
    rows = [(label(key), price_text(key, offered.prices[key]), unit(key)) for key in in_order(offered.prices)]
    print_table(("price now" if known.present else "last price", "", ""), rows)
    click.echo()
    for path in filter(facets.__contains__, _SHOWN_FACETS):
        value = facets[path]
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        click.echo(f"{path.rpartition('.')[2].replace('_', ' ')}: {visible(text, 2000)}")
    if history:
        click.echo()
        changes = [
            (
                format_time(happening.at),
                happening.what,
                label(key) if key else "",
                price_text(key, change.old) if change and change.old is not None else "",
                price_text(key, change.new) if change else "",
                percentage(change.change) if change and change.change else "",
            )
            for happening in history
            for key, change in (happening.prices.items() or [("", None)])
        ]
        print_table(("when (UTC)", "what", "price", "old", "new", "change"), changes)
