"""`watcher models [TEXT]`: what the catalogue offers, now or at a moment."""

from collections.abc import Callable
from datetime import datetime

import click

from watcher.cli.context import Context
from watcher.cli.setup import open_store
from watcher.cli.table import print_json, print_table
from watcher.cli.time_arguments import When


@click.command()
@click.argument("text", required=False)
@click.option("--as-of", type=When(), metavar="DATE", help="As it was then: 2026-01-04, 2026-01-04T19:13Z or 7d ago.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
@click.pass_obj
def models(state: Context, text: str | None, as_of: datetime | None, as_json: bool) -> None:
    """List the models, with prices per million tokens. With TEXT, those whose id or name holds it."""
    from watcher.catalog.event import offer
    from watcher.messages.prices import count, price_text
    from watcher.messages.text import visible

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
    """Return the price of a key; of a schedule each of its prices, and what a model charges instead of tokens."""
    from watcher.catalog.pricing import TOKEN_PRICES, headline_keys, is_free
    from watcher.messages.prices import unit

    with_tiers = prices.get(key) == "0" and not is_free(prices)  # only short prompts cost nothing
    names = [name for name in prices if name.partition("@")[0] == key and (with_tiers or "+" not in name)]
    texts = [price_text(name, prices[name]) for name in names]
    instead = [other for other in headline_keys(prices) if other not in TOKEN_PRICES]
    if instead and set(texts) <= {"free"}:  # it is not free, whatever tokens cost
        texts = [f"{price_text(other, prices[other])} {unit(other)}" for other in instead] if key == "prompt" else []
    return " / ".join(dict.fromkeys(texts))
