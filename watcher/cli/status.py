"""`watcher status`: whether the watching works."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
from msgspec.structs import asdict

from watcher.catalog.health import Health
from watcher.cli.arguments import when
from watcher.cli.output import format_count, format_size, format_time, print_json
from watcher.cli.setup import Context, describe_future, open_store, with_console
from watcher.config import Config
from watcher.config.parse import render_duration
from watcher.errors import WatcherError
from watcher.messages.text import visible
from watcher.status import CHANNEL, HEALTHY, SOURCE, Status, read_status
from watcher.store.records import Poll

if TYPE_CHECKING:
    from watcher.store.outbox import Condition

_MONITORS = {HEALTHY: (0, "OK"), CHANNEL: (1, "WARNING"), SOURCE: (2, "CRITICAL")}
"""Exit code and word that Nagios and its kin expect."""
_MOST_GAPS = 10
"""Lines at most about fields that cannot be read."""


@click.command(epilog="Example: watcher status --max-age 30m")
@click.option("--json", "as_json", is_flag=True, help="As a JSON object.")
@click.option(
    "--max-age",
    type=when,
    metavar="WHEN",
    help="Not healthy if the last good poll is older, such as 30m. Default: 2d, or three intervals if that is more.",
)
@click.option(
    "--nagios", is_flag=True, help="For a monitor: exit with 1 if a channel fails, 2 if the source does, 3 if unknown."
)
@click.pass_obj
def status(context: Context, as_json: bool, max_age: datetime | None, nagios: bool) -> int:
    """Show whether the source, the channels and the database work.

    Exits with 0 only if the last poll was good and recent, and the last message to every channel was delivered.
    """
    try:
        return _show(context, as_json, max_age, nagios)
    except WatcherError as error:
        if not nagios:
            raise
        click.echo(f"WATCHER UNKNOWN - {visible(error, 500)}")
        return 3


def _show(context: Context, as_json: bool, max_age: datetime | None, nagios: bool) -> int:
    config = with_console(context.load())
    now = datetime.now(UTC)
    with open_store(config, read_only=True) as store:
        if store.exists:
            with store.reading() as session:
                found = read_status(store, session, config, now, max_age)
                future = describe_future(session, now)
        else:
            found, future = read_status(store, None, config, now), None
    code = found.works
    if as_json:
        document = {
            **found.as_json(),
            "pending": {name: one.pending for name, one in found.channels.items() if one.pending},
            "channels": [{"name": name, **asdict(one)} for name, one in found.channels.items()],
            "endpoints_failing": found.failing,
            "database": {"path": found.database, "bytes": found.size or 0},
        }
        print_json(document)
        return _MONITORS[code][0] if nagios else code
    lines = list(_source_lines(found, config))
    if found.next_poll is not None and found.runs:
        every, was = render_duration(config.source.interval), "is" if found.next_poll > now else "was"
        lines.append(f"watcher run polls every {every}: the next poll {was} at {format_time(found.next_poll)} UTC")
    lines += [f"channel {visible(name)}: {'; '.join(_channel_parts(one))}" for name, one in found.channels.items()]
    if found.ping is not None:
        since, reason = found.ping
        lines.append(f"the health ping is not taken since {format_time(since)} UTC: {visible(reason, 500)}")
    for model, error in list(found.failing.items())[:1]:
        more = f" (and {len(found.failing) - 1} more)" if len(found.failing) > 1 else ""
        lines.append(f"the endpoints of {visible(model)} were not read{more}: {visible(error, 500)}")
    lines += [] if future is None else [future]
    size = "none yet" if found.size is None else format_size(found.size)
    lines.append(f"database: {size}, {visible(found.database, 500)}")
    if nagios:  # what follows a | would be figures
        lines = [f"WATCHER {_MONITORS[code][1]} - {lines[0]}", *lines[1:]]
        lines, code = [line.replace("|", "/") for line in lines], _MONITORS[code][0]
    for line in lines:
        click.echo(line)
    return code


def _source_lines(found: Status, config: Config) -> Iterator[str]:
    """Yield whether the source works, then which fields cannot be read."""
    last, health = found.last, found.health
    if last is None:
        yield f"{'no database yet' if found.size is None else 'never checked'}; run watcher --check"
        yield "last good poll: never"
        return
    models, at = format_count(found.models, "model"), f"{format_time(last.at)} UTC"
    if found.works != SOURCE:
        healthy = "healthy" if found.works == HEALTHY else "the source is healthy, a channel is not"
        yield f"{healthy}: last checked {at}, {models}"
    elif last.outcome == "good" and health.gaps.suspect:
        fields = ", ".join(field or "the document" for field in health.gaps.suspect)
        yield f"partly blind: last checked {at}, {models}; {fields} cannot be read of many"
    elif last.outcome == "good":
        yield f"not checked since {at}, {models} then"
    else:
        yield from _trouble_lines(last, health, config)
        good = f"{format_time(found.last_good)} UTC" if found.last_good else "never"
        yield f"last good poll: {good}; {models} then"
    gaps = list(health.gaps.lines().values())
    yield from (visible(line, 500) for line in gaps[:_MOST_GAPS])
    if len(gaps) > _MOST_GAPS:
        yield f"and {len(gaps) - _MOST_GAPS} more that cannot be read; watcher status --json has them all"
    if last.feed:
        yield f"the RSS feed was not used: {visible(last.feed, 500)}"


def _trouble_lines(last: Poll, health: Health, config: Config) -> Iterator[str]:
    reason = visible(last.reason, 500)
    if last.outcome == "refused":
        since = f" since {format_time(health.suspect_since)} UTC" if health.suspect_since else ""
        yield f"the source is not believed{since}: {reason}"
        agree = f"when {config.announce.confirm_suspect} polls in a row agree."
        count = "" if config.source.account else "when the API's\nown count confirms it, or "
        yield f"Nothing is taken from such a poll. One that only lacks many models is believed {count}{agree}"
    else:
        times = "once" if health.failures == 1 else f"{health.failures} polls in a row"
        yield f"the source cannot be read, {times}: {reason}"


def _channel_parts(one: "Condition") -> Iterator[str]:
    if one.pending:
        yield "1 delivery waits" if one.pending == 1 else f"{one.pending} deliveries wait"
    if one.fails:
        assert one.last_failure is not None
        yield f"failed {format_time(one.last_failure)} UTC{f': {visible(one.error, 500)}' if one.error else ''}"
    if one.last_success is not None:
        yield f"last sent: {format_time(one.last_success)} UTC"
    elif not one.fails:
        yield "last sent: never"
