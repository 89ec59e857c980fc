"""`watcher models [TEXT]`: what the catalogue offers, now or at a moment."""

from collections.abc import Mapping
from datetime import datetime

import click

from watcher.catalog.event import offer
from watcher.catalog.pricing import TOKEN_PRICES, headline_keys, is_free
from watcher.cli.output import print_json, print_table
from watcher.cli.setup import Context, open_store
from watcher.cli.time_arguments import when
from watcher.messages.prices import count, price_text, unit
from watcher.messages.text import visible


@click.command()
@click.argument("text", required=False)
@click.option("--as-of", type=when, metavar="DATE", help="As it was then: 2026-01-04, 2026-01-04T19:13Z or 7d ago.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
@click.pass_obj
def models(context: Context, text: str | None, as_of: datetime | None, as_json: bool) -> None:
    """List the models, with prices per million tokens. With TEXT, those whose id or name holds it."""
    with open_store(context.load()) as store, store.reading() as session:
        versions = session.history.catalogue(as_of)
    offers = [
        (version.model, offer(version.model.facets))
        for version in versions
        if text is None or text.casefold() in f"{version.model.id} {version.model.name}".casefold()
    ]
    if as_json:
        print_json([{"id": model.id, "name": model.name, "offer": offered} for model, offered in offers])
        return
    rows = [
        (
            visible(model.id),
            visible(model.name, 60),
            _price(offered.prices, "prompt"),
            _price(offered.prices, "completion"),
            "" if offered.context_length is None else count(offered.context_length),
        )
        for model, offered in offers
    ]
    print_table(("model", "name", "prompt", "completion", "context"), rows, right=("prompt", "completion", "context"))


def _price(prices: Mapping[str, str], key: str) -> str:
    """Return the price of a key: each one of a schedule, or what the model charges for instead of tokens."""
    with_tiers = prices.get(key) == "0" and not is_free(prices)  # only short prompts cost nothing
    names = [name for name in prices if name.partition("@")[0] == key and (with_tiers or "+" not in name)]
    texts = [price_text(name, prices[name]) for name in names]
    instead = [other for other in headline_keys(prices) if other not in TOKEN_PRICES]
    if instead and set(texts) <= {"free"}:  # the model is not free, although tokens are
        texts = [f"{price_text(other, prices[other])} {unit(other)}" for other in instead] if key == "prompt" else []
    return " / ".join(dict.fromkeys(texts))
