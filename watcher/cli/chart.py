"""`watcher chart MODEL`: its prices over time."""

import sys
from datetime import datetime
from typing import Any

import click

from watcher.cli.complete import model_ids, price_keys
from watcher.cli.context import Context
from watcher.cli.setup import open_store
from watcher.cli.table import print_json, print_table
from watcher.cli.time_arguments import When, format_time
from watcher.errors import UsageError


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
@click.option("--since", type=When(), metavar="WHEN", help="From then on: 2026-01-04, or 90d ago.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON object: key → list of [time, price].")
@click.pass_obj
def chart(state: Context, model: str, keys: tuple[str, ...], since: datetime | None, as_json: bool) -> None:
    """Draw the prices of MODEL (an id) over time. On a pipe they are listed."""
    from watcher.catalog.pricing import PRICING
    from watcher.catalog.timeline import Period, price_series
    from watcher.cli.similar import did_you_mean
    from watcher.messages.text import visible

    with open_store(state.load()) as store, store.reading() as session:
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


Series = dict[str, list[tuple[datetime, str | None]]]


def _list(series: Series) -> None:
    from watcher.messages.prices import label, price_text, unit

    print_table(
        ("when (UTC)", "price", "is", ""),
        (
            (
                format_time(at),
                label(key),
                "gone" if price is None else price_text(key, price),
                "" if price is None else unit(key),
            )
            for key, points in series.items()
            for at, price in points
        ),
    )


def _draw(name: str, series: Series) -> None:
    import plotext

    from watcher.messages.prices import label, scale, unit

    plotext.clear_figure()
    plotext.theme("clear")
    plotext.date_form("Y-m-d H:M")
    for key, points in series.items():
        for part in _parts(points, scale(key)):
            times, prices = _stairs(part)
            plotext.plot([plotext.datetime_to_string(at) for at in times], prices, label=label(key), marker="braille")
    units = {unit(key) for key in series}
    plotext.title(f"{name}: USD {' / '.join(sorted(units))}")
    plotext.plot_size(min(100, plotext.terminal_width() or 100), 22)
    plotext.show()
    for key, points in series.items():
        if not _parts(points, scale(key)):
            click.echo(f"{label(key)}: no price that is a number")


Point = tuple[datetime, float]


def _parts(points: list[tuple[datetime, str | None]], scale: int) -> list[list[Point]]:
    """Return the stretches in which there was a price that is a number, times `scale`."""
    parts: list[list[Point]] = [[]]
    for at, price in points:
        number = _number(price)
        if number is None:
            if parts[-1]:
                parts[-1].append((at, parts[-1][-1][1]))
                parts.append([])
        else:
            parts[-1].append((at, number * scale))
    return [part for part in parts if part]


def _number(price: str | None) -> float | None:
    try:
        return None if price is None else float(price)
    except ValueError:
        return None


def _stairs(part: list[Point]) -> tuple[list[datetime], list[float]]:
    """Return the corners of the line: a price holds until the next one."""
    times: list[Any] = []
    prices: list[float] = []
    for index, (at, price) in enumerate(part):
        if index:
            times.append(at)
            prices.append(prices[-1])
        times.append(at)
        prices.append(price)
    return times, prices
