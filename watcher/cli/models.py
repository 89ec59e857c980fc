"""`watcher models [TEXT]`: what the catalogue offers, now or at a moment."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import click

from watcher.catalog.event import offer
from watcher.catalog.model import Event, Model, Offer
from watcher.catalog.price import UNKNOWN, VARIES
from watcher.catalog.pricing import TOKEN_PRICES, headline_keys, is_free
from watcher.cli.arguments import argument, when
from watcher.cli.output import did_you_mean, print_json, print_table
from watcher.cli.setup import Context, open_session
from watcher.config.mine import TOKEN_COUNT
from watcher.config.parse import PRICE, WrongValueError
from watcher.config.settings import Rules
from watcher.errors import NothingFoundError
from watcher.messages.prices import count, list_price
from watcher.messages.text import visible
from watcher.rules.rules import named, wants


def price(value: str) -> Decimal:
    """Return a price in USD per million tokens. Raises click.BadParameter."""
    try:
        return PRICE.parse(Decimal(value.removeprefix("$")))
    except (WrongValueError, InvalidOperation):
        raise click.BadParameter(f"{value!r} is not a price in USD per million tokens such as 2.5") from None


tokens = argument(TOKEN_COUNT.parse)


@click.command(epilog="Example: watcher models 'anthropic/*' --max-price 5 --sort price")
@click.argument("text", required=False)
@click.option("--free", is_flag=True, help="Only models that cost nothing.")
@click.option("--max-price", type=price, metavar="USD", help="Only where a million prompt tokens cost at most this.")
@click.option("--min-context", type=tokens, metavar="N", help="Only with a context of at least N tokens: 128K, 1M.")
@click.option("--modality", "modalities", multiple=True, metavar="NAME", help="Only with one of these: image, audio.")
@click.option("--parameter", "parameters", multiple=True, metavar="NAME", help="Only with all of these: tools, seed.")
@click.option("--sort", type=click.Choice(["price", "context", "newest", "name"]), help="Best first; default: by id.")
@click.option("--as-of", type=when, metavar="DATE", help="As it was then: 2026-01-04, 2026-01-04T19:13Z or 7d ago.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
@click.pass_obj
def models(
    context: Context,
    text: str | None,
    free: bool,
    max_price: Decimal | None,
    min_context: int | None,
    modalities: tuple[str, ...],
    parameters: tuple[str, ...],
    sort: str | None,
    as_of: datetime | None,
    as_json: bool,
) -> None:
    """List the models, with prices per million tokens.

    With TEXT, those whose id or name contains it, or whose id matches it as a pattern (`openai/gpt-*`, `*:free`). The
    other options work like a channel's rules.
    """
    rules = Rules(
        events=("new",),
        free_only=free,
        max_prompt_price=max_price,
        min_context=min_context,
        modalities=modalities,
        supported_parameters=parameters,
    )
    with open_session(context.load()) as session:
        versions = session.history.catalogue(as_of)
    found = [
        (version.model, offered)
        for version in versions
        if _matches(text, version.model)
        and wants(rules, _as_new(version.model, offered := offer(version.model.facets), version.valid_from))
    ]
    if sort is not None:
        found.sort(key=_ORDERS[sort])
    if as_json:
        print_json([{"id": model.id, "name": model.name, "offer": offered} for model, offered in found])
    if not found:
        if not versions:
            raise NothingFoundError("no models are known yet" if as_of is None else "no models are known of that time")
        matching = [version.model.id for version in versions if _matches(text, version.model)]
        like = f" like {visible(text)!r}" if text else ""
        if matching:
            raise NothingFoundError(f"there is no model{like} with these options")
        hint = did_you_mean(text or "", [version.model.id for version in versions])
        raise NothingFoundError(f"there is no model{like}{hint}")
    if as_json:
        return
    rows = [
        (
            visible(model.id),
            visible(model.name, 60),
            list_price(offered.prices, "prompt"),
            list_price(offered.prices, "completion"),
            "" if offered.context_length is None else count(offered.context_length),
        )
        for model, offered in found
    ]
    right = ("prompt", "completion", "context")
    print_table(("model", "name", *right), rows, right=right, cut=("name",))


def _matches(text: str | None, model: Model) -> bool:
    return text is None or text.casefold() in f"{model.id} {model.name}".casefold() or named((text,), model.id)


def _as_new(model: Model, offered: Offer, at: datetime) -> Event:
    """Return the event that rules judge a model by."""
    return Event(id="", kind="new", model=model.id, name=model.name, at=at, since=at, offer=offered)


def _cheapest(found: tuple[Model, Offer]) -> tuple[int, list[Decimal]]:
    """Sort by the prompt price, then the completion; behind them models that charge by something else or vary."""
    prices = found[1].prices
    usual = [prices.get(key, UNKNOWN) for key in TOKEN_PRICES]
    if not {UNKNOWN, VARIES}.isdisjoint(usual):
        return 2, []
    by_token = is_free(prices) or headline_keys(prices) == TOKEN_PRICES
    return (0 if by_token else 1), [Decimal(each) for each in usual]


def _newest(found: tuple[Model, Offer]) -> float:
    created = found[0].facets.get("created")
    return -created if isinstance(created, int | float) else 0


_ORDERS: Mapping[str, Callable[[tuple[Model, Offer]], Any]] = {
    "price": _cheapest,
    "context": lambda found: -(found[1].context_length or 0),
    "newest": _newest,
    "name": lambda found: found[0].name.casefold(),
}
