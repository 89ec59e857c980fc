"""`watcher status`: whether the watching works."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click
from msgspec import Struct

from watcher.catalog.health import Health
from watcher.cli.context import Context
from watcher.cli.setup import open_store, with_console
from watcher.cli.table import counted, print_json, sized
from watcher.cli.time_arguments import When, ahead, format_time
from watcher.config import Config
from watcher.store.glance import SLACK
from watcher.store.records import Poll

if TYPE_CHECKING:
    from watcher.store.outbox import Condition

HEALTHY, SOURCE, CHANNEL = 0, 69, 75
_GAPS = 10
"""Lines at most about what cannot be read."""
LONGEST = timedelta(days=2)
"""Whoever watches checks once a day at least; who does so less often says how often."""


class _Found(Struct, frozen=True):
    """What the database tells."""

    last: Poll | None
    last_good: datetime | None
    health: Health
    models: int
    channels: Mapping[str, "Condition"]
    """Those of the configuration, and others that something waits for."""
    size: int
    path: str
    stale: bool
    """Whether the last good poll is too old."""
    failing: Sequence[str]
    """Channels of the configuration that did not take what was sent last."""
    next_poll: datetime | None
    """When `watcher run` polls after the last poll."""
    future: str | None
    """A line about records that lie in the future."""

    @property
    def good(self) -> bool:
        """Whether the source is watched."""
        blind = bool(self.health.gaps.suspect)
        return self.last is not None and self.last.outcome == "good" and not self.stale and not blind

    @property
    def code(self) -> int:
        """The exit code."""
        return SOURCE if not self.good else CHANNEL if self.failing else HEALTHY


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As a JSON object.")
@click.option(
    "--max-age",
    type=When(),
    metavar="WHEN",
    help="Not healthy if the last good poll is older, such as 30m. Default: 2d, or three intervals if that is more.",
)
@click.pass_context
def status(ctx: click.Context, as_json: bool, max_age: datetime | None) -> None:
    """Say how the source, the channels and the database do.

    Exits with 0 only if the last poll was good (and not too old) and every channel took what it was sent last.
    """
    state: Context = ctx.obj
    config = with_console(state.load())
    found = _look(config, max_age)
    if as_json:
        print_json(_document(found))
    else:
        for line in _lines(found, config):
            click.echo(line)
    ctx.exit(found.code)


def _look(config: Config, max_age: datetime | None) -> _Found:
    from watcher.store.outbox import Condition

    last, last_good, health, models, size = None, None, Health(), 0, 0
    conditions = dict[str, Condition]()
    now, future = datetime.now(UTC), None
    with open_store(config, read_only=True) as store:
        path = store.name
        if store.exists:
            with store.reading() as session:
                last, last_good = session.state.last_poll(), session.state.last_good()
                health = session.state.source("list").health
                models = sum(known.present for known in session.history.known())
                conditions = dict(session.outbox.conditions(now))
                future = ahead(session, now)
            size = store.size or 0
    oldest = max_age or now - max(LONGEST, 3 * config.source.interval)
    configured = [channel.name for channel in config.channels]
    others = [name for name, one in sorted(conditions.items()) if one.pending and name not in configured]
    return _Found(
        last=last,
        last_good=last_good,
        health=health,
        models=models,
        channels={name: conditions.get(name, Condition()) for name in (*configured, *others)},
        size=size,
        path=path,
        stale=last_good is None or not oldest <= last_good <= now + SLACK,
        failing=[name for name in configured if name in conditions and conditions[name].fails],
        next_poll=max(last.at + config.source.interval, last.not_before or last.at) if last is not None else None,
        future=future,
    )


def _document(found: _Found) -> dict[str, object]:
    return {
        "healthy": found.code == HEALTHY,
        "last_poll": found.last,
        "last_good": found.last_good,
        "next_poll": found.next_poll,
        "source": found.health,
        "models": found.models,
        "pending": {name: one.pending for name, one in found.channels.items() if one.pending},
        "channels": [
            {
                "name": name,
                "pending": one.pending,
                "last_success": one.last_success,
                "last_failure": one.last_failure,
                "error": one.error,
            }
            for name, one in found.channels.items()
        ],
        "database": {"path": found.path, "bytes": found.size},
    }


def _lines(found: _Found, config: Config) -> Iterator[str]:
    from watcher.messages.text import visible

    last = found.last
    yield from _of_source(found, config)
    gaps = list(found.health.gaps.lines().values())
    yield from (visible(line, 500) for line in gaps[:_GAPS])
    if len(gaps) > _GAPS:
        yield f"and {len(gaps) - _GAPS} more that cannot be read; watcher status --json has them all"
    if last is not None and last.feed:
        yield f"the RSS feed was not used: {visible(last.feed, 500)}"
    if found.next_poll is not None:
        was = "is" if found.next_poll > datetime.now(UTC) else "was"
        yield f"watcher run polls every {_span(config)}: the next poll {was} at {format_time(found.next_poll)} UTC"
    for name, one in found.channels.items():
        yield f"channel {visible(name)}: {'; '.join(_of_channel(one))}"
    if found.future is not None:
        yield found.future
    yield f"database: {sized(found.size)}, {visible(found.path, 500)}"


def _of_source(found: _Found, config: Config) -> Iterator[str]:
    from watcher.messages.text import visible

    last, health = found.last, found.health
    models = counted(found.models, "model")
    good = f"{format_time(found.last_good)} UTC" if found.last_good else "never"
    if last is None:
        yield "never checked; run watcher --check"
        return
    if found.good:
        healthy = "healthy" if not found.failing else "the source is healthy, a channel is not"
        yield f"{healthy}: last checked {format_time(last.at)} UTC, {models}"
        return
    if last.outcome == "good" and health.gaps.suspect:
        fields = ", ".join(field or "the document" for field in health.gaps.suspect)
        yield f"partly blind: last checked {format_time(last.at)} UTC, {models}; {fields} cannot be read of many"
        return
    if last.outcome == "good":
        yield f"not checked since {format_time(last.at)} UTC, {models} then"
        return
    if last.outcome == "refused":
        since = f" since {format_time(health.suspect_since)} UTC" if health.suspect_since else ""
        yield f"the source is not believed{since}: {visible(last.reason, 500)}"
        yield "Nothing is taken from such a poll. One that only lacks many models is believed when the API's"
        yield f"own count confirms it, or when {config.announce.confirm_suspect} polls in a row agree."
    else:
        yield f"the source cannot be read, {_polls(health.failures)}: {visible(last.reason, 500)}"
    yield f"last good poll: {good}; {models} then"


def _of_channel(one: "Condition") -> Iterator[str]:
    from watcher.messages.text import visible

    if one.pending:
        yield _waiting(one.pending)
    if one.fails:
        assert one.last_failure is not None
        yield f"failed {format_time(one.last_failure)} UTC{f': {visible(one.error, 500)}' if one.error else ''}"
    if one.last_success is not None:
        yield f"last sent {format_time(one.last_success)} UTC"
    elif not one.fails:
        yield "no alert sent yet"


def _span(config: Config) -> str:
    from watcher.config.parse import render_duration

    return render_duration(config.source.interval)


def _polls(number: int) -> str:
    return "once" if number == 1 else f"{number} polls in a row"


def _waiting(number: int) -> str:
    return "1 delivery waits" if number == 1 else f"{number} deliveries wait"
