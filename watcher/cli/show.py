"""`watcher show MODEL`: what a model is now, and its history."""

from collections.abc import Iterator
from typing import Any

import click

from watcher.catalog.event import offer
from watcher.catalog.pricing import TOKEN_PRICES
from watcher.catalog.summary import with_description
from watcher.catalog.timeline import Happening, Period, timeline
from watcher.cli.completion import model_ids
from watcher.cli.output import did_you_mean, format_time, print_json, print_table
from watcher.cli.setup import Context, open_session
from watcher.errors import UsageError
from watcher.messages.prices import count, in_order, label, price_text, unit
from watcher.messages.text import page, visible
from watcher.messages.wording import FACTS, changes_text, value_text
from watcher.store.endpoints import OfferedEndpoint


@click.command(epilog="Example: watcher show anthropic/claude-haiku-4.5")
@click.argument("model", shell_complete=model_ids)
@click.option("--json", "as_json", is_flag=True, help="As a JSON object, with every known value.")
@click.pass_obj
def show(context: Context, model: str, as_json: bool) -> None:
    """Show MODEL (an id) as it is now, and its history."""
    with open_session(context.load()) as session:
        found = session.history.known(model)
        versions = session.history.versions(model)
        endpoints = session.endpoints.offered(model)
        if not found:
            hint = did_you_mean(model, [known.id for known in session.history.known()])
            raise UsageError(f"no model {visible(model)!r} was ever seen{hint}")
    known = found[0]
    history = timeline(Period(v.valid_from, v.valid_to, v.model.facets) for v in versions)
    facets = with_description(versions[-1].model.facets, versions[-1].raw) if versions else {}
    offered = offer(facets)
    if as_json:
        document = {"model": known, "facets": facets, "offer": offered, "history": history}
        if endpoints is not None:
            document["endpoints"] = endpoints
        print_json(document)
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
    values = [(name, _value(path, facets[path])) for path, name in FACTS.items() if path in facets]
    print_table(("now" if known.present else "last", ""), values)
    if endpoints is not None and endpoints.answered is not None:
        click.echo()
        columns = ("prompt/M", "completion/M", "context", "uptime", "quantization", "state")
        first = f"providers, {format_time(endpoints.answered)} UTC"
        print_table((first, *columns), map(_row, endpoints.providers), right=columns[:4])
    if history:
        click.echo()
        turns = [(format_time(turn.at), *change) for turn in history for change in _changes(turn)]
        print_table(("when (UTC)", "what", "changes"), turns)


def _row(endpoint: OfferedEndpoint) -> tuple[str, ...]:
    prices, context = endpoint.offer.prices, endpoint.offer.context_length
    return (
        visible(str(endpoint.provider)),
        *(price_text(key, prices.get(key)) for key in TOKEN_PRICES),
        "" if context is None else count(context),
        "" if endpoint.uptime is None else f"{endpoint.uptime:.1f}%",
        visible(endpoint.provider.quantization or ""),
        endpoint.state,
    )


def _value(path: str, value: Any) -> str:
    """Return a value in words; a list is whole."""
    if isinstance(value, list):
        return ", ".join(visible(item) for item in value) or "none"
    return value_text(path, value)


def _changes(turn: Happening) -> Iterator[tuple[str, str]]:
    """Yield what happened in a turn, and the change: a line for each price and field."""
    if turn.what == "appeared":
        prices = (f"{label(key)} {price_text(key, turn.prices[key].new)}" for key in in_order(turn.prices))
        yield turn.what, ", ".join(prices)
        return
    if turn.what in ("gone", "back"):
        yield turn.what, ""
    for key in in_order(turn.prices):
        yield "repriced", changes_text({key: turn.prices[key]}, {})
    for path, change in turn.fields.items():
        yield "changed", changes_text({}, {path: change})
