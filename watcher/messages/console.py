"""Events on a terminal: colour and a table of prices; on a pipe the plain text of a message."""

from collections.abc import Sequence
from typing import IO, TYPE_CHECKING

from watcher.catalog.model import Event
from watcher.catalog.price import FREE
from watcher.messages import prices
from watcher.messages.builder import by_kind, compose, in_order, kind_heading, reference
from watcher.messages.document import Format, Line
from watcher.messages.headline import headline
from watcher.messages.text import clean
from watcher.messages.wording import item_of

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

_STYLES = {"plain": "", "strong": "bold", "code": "cyan", "muted": "bright_black", "good": "green", "bad": "red"}


def print_events(events: Sequence[Event], output: IO[str]) -> None:
    """Print the events: in colour and with tables on a terminal, as plain text elsewhere. No events print nothing."""
    if not events:
        return
    if not output.isatty():
        message = compose(events, Format.TEXT)
        output.write(f"{message.title}\n\n{message.body}")
        return
    from rich.console import Console
    from rich.padding import Padding
    from rich.panel import Panel
    from rich.text import Text

    console = Console(file=output)
    console.print(Panel(Text(headline(events), style="bold"), border_style="cyan", expand=False))
    ordered = in_order(events)
    for kind, same in by_kind(ordered):
        console.print()
        console.print(Text(kind_heading(kind, len(same)), style="bold underline"))
        for event in same:
            item = item_of(event, with_prices=False)
            console.print()
            console.print(_rich(item.head))
            below: list[Table | Text] = [_price_table(event)] if event.prices else []
            for part in (*below, *map(_rich, item.lines)):
                console.print(Padding(part, (0, 0, 0, 2)))
    console.print()
    console.print(Text(reference(ordered), style="bright_black"))


def _rich(spans: Line) -> "Text":
    """Return the spans as rich text, in which nothing is read as rich's markup."""
    from rich.text import Text

    return Text.assemble(*((span.text, _STYLES[span.style]) for span in spans))


def _price_table(event: Event) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bright_black")
    table.add_column("price")
    for name in ("old", "new", "change"):
        table.add_column(name, justify="right")
    table.add_column("")
    for key in prices.keys_to_show(event.prices):
        change = event.prices[key]
        style = "" if change.change is None else "green" if change.change.startswith("-") else "red"
        if change.new == FREE:
            style = "green"
        table.add_row(
            Text(clean(prices.label(key))),
            Text(prices.price_text(key, change.old)),
            Text(prices.price_text(key, change.new), style=f"bold {style}".strip()),
            Text(prices.percentage(change.change) if change.change else "", style=style),
            Text(prices.unit(key), style="bright_black"),
        )
    return table
