"""`watcher chart MODEL`: its prices over time."""

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from shutil import get_terminal_size

import click

from watcher.catalog.pricing import PRICING
from watcher.catalog.timeline import Period, Points, price_series, step_lines
from watcher.cli.arguments import when
from watcher.cli.completion import model_ids, price_keys
from watcher.cli.output import did_you_mean, format_time, in_colour, print_json, print_table
from watcher.cli.setup import Context, open_session
from watcher.errors import UsageError
from watcher.messages.prices import label, money, price_text, scale, unit
from watcher.messages.text import visible

_STYLES = (("*", 6), ("o", 3), ("x", 5), ("+", 2), ("#", 4), ("=", 1))
"""Mark and colour (a number of ANSI's) of each price: either tells them apart."""
_HEIGHT, _WIDEST = 22, 100
_TICKS = 7
"""Prices beside the axis at most."""


@click.command(epilog="Example: watcher chart deepseek/deepseek-chat --since 90d")
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
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a picture: a name that ends in .svg or .png. PNG needs the chart extra.",
)
@click.pass_obj
def chart(
    context: Context, model: str, keys: tuple[str, ...], since: datetime | None, as_json: bool, output: Path | None
) -> None:
    """Draw the prices of MODEL (an id) over time. On a pipe they are listed."""
    if output is not None and output.suffix not in (".svg", ".png"):
        raise UsageError(f"{str(output)!r} ends neither in .svg nor in .png")
    with open_session(context.load()) as session:
        periods = [Period(v.valid_from, v.valid_to, v.model.facets) for v in session.history.versions(model)]
        until = session.history.watched_until()
        if not periods or until is None:
            hint = did_you_mean(model, [known.id for known in session.history.known() if known.listed])
            raise UsageError(f"nothing is known of the prices of {visible(model)!r}{hint}")
    if since is not None and since > until:
        raise UsageError(f"nothing is known since then; the last good poll was at {format_time(until)} UTC")
    priced = {path.removeprefix(PRICING) for period in periods for path in period.facets if path.startswith(PRICING)}
    if unpriced := [key for key in keys if key not in priced]:
        have = ", ".join(visible(key) for key in sorted(priced))
        raise UsageError(f"{visible(model)!r} never had a price for {visible(unpriced[0])!r}; it has {have}")
    series = {key: price_series(periods, key, since=since, until=until) for key in keys or ("prompt", "completion")}
    if output is not None:
        _write(output, visible(model), series)
    elif as_json:
        print_json({"model": model, "prices": series})
    elif sys.stdout.isatty():
        _draw(visible(model), series)
    else:
        _list(series)


def _write(output: Path, name: str, series: dict[str, Points]) -> None:
    from watcher.messages.chart import MOST_LINES, series_of, svg
    from watcher.messages.chart import chart as drawn_chart
    from watcher.messages.picture import png

    if len(series) > MOST_LINES or len({unit(key) for key in series}) > 1:
        raise UsageError(f"a picture has at most {MOST_LINES} prices, all of one unit; name some with --price")
    drawn = drawn_chart(f"Prices of {name}", series_of(name, series))
    if drawn is None:
        raise UsageError(f"{name!r} has no price to draw: a picture needs one above zero that held for a while")
    data = png(drawn) if output.suffix == ".png" else svg(drawn, alone=True).encode()
    try:
        output.write_bytes(data)
    except OSError as error:
        raise UsageError(f"cannot write {str(output)!r}: {error.strerror}") from None


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
    plotext.date_form("Y-m-d H:M:S", _date_form(series.values()))
    shown: dict[float, str] = {}
    legend: list[tuple[int, str]] = []
    for at, (key, points) in enumerate(series.items()):
        mark, colour = _STYLES[at % len(_STYLES)]
        lines = step_lines(points)
        for line in lines:
            times = [f"{moment:%Y-%m-%d %H:%M:%S}" for moment, _ in line]
            plotext.plot(times, [float(price) * scale(key) for _, price in line], marker=mark, color=colour)
            shown |= {float(price) * scale(key): money(price * scale(key)) for _, price in line}
        now = next((price for _, price in reversed(points)), None)
        last = "gone" if now is None else price_text(key, now)
        legend.append((colour, f"{mark} {label(key)}: " + (f"{last} now" if lines else "no price that is a number")))
    ticks = _ticks(sorted(shown))
    plotext.yticks(ticks, [shown[tick] for tick in ticks])
    units = {unit(key) for key in series}
    plotext.title(f"{name}: USD {' / '.join(sorted(units))}")
    plotext.plot_size(min(_WIDEST, get_terminal_size().columns), _HEIGHT)
    drawn = plotext.build()
    click.echo(drawn if in_colour() else plotext.uncolorize(drawn))
    for colour, text in legend:
        click.echo(click.style(text, fg=colour) if in_colour() else text)


def _date_form(series: Iterable[Points]) -> str:
    moments = [at for points in series for at, _ in points]
    return "Y-m-d" if moments and max(moments) - min(moments) > timedelta(days=7) else "m-d H:M"


def _ticks(prices: Sequence[float]) -> list[float]:
    """Return the prices to write beside the axis: those that are not too close to one another."""
    chosen: list[float] = []
    for price in prices:
        if not chosen or price - chosen[-1] > (prices[-1] - prices[0]) / _TICKS:
            chosen.append(price)
    return chosen
