"""`watcher ack MODEL`: keep a model quiet until it goes beyond what is acknowledged."""

from datetime import UTC, datetime

import click

from watcher.cli.arguments import when
from watcher.cli.completion import model_ids
from watcher.cli.output import did_you_mean, print_json, print_table
from watcher.cli.setup import Context, open_session
from watcher.errors import NothingFoundError, UsageError
from watcher.messages.text import visible
from watcher.mine.acknowledge import acknowledge, describe
from watcher.rules.acknowledged import holds


@click.command(epilog="Example: watcher ack openai/gpt-4o --until 2026-12-24")
@click.argument("model", required=False, shell_complete=model_ids)
@click.option("--until", type=when, metavar="DATE", help="Only until this day (UTC).")
@click.option("--price", "price_only", is_flag=True, help="Only its prices: reminders of its end go on.")
@click.option("--undo", is_flag=True, help="Take back what is acknowledged about MODEL.")
@click.option("--json", "as_json", is_flag=True, help="Print what is acknowledged as JSON.")
@click.pass_obj
def ack(
    context: Context, model: str | None, until: datetime | None, price_only: bool, undo: bool, as_json: bool
) -> None:
    """Acknowledge the end and the prices of MODEL as they are now. Without MODEL, list what is acknowledged.

    No channel is reminded of that end any more, and none hears of a price that is no higher. Another end and a higher
    price are announced, and so is that the model has expired.
    """
    config, now = context.load(), datetime.now(UTC)
    if (given := (until is not None) + price_only + undo) > 1:
        raise UsageError("--until, --price and --undo exclude each other")
    if until is not None and until <= now:
        raise UsageError(f"--until {until:%Y-%m-%d} is not in the future")
    if model is None:
        if given:
            raise UsageError("name the MODEL; `watcher ack` alone lists what is acknowledged")
        with open_session(config) as session:
            known = {name: each for name, each in session.personal.acknowledged().items() if holds(each, now)}
        if as_json:
            print_json([{"model": name, "acknowledged": each} for name, each in known.items()])
        elif not known:
            raise NothingFoundError("nothing is acknowledged")
        else:
            print_table(("model", "acknowledged"), [(visible(name), describe(each)) for name, each in known.items()])
        return
    with open_session(config, writes=True) as session:
        made = None
        if undo:
            if not session.personal.acknowledge(model, None):
                raise UsageError(f"nothing is acknowledged about {visible(model)!r}")
        else:
            ids = [each.id for each in session.history.known()]
            if model not in ids:
                raise UsageError(f"no model {visible(model)!r} was ever seen{did_you_mean(model, ids)}")
            made = acknowledge(session, model, now, until, price_only=price_only)
    if as_json:
        print_json({"model": model, "acknowledged": made})
    elif made is None:
        click.echo(f"{visible(model)}: nothing is acknowledged any more")
    else:
        click.echo(f"{visible(model)}: {describe(made)}")
