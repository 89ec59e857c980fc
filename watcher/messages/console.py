"""Events on a terminal: colour and a table of prices; on a pipe the plain text of a message.

Imported only when events are printed, since rich takes long to import.
"""

from collections.abc import Sequence
from datetime import UTC
from typing import IO

from msgspec import UNSET
from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from watcher.catalog.model import Event
from watcher.catalog.price import FREE
from watcher.messages import prices
from watcher.messages.builder import compose, kind_heading, reference
from watcher.messages.cards import cards
from watcher.messages.document import Format, Line
from watcher.messages.headline import by_kind, headline_of
from watcher.messages.text import clean
from watcher.messages.wording import item_of

_STYLES = {
    "plain": "",
    "strong": "bold",
    "code": "cyan",
    "price": "",
    "muted": "bright_black",
    "good": "green",
    "bad": "red",
}


def print_events(events: Sequence[Event], output: IO[str]) -> None:
    """Print the events: in colour and with tables on a terminal, as plain text elsewhere. No events print nothing."""
    if not events:
        return
    if not output.isatty():
        message = compose(events, Format.TEXT)
        output.write(f"{message.title}\n\n{message.body}")
        return
    console = Console(file=output)
    found = cards(events)
    console.print(Panel(Text(headline_of(found), style="bold"), border_style="cyan", expand=False))
    for kind, same in by_kind(found):
        console.print()
        console.print(Text(kind_heading(kind, len(same)), style="bold underline"))
        for card in same:
            item = item_of(card, UTC, with_prices=False)
            console.print()
            console.print(_rich(item.head))
            for event in card.news:
                if event.prices and event.provider is UNSET:
                    console.print(Padding(_price_table(event), (0, 0, 0, 2)))
            for line in item.lines:
                console.print(Padding(_rich(line), (0, 0, 0, 2)))
    console.print()
    console.print(Text(reference([event for card in found for event in card.events]), style="bright_black"))


def _rich(spans: Line) -> Text:
    """Return the spans as rich text, in which nothing is read as rich's markup."""
    return Text.assemble(*((span.text, _STYLES[span.style]) for span in spans))


def _price_table(event: Event) -> Table:
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
