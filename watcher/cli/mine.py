"""`watcher mine`: the models that this user calls, and what they cost in a month."""

from collections.abc import Mapping
from datetime import UTC, datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import msgspec

from watcher.catalog.event import offer
from watcher.catalog.model import Tokens
from watcher.catalog.pricing import TOKEN_PRICES
from watcher.cli.arguments import when
from watcher.cli.output import print_json, print_table
from watcher.cli.setup import Context, reading_fresh
from watcher.config import Config
from watcher.errors import NothingFoundError
from watcher.messages.prices import cost_text, price_text
from watcher.messages.text import visible
from watcher.mine.cost import as_text, monthly_cost
from watcher.mine.report import words
from watcher.mine.status import Status, statuses
from watcher.rules.rules import my_models, named

if TYPE_CHECKING:
    from watcher.store.session import Session


class Mine(NamedTuple):
    """One of the models, with what `[mine]` knows of it."""

    status: Status
    tokens: Tokens | None
    """Of a month."""
    prices_then: Mapping[str, str]
    in_paths: bool

    def cost(self, prices: Mapping[str, str]) -> str | None:
        """Return what a month costs at these prices; None if the tokens or a price are not known."""
        cost = monthly_cost(prices, self.tokens) if self.tokens is not None and prices else None
        return None if cost is None else as_text(cost)

    @property
    def costs(self) -> dict[str, str | None]:
        """What a month costs now, if the model is there, and what it cost then."""
        gone = self.status.state == "gone"
        return {"now": None if gone else self.cost(self.status.prices), "then": self.cost(self.prices_then)}

    def as_json(self) -> dict[str, Any]:
        """Return all of it as a document."""
        document: dict[str, Any] = msgspec.to_builtins(self.status)
        for other, shown in zip(self.status.instead, document["instead"], strict=True):
            shown["cost"] = self.cost(other.prices)
        return {
            **document,
            "prices_then": self.prices_then,
            "tokens": self.tokens,
            "cost": self.costs,
            "in_paths": self.in_paths,
        }


def read_mine(session: "Session", config: Config, since: datetime, now: datetime) -> list[Mine]:
    """Return the models of `[mine]`, by id, compared with those of a moment."""
    states, then = session.state.model_states(), session.history.facets(since)
    found, tokens = session.state.found_models(), {**session.personal.usage(), **config.mine.tokens}
    ids = (model for model in config.mine.models if not set("*?[") & set(model))
    unknown = [model for model in ids if not any(named([model], known) for known in states)]
    unknown += config.mine.tokens.keys() - states.keys()
    mine = sorted({*my_models(states, config.mine, found), *unknown})
    return [
        Mine(status, tokens.get(model), offer(then[model]).prices if model in then else {}, model in found)
        for model, status in statuses(mine, states, then, config.announce, now).items()
    ]


@click.command(epilog="Example: watcher mine --since 90d")
@click.option(
    "--since", type=when, metavar="WHEN", default="30d", show_default=True, help="Compare with the prices of then."
)
@click.option("--max-age", type=when, metavar="WHEN", help="How old the last good poll may be. Default: as for status.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
@click.pass_obj
def mine(context: Context, since: datetime, max_age: datetime | None, as_json: bool) -> None:
    """List your models, and what they cost in a month.

    They are those of [mine], with what has become of each and what it would cost elsewhere.
    """
    config, now = context.load(), datetime.now(UTC)
    with reading_fresh(config, max_age, now) as session:
        found = read_mine(session, config, since, now)
    if as_json:
        print_json([each.as_json() for each in found])
    if not found:
        raise NothingFoundError(
            "[mine] in the configuration names no model, and the last check found none in its paths"
        )
    if not as_json:
        right = ("prompt", "completion", "a month", "before")
        print_table(("model", *right, "instead", "state"), [_row(each, since) for each in found], right=right)


def _row(mine: Mine, since: datetime) -> tuple[str, ...]:
    status = mine.status
    elsewhere = [(Fraction(cost), other.id) for other in status.instead if (cost := mine.cost(other.prices))]
    instead = next((f"{cost_text(as_text(cost))} {visible(model)}" for cost, model in sorted(elsewhere)), "")
    prices = (price_text(key, status.prices.get(key)) if status.prices else "" for key in TOKEN_PRICES)
    costs = ("" if cost is None else cost_text(cost) for cost in mine.costs.values())
    return (visible(status.id), *prices, *costs, instead, words(status, since))
