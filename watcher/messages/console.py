"""Events on a terminal: colour and a table of prices; on a pipe the plain text of a message."""

from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any, cast

from watcher.catalog.model import Event
from watcher.messages import prices
from watcher.messages.builder import blocks_of, compose
from watcher.messages.document import Format, Heading, Item, Line, Note
from watcher.messages.headline import headline
from watcher.messages.text import clean

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

_STYLES = {"plain": "", "strong": "bold", "code": "cyan", "muted": "bright_black", "good": "green", "bad": "red"}


def print_events(events: Sequence[Event], output: "Console | IO[str]") -> None:
    """Print the events to a rich console or a text stream; nothing is printed when there are none.

    A terminal gets colour and tables, anything else (a pipe, a file) plain text.
    """
    if not events:
        return
    if not _is_terminal(output):
        message = compose(events, Format.TEXT)
        _stream(output).write(f"{message.title}\n\n{message.body}")
        return
    from rich.console import Console

    console = output if isinstance(output, Console) else Console(file=output)
    _print_rich(events, console)


def _is_terminal(output: "Console | IO[str]") -> bool:
    return bool(output.is_terminal) if hasattr(output, "is_terminal") else output.isatty()


def _stream(output: "Console | IO[str]") -> IO[str]:
    stream: Any = output
    return cast("IO[str]", getattr(stream, "file", stream))


def _print_rich(events: Sequence[Event], console: "Console") -> None:
    from rich.padding import Padding
    from rich.panel import Panel
    from rich.text import Text

    console.print(Panel(Text(headline(events), style="bold"), border_style="cyan", expand=False))
    for block, event in blocks_of(events, with_prices=False):
        match block:
            case Heading(text):
                console.print()
                console.print(Text(text, style="bold underline"))
            case Note(text):
                console.print()
                console.print(Text(text, style="bright_black"))
            case Item(head, lines):
                console.print()
                console.print(_line(head))
                if event is not None and event.prices:
                    console.print(Padding(_price_table(event), (0, 0, 0, 2)))
                for line in lines:
                    console.print(Padding(_line(line), (0, 0, 0, 2)))


def _line(spans: Line) -> "Text":
    """Return the spans as rich text: given so, nothing in them is read as rich's markup."""
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
    for key in prices.in_order(event.prices):
        if prices.is_shown_by_window(key, event.prices):
            continue
        change = event.prices[key]
        style = "" if change.change is None else "green" if change.change.startswith("-") else "red"
        if change.new is not None and prices.is_free(change.new):
            style = "green"
        table.add_row(
            Text(clean(prices.label(key))),
            Text(prices.price_text(key, change.old)),
            Text(prices.price_text(key, change.new), style=f"bold {style}".strip()),
            Text(prices.percentage(change.change) if change.change else "", style=style),
            Text(prices.unit(key), style="bright_black"),
        )
    return table
