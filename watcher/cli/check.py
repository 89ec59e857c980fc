"""`watcher --check`: one cycle, and what is due is sent."""

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from watcher.cli.context import Context
from watcher.cli.setup import open_source, open_store, sender, tell_log, warn, with_console
from watcher.cli.table import counted, print_json
from watcher.cli.time_arguments import format_time
from watcher.config.secret import DatabaseURL
from watcher.config.settings import HealthSettings

if TYPE_CHECKING:
    from watcher.cycle import Report
    from watcher.delivery.outbox import Attempt

CHECKED, EVENTS, UNAVAILABLE, BUG, PENDING = 0, 1, 69, 70, 75


def check_once(state: Context, *, as_json: bool, exit_code: bool, dry_run: bool) -> int:
    """Check once and return the exit code."""
    from watcher.cycle import check
    from watcher.daemon.health_ping import Pings
    from watcher.delivery.outbox import drain
    from watcher.store.store import Store

    tell_log()
    terminal = sys.stderr.isatty()  # under cron each line is a mail at every check, and the monitor raises the alarm
    tell = warn if terminal else lambda _line: None
    config = with_console(state.load())
    if terminal:  # `config check` says it too
        for line in config.warnings:
            warn(line)
    if dry_run and not Store(config.store.url.reveal()).exists:
        config = replace(config, store=replace(config.store, url=DatabaseURL("sqlite:///:memory:")))
    with Pings(os.environ, tell) as pings, open_store(config) as store:
        health = HealthSettings() if dry_run else config.health
        with open_source(config) as source, store.polling(wait=True), pings.around(health) as ping:
            report = check(store, source, config, now=datetime.now(UTC), dry_run=dry_run)
            ping(report.poll)
        if report.baseline and not dry_run:
            store.warn_if_found_empty(report.poll.models or 0)
        for line in report.problems:
            warn(line)
        if report.poll.reason:
            warn(report.poll.reason)
        if report.poll.feed:
            warn(f"the RSS feed was not used: {report.poll.feed}")
        attempts: list[Attempt] = []
        if not dry_run and not report.idle:
            attempts = drain(store, config, sender(config, quiet=as_json), clock=lambda: datetime.now(UTC))
    for attempt in attempts:
        if attempt.state == "pending":
            again = f", not before {format_time(attempt.next_attempt)} UTC" if attempt.next_attempt else ""
            warn(f"channel {attempt.channel}: {attempt.detail}; it is tried again at a later check{again}")
    if report.baseline and not as_json and sys.stdout.isatty():
        click.echo(f"{counted(report.poll.models or 0, 'model')} taken in; from now on changes are announced")
    if as_json:
        print_json({"poll": report.poll, "events": report.events, "deliveries": attempts})
    elif dry_run:
        _print_dry_run(report)
    return _exit_code(report, attempts, exit_code)


def _exit_code(report: "Report", attempts: "Sequence[Attempt]", exit_code: bool) -> int:
    if report.bug:
        return BUG
    if report.poll.outcome not in ("good", "overtaken"):
        return UNAVAILABLE
    if any(attempt.state == "pending" for attempt in attempts):
        return PENDING
    return EVENTS if exit_code and report.events else CHECKED


def _print_dry_run(report: "Report") -> None:
    from watcher.messages.console import print_events

    print_events(report.events, sys.stdout)
    for channel, ids in report.wanted.items():
        click.echo(f"would be sent to {channel}: {len(ids)} of {len(report.events)} events")
