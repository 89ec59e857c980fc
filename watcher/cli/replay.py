"""`watcher replay ARCHIVE…`: what would have been announced on recorded snapshots, under your own configuration."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from itertools import groupby

import click

from watcher.catalog.decision import Decision
from watcher.catalog.model import KINDS, Event
from watcher.cli.output import format_count, format_time, print_json, print_table, progress, warn
from watcher.cli.setup import Context, read_archives, with_console
from watcher.config import Config
from watcher.messages.headline import headline
from watcher.replay import Replay


@click.command()
@click.argument("archives", metavar="ARCHIVE…", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="One event a line, in order.")
@click.pass_obj
def replay(context: Context, archives: tuple[str, ...], as_json: bool) -> None:
    """Show what would be announced on recorded snapshots. Their times are the clock. Nothing is sent or stored.

    An ARCHIVE is a folder or tar file of response bodies named by their UTC time, or git+PATH#FILE.
    """
    config = with_console(context.load())
    decisions = _decisions(config, archives)
    if as_json:
        for _, decision in decisions:
            for event in decision.events:
                print_json(event)
        return
    _report(config, decisions)


def _decisions(config: Config, archives: tuple[str, ...]) -> Iterator[tuple[datetime, Decision]]:
    captures = groupby(read_archives(archives, warn), key=lambda capture: capture.at)
    each_time_once = (next(same) for _, same in captures)
    for at, decision in Replay(config).run(progress(each_time_once, "snapshots")):
        for problem in decision.problems:
            warn(f"{format_time(at)}: {problem}")
        if decision.reason:
            warn(f"{format_time(at)}: not believed: {decision.reason}")
        yield at, decision


def _report(config: Config, decisions: Iterator[tuple[datetime, Decision]]) -> None:
    messages = Counter[str]()
    days: dict[str, Counter[str]] = {}
    captures = 0
    for at, decision in decisions:
        captures += 1
        days.setdefault(f"{at:%Y-%m-%d}", Counter()).update(event.kind for event in decision.events)
        sent: dict[str, list[Event]] = {}
        for queued in decision.deliveries:
            if queued.event.kind != "alive":
                sent.setdefault(queued.channel, []).append(queued.event)
        messages.update(sent.keys())
        for name, events in sent.items():
            click.echo(f"{format_time(at)}  {name}: {headline(events)}")
    total = sum(days.values(), Counter[str]())
    kinds = [kind for kind in KINDS if total[kind]]
    rows = [(day, *(str(counts[kind] or "") for kind in kinds), str(counts.total())) for day, counts in days.items()]
    rows.append(("total", *(str(total[kind]) for kind in kinds), str(total.total())))
    click.echo()
    print_table(("day", *kinds, "events"), rows, right=(*kinds, "events"))
    click.echo()
    click.echo(f"{captures} snapshots")
    for channel in config.channels:
        click.echo(f"{channel.name}: {format_count(messages[channel.name], 'message')}")
