"""`watcher chart MODEL`: its prices over time."""

import sys
from datetime import datetime
from itertools import pairwise

import click

from watcher.catalog.pricing import PRICING
from watcher.catalog.timeline import Period, price_series
from watcher.cli.completion import model_ids, price_keys
from watcher.cli.output import did_you_mean, format_time, print_json, print_table
from watcher.cli.setup import Context, open_store
from watcher.cli.time_arguments import when
from watcher.errors import UsageError
from watcher.messages.prices import label, price_text, scale, unit
from watcher.messages.text import visible

Points = list[tuple[datetime, str | None]]
"""When a price changed, and to what; None: the model was gone."""


@click.command()
@click.argument("model", shell_complete=model_ids)
@click.option(
    "--price",
    "keys",
    multiple=True,
    metavar="KEY",
    shell_complete=price_keys,
    help="Price key; repeatable. Default: prompt, completion.",
)
@click.option("--since", type=when, metavar="WHEN", help="From then on: 2026-01-04, or 90d ago.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON object: key → list of [time, price].")
@click.pass_obj
def chart(context: Context, model: str, keys: tuple[str, ...], since: datetime | None, as_json: bool) -> None:
    """Draw the prices of MODEL (an id) over time. On a pipe they are listed."""
    with open_store(context.load()) as store, store.reading() as session:
        periods = [Period(v.valid_from, v.valid_to, v.model.facets) for v in session.history.versions(model)]
        until = session.history.watched_until()
        if not periods or until is None:
            hint = did_you_mean(model, [known.id for known in session.history.known()])
            raise UsageError(f"nothing is known of the prices of {visible(model)!r}{hint}")
    if since is not None and since > until:
        raise UsageError(f"nothing is known since then; the last good poll was at {format_time(until)} UTC")
    priced = {path.removeprefix(PRICING) for period in periods for path in period.facets if path.startswith(PRICING)}
    if unpriced := [key for key in keys if key not in priced]:
        have = ", ".join(visible(key) for key in sorted(priced))
        raise UsageError(f"{visible(model)!r} never had a price for {visible(unpriced[0])!r}; it has {have}")
    series = {key: price_series(periods, key, since=since, until=until) for key in keys or ("prompt", "completion")}
    if as_json:
        print_json({"model": model, "prices": series})
    elif sys.stdout.isatty():
        _draw(visible(model), series)
    else:
        _list(series)


def _list(series: dict[str, Points]) -> None:
    rows = [
        (format_time(at), label(key), "gone" if price is None else price_text(key, price), unit(key) if price else "")
        for key, points in series.items()
        for at, price in points
    ]
    print_table(("when (UTC)", "price", "is", ""), rows)


def _draw(name: str, series: dict[str, Points]) -> None:
    import plotext

    plotext.clear_figure()
    plotext.theme("clear")
    plotext.date_form("Y-m-d H:M")
    undrawn = []
    for key, points in series.items():
        lines = _step_lines(points)
        for line in lines:
            times = [plotext.datetime_to_string(at) for at, _ in line]
            plotext.plot(times, [price * scale(key) for _, price in line], label=label(key), marker="braille")
        if not lines:
            undrawn.append(key)
    units = {unit(key) for key in series}
    plotext.title(f"{name}: USD {' / '.join(sorted(units))}")
    plotext.plot_size(min(100, plotext.terminal_width() or 100), 22)
    plotext.show()
    for key in undrawn:
        click.echo(f"{label(key)}: no price that is a number")


def _step_lines(points: Points) -> list[list[tuple[datetime, float]]]:
    """Return a line of corners for each stretch with a numeric price: a price holds until the next point."""
    lines: list[list[tuple[datetime, float]]] = []
    drawing = False
    for (at, price), (following, _) in pairwise([*points, points[-1]] if points else []):
        number = _number(price)
        if number is not None:
            if not drawing:
                lines.append([])
            lines[-1] += [(at, number), (following, number)]
        drawing = number is not None
    return lines


def _number(price: str | None) -> float | None:
    try:
        return None if price is None else float(price)
    except ValueError:
        return None
