"""`watcher models [TEXT]`: what the catalogue offers, now or at a moment."""

from collections.abc import Callable
from datetime import datetime

import click

from watcher.cli.opening import open_store
from watcher.cli.state import State
from watcher.cli.table import print_json, print_table
from watcher.cli.when import When


@click.command()
@click.argument("text", required=False)
@click.option("--as-of", type=When(), metavar="DATE", help="As it was then: 2026-01-04, 2026-01-04T19:13Z or 7d ago.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
@click.pass_obj
def models(state: State, text: str | None, as_of: datetime | None, as_json: bool) -> None:
    """List the models, with prices per million tokens. With TEXT, those whose id or name holds it."""
    from watcher.alerts.prices import count, price_text
    from watcher.alerts.text import visible
    from watcher.catalog.event import offer

    with open_store(state.load()) as store, store.reading() as session:
        versions = session.history.catalogue(as_of)
    wanted = [
        version.model
        for version in versions
        if text is None or text.casefold() in f"{version.model.id} {version.model.name}".casefold()
    ]
    offers = [(model, offer(model.facets)) for model in wanted]
    if as_json:
        print_json([{"id": model.id, "name": model.name, "offer": offered} for model, offered in offers])
        return
    print_table(
        ("model", "name", "prompt", "completion", "context"),
        (
            (
                visible(model.id),
                visible(model.name, 60),
                _headline(offered.prices, "prompt", price_text),
                _headline(offered.prices, "completion", price_text),
                "" if offered.context_length is None else count(offered.context_length),
            )
            for model, offered in offers
        ),
        right=("prompt", "completion", "context"),
    )


def _headline(prices: dict[str, str], key: str, price_text: Callable[[str, str], str]) -> str:
    """Return the price of a key; for a day schedule each of its prices."""
    texts = [price_text(name, price) for name, price in prices.items() if name == key or _is_window(name, key)]
    return " / ".join(dict.fromkeys(texts))


def _is_window(name: str, key: str) -> bool:
    return name.startswith(f"{key}@") and ":" in name and "+" not in name
