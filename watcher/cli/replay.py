"""`watcher replay ARCHIVE…`: what would have been announced on recorded snapshots, under your own configuration."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby
from pathlib import Path

import click

from watcher.catalog.decision import Decision
from watcher.catalog.model import KINDS
from watcher.cli.output import format_count, format_time, print_json, print_table, warn
from watcher.cli.setup import Context, read_archives, with_console
from watcher.config import Config, load_config
from watcher.errors import UsageError
from watcher.messages.headline import headline
from watcher.replay import Message, Outbox, Replay
from watcher.upstream.archive import Capture


@click.command(epilog="Example: watcher replay snapshots.tar.xz")
@click.argument("archives", metavar="ARCHIVE…", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="One event a line, in order.")
@click.option(
    "--compare",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Show what another configuration would announce and send, side by side with this one.",
)
@click.pass_obj
def replay(context: Context, archives: tuple[str, ...], as_json: bool, compare: Path | None) -> None:
    """Show what would be announced on recorded snapshots. Their times are the clock. Nothing is sent or stored.

    An ARCHIVE is a folder or tar file of response bodies named by their UTC time, or git+PATH#FILE.
    """
    if as_json and compare is not None:
        raise UsageError("--json and --compare exclude each other")
    run = _Run(with_console(context.load()))
    other = _Run(with_console(load_config(compare, os.environ))) if compare is not None else None
    for _, same in groupby(read_archives(archives, warn), key=lambda capture: capture.at):
        capture = next(same)
        sent, decision = run.step(capture)
        _warn(capture.at, decision)
        if other is not None:
            other.step(capture)
        elif as_json:
            for event in decision.events:
                print_json(event)
        else:
            _print_messages(sent)
    sent = run.finish()
    if other is not None:
        other.finish()
        print_table(("", run.name, other.name), _compare(run, other), right=(run.name, other.name))
    elif not as_json:
        _print_messages(sent)
        _report(run)


class _Run:
    """One configuration over the snapshots: its decisions and messages, counted."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.name = str(config.path or "defaults")
        self.outbox = Outbox(config.channels)
        self.messages: list[Message] = []
        self.days: dict[str, Counter[str]] = {}
        """Day → kind → events."""
        self.captures = 0
        self._replay = Replay(config)
        self._last: datetime | None = None

    @property
    def total(self) -> Counter[str]:
        """Kind → events."""
        return sum(self.days.values(), Counter[str]())

    def messages_to(self, channel: str) -> int:
        """Return how many messages went to a channel."""
        return sum(message.channel == channel for message in self.messages)

    def step(self, capture: Capture) -> tuple[list[Message], Decision]:
        """Send what is due before the snapshot, and decide about it."""
        sent = self._send_before(capture.at)
        decision = self._replay.step(capture)
        self.outbox.add(decision.deliveries)
        self.captures += 1
        self.days.setdefault(f"{capture.at:%Y-%m-%d}", Counter()).update(event.kind for event in decision.events)
        self._last = capture.at
        return sent, decision

    def finish(self) -> list[Message]:
        """Send what is due at the last snapshot; what is due later waits."""
        return self._send_before(self._last + datetime.resolution) if self._last is not None else []

    def _send_before(self, end: datetime) -> list[Message]:
        sent = self.outbox.send_before(end)
        self.messages += sent
        return sent


def _warn(at: datetime, decision: Decision) -> None:
    for problem in decision.problems:
        warn(f"{format_time(at)}: {problem}")
    if decision.reason:
        warn(f"{format_time(at)}: not believed: {decision.reason}")


def _print_messages(messages: Iterable[Message]) -> None:
    for message in messages:
        click.echo(f"{format_time(message.at)}  {message.channel}: {headline(message.events)}")


def _report(run: _Run) -> None:
    total = run.total
    kinds = [kind for kind in KINDS if total[kind]]
    rows = [
        (day, *(str(counts[kind] or "") for kind in kinds), str(counts.total())) for day, counts in run.days.items()
    ]
    rows.append(("total", *(str(total[kind]) for kind in kinds), str(total.total())))
    click.echo()
    print_table(("day", *kinds, "events"), rows, right=(*kinds, "events"))
    click.echo()
    click.echo(f"{run.captures} snapshots")
    for channel in run.config.channels:
        waiting = len(run.outbox.waiting[channel.name])
        rest = f"; {format_count(waiting, 'event')} would go later" if waiting else ""
        click.echo(f"{channel.name}: {format_count(run.messages_to(channel.name), 'message')}{rest}")


def _compare(*runs: _Run) -> Iterator[tuple[str, ...]]:
    """Yield rows: events by kind, then messages by channel."""
    totals = [run.total for run in runs]
    for kind in KINDS:
        if any(total[kind] for total in totals):
            yield kind, *(str(total[kind]) for total in totals)
    yield "events", *(str(total.total()) for total in totals)
    for name in dict.fromkeys(channel.name for run in runs for channel in run.config.channels):
        yield f"messages to {name}", *(str(run.messages_to(name)) for run in runs)
    by_day = (Counter(f"{message.at:%Y-%m-%d}" for message in run.messages) for run in runs)
    yield "most in a day", *(str(max(counts.values(), default=0)) for counts in by_day)
