"""`watcher --check`: one cycle, and what is due is sent."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from watcher.cli.opening import open_source, open_store, sender, warn, with_console
from watcher.cli.state import State

if TYPE_CHECKING:
    from watcher.alerts.outbox import Attempt
    from watcher.cycle import Report

CHECKED, EVENTS, UNAVAILABLE, PENDING = 0, 1, 69, 75


def check_once(state: State, *, as_json: bool, exit_code: bool, dry_run: bool) -> int:
    """Check once and return the exit code."""
    from watcher.alerts.outbox import drain
    from watcher.cycle import check

    config = with_console(state.load())
    for line in config.warnings:
        warn(line)
    with open_store(config) as store:
        with open_source(config) as source:
            report = check(store, source, config, now=datetime.now(UTC), dry_run=dry_run)
        for line in report.problems:
            warn(line)
        if report.poll.reason:
            warn(report.poll.reason)
        if report.poll.feed:
            warn(f"the RSS feed was not used: {report.poll.feed}")
        attempts: list[Attempt] = []
        if not dry_run:
            attempts = drain(store, config.channels, sender(quiet=as_json), clock=lambda: datetime.now(UTC))
    for attempt in attempts:
        if attempt.state == "pending":
            warn(f"channel {attempt.channel}: {attempt.detail}; it is tried again at the next check")
    if as_json:
        _print_json(report, attempts)
    elif dry_run:
        _print_dry_run(report)
    return _exit_code(report, attempts, exit_code)


def _exit_code(report: "Report", attempts: "Sequence[Attempt]", exit_code: bool) -> int:
    if report.poll.outcome != "good":
        return UNAVAILABLE
    if any(attempt.state == "pending" for attempt in attempts):
        return PENDING
    return EVENTS if exit_code and report.events else CHECKED


def _print_dry_run(report: "Report") -> None:
    import sys

    from watcher.alerts.console import print_events

    print_events(report.events, sys.stdout)
    for channel, ids in report.wanted.items():
        click.echo(f"would be sent to {channel}: {len(ids)} of {len(report.events)} events")


def _print_json(report: "Report", attempts: "Sequence[Attempt]") -> None:
    import msgspec

    deliveries: Sequence[Attempt] | list[Mapping[str, Any]] = attempts
    click.echo(msgspec.json.encode({"poll": report.poll, "events": report.events, "deliveries": deliveries}))
