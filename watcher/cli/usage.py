"""`watcher usage import FILE`: how many tokens of each model are used in a month."""

from io import BufferedReader

import click

from watcher.cli.output import format_count, print_json, print_table, warn
from watcher.cli.setup import Context, open_session
from watcher.errors import NothingFoundError
from watcher.messages.prices import count
from watcher.messages.text import visible
from watcher.mine.usage import MONTH, monthly, read_activity

_NAMED = 20
"""Unknown models that are named."""


@click.group(epilog="Example: watcher usage import activity.csv")
def usage() -> None:
    """Tell the watcher how many tokens you use.

    With that, alerts can say what a change of price costs you.
    """


@usage.command("import", epilog="Example: watcher usage import activity.csv")
@click.argument("file", type=click.File("rb"))
@click.option("--json", "as_json", is_flag=True, help="Print what was imported as JSON.")
@click.pass_obj
def import_usage(context: Context, file: BufferedReader, as_json: bool) -> None:
    """Take the tokens of a month from FILE, in place of those of the last import; `-` is standard input.

    FILE is the CSV of OpenRouter's activity page, or the JSON of its activity call (GET /api/v1/activity). Its days are
    scaled to 30. Nothing but sums is stored. What [mine] tokens says of a model counts first.
    """
    config = context.load()
    activity = read_activity(file)
    with open_session(config, writes=True) as session:
        tokens, unknown = monthly(activity, session.state.model_states())
        if not tokens:
            names = ", ".join(visible(name) for name in unknown[:5])
            raise NothingFoundError(f"no model in the file is known here ({names}); nothing was imported")
        session.personal.replace_usage(tokens)
    for name in unknown[:_NAMED]:
        warn(f"{visible(name)}: no such model is known; left out")
    if len(unknown) > _NAMED:
        warn(f"so are {format_count(len(unknown) - _NAMED, 'more name')}")
    if as_json:
        print_json({"days": activity.days, "tokens": tokens, "unknown": unknown})
        return
    rows = [
        (visible(model), *(count(number) for number in (of.prompt, of.completion, of.cached, of.requests)))
        for model, of in sorted(tokens.items())
    ]
    columns = ("model", "prompt", "completion", "cached", "requests")
    print_table(columns, rows, right=columns[1:])
    scaled = "" if activity.days == MONTH else f", scaled to {MONTH} days"
    click.echo(f"{format_count(len(tokens), 'model')} from {format_count(activity.days, 'day')} of activity{scaled}")
