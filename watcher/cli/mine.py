"""`watcher mine`: the models that this user calls, and what they cost in a month."""

from collections.abc import Mapping
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import click
import msgspec

from watcher.catalog.event import offer
from watcher.catalog.model import Facets, Tokens
from watcher.cli.output import print_json
from watcher.cli.setup import Context, reading_fresh
from watcher.cli.table import print_table
from watcher.cli.time_arguments import when
from watcher.errors import NothingFoundError
from watcher.messages.prices import cost_text, price_text
from watcher.messages.text import visible
from watcher.mine.cost import as_text, monthly_cost
from watcher.mine.report import words
from watcher.mine.status import Status, statuses
from watcher.rules.mine import my_models


@click.command(epilog="Example: watcher mine --since 90d")
@click.option(
    "--since", type=when, metavar="WHEN", default="30d", show_default=True, help="Compare with the prices of then."
)
@click.option("--max-age", type=when, metavar="WHEN", help="How old the last good poll may be. Default: as for status.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
@click.pass_obj
def mine(context: Context, since: datetime, max_age: datetime | None, as_json: bool) -> None:
    """List the models of [mine]: what has become of them, and what they cost in a month, here and elsewhere."""
    config, now = context.load(), datetime.now(UTC)
    with reading_fresh(config, max_age, now) as session:
        states = session.state.model_states()
        then = session.history.facets(since)
        found = session.state.found_models()
        tokens = {**session.personal.usage(), **config.mine.tokens}
    named = (*config.mine.models, *config.mine.tokens)
    typed = [model for model in named if not set("*?[") & set(model) and model not in states]
    ids = sorted({*my_models(states, config.mine, found), *typed})
    found_status = statuses(ids, states, then, config.announce, now)
    if as_json:
        print_json(
            [
                {**_as_json(status, tokens.get(model), then.get(model)), "in_paths": model in found}
                for model, status in found_status.items()
            ]
        )
    if not ids:
        raise NothingFoundError("[mine] in the configuration names no model, and its paths have none")
    if as_json:
        return
    rows = [_row(status, tokens.get(model), then.get(model), since) for model, status in found_status.items()]
    right = ("prompt", "completion", "a month", "before")
    print_table(("model", *right, "instead", "state"), rows, right=right)


def _as_json(status: Status, tokens: Tokens | None, then: Facets | None) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(status)
    for other, shown in zip(status.instead, document["instead"], strict=True):
        shown["cost"] = _cost(other.prices, tokens)
    costs = {"now": _now(status, tokens), "then": _cost(_prices(then), tokens)}
    return {**document, "prices_then": _prices(then), "tokens": tokens, "cost": costs}


def _row(status: Status, tokens: Tokens | None, then: Facets | None, since: datetime) -> tuple[str, ...]:
    now, before = _now(status, tokens), _cost(_prices(then), tokens)
    instead = ""
    if tokens is not None and status.instead:
        costs = [(Fraction(cost), other.id) for other in status.instead if (cost := _cost(other.prices, tokens))]
        instead = next((f"{cost_text(as_text(cost))} {visible(model)}" for cost, model in sorted(costs)), "")
    prices = (price_text(key, status.prices.get(key)) if status.prices else "" for key in ("prompt", "completion"))
    costs_text = (cost_text(cost) if cost is not None else "" for cost in (now, before))
    return (visible(status.id), *prices, *costs_text, instead, words(status, since))


def _prices(facets: Facets | None) -> Mapping[str, str]:
    return {} if facets is None else offer(facets).prices


def _now(status: Status, tokens: Tokens | None) -> str | None:
    return None if status.state == "gone" else _cost(status.prices, tokens)


def _cost(prices: Mapping[str, str], tokens: Tokens | None) -> str | None:
    """Return what a month costs; None if the tokens or a price are not known."""
    cost = monthly_cost(prices, tokens) if tokens is not None and prices else None
    return None if cost is None else as_text(cost)
