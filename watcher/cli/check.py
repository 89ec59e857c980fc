"""`watcher --check`: one cycle, and then what is due is sent."""

import logging
import os
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import closing
from datetime import UTC, datetime

import click
from msgspec.structs import replace

from watcher.cli.output import format_count, format_time, print_json, warn
from watcher.cli.setup import Context, open_source, open_store, sender, with_console
from watcher.config.secret import DatabaseURL
from watcher.config.settings import HealthSettings
from watcher.cycle import Report, check
from watcher.daemon.health_ping import Pings
from watcher.delivery.outbox import Attempt, drain
from watcher.errors import BusyError
from watcher.messages.text import visible
from watcher.redaction import redact

CHECKED, EVENTS, UNAVAILABLE, BUG, PENDING = 0, 1, 69, 70, 75


class _WarningHandler(logging.Handler):
    """Prints what is logged as any other warning."""

    def emit(self, record: logging.LogRecord) -> None:
        warn(visible(redact(record.getMessage()), 2000))


def check_once(context: Context, *, as_json: bool, exit_code: bool, dry_run: bool) -> int:
    """Check once and return the exit code."""
    logging.getLogger("watcher").handlers[:] = [_WarningHandler(logging.WARNING)]
    config = with_console(context.load())
    terminal = sys.stderr.isatty()
    if terminal:  # under cron each line would be a mail at every check; `config check` prints them too
        for line in config.warnings:
            warn(line)
    if dry_run and not open_store(config).exists:
        config = replace(config, store=replace(config.store, url=DatabaseURL("sqlite:///:memory:")))
    # Under cron a ping that fails needs no mail: the monitor raises the alarm, and `watcher status` has it.
    with (
        closing(Pings(os.environ, warn if terminal or context.verbose else lambda _line: None)) as pings,
        open_store(config) as store,
    ):
        health = HealthSettings() if dry_run else config.health
        with open_source(config) as source, store.polling(wait=True), pings.around(health) as ping:
            report = check(store, source, config, now=datetime.now(UTC), dry_run=dry_run)
            ping(report.poll)
        if report.decision.baseline and not dry_run:
            store.warn_if_found_empty(report.poll.models or 0)
        for line in report.decision.problems:
            warn(line)
        if report.scan_problem is not None and (terminal or dry_run or context.verbose):
            warn(visible(report.scan_problem, 2000))
        for line in _trouble_lines(report, repeat=terminal or dry_run):
            warn(line)
        attempts: list[Attempt] = []
        busy = False
        failing: Collection[str] = ()
        if not dry_run and not report.idle:
            with store.reading() as session:
                failing = session.outbox.failing()
            try:
                attempts = drain(store, config, sender(config, quiet=as_json), clock=lambda: datetime.now(UTC))
            except BusyError as error:
                busy = True
                warn(str(error))
        if health != HealthSettings():
            pings.close()
            store.note_ping(pings.trouble, datetime.now(UTC))
    pending = {attempt.channel: attempt for attempt in attempts if attempt.state == "pending"}
    for name in dict.fromkeys(attempt.channel for attempt in attempts if attempt.state == "sent"):
        if name in failing and name not in pending:
            warn(f"channel {name}: it works again")
    for attempt in pending.values():
        # Under cron only the beginning and the end: each line would be a mail at every check.
        if terminal or attempt.channel not in failing:
            again = f", not before {format_time(attempt.next_attempt)} UTC" if attempt.next_attempt else ""
            warn(f"channel {attempt.channel}: {attempt.detail}; it is tried again at a later check{again}")
    if report.decision.baseline and not as_json and sys.stdout.isatty():
        click.echo(f"{format_count(report.poll.models or 0, 'model')} taken in; from now on changes are announced")
    if as_json:
        print_json({"poll": report.poll, "events": report.events, "deliveries": attempts})
    elif dry_run:
        from watcher.messages.console import print_events

        print_events(report.events, sys.stdout)
        wanted = Counter(queued.channel for queued in report.decision.deliveries if queued.event.kind != "alive")
        for channel in config.channels:
            click.echo(f"would be sent to {channel.name}: {wanted[channel.name]} of {len(report.events)} events")
    return _exit_code(report, exit_code, pending=busy or bool(pending))


def _trouble_lines(report: Report, *, repeat: bool) -> Iterator[str]:
    """Yield what is wrong with the source; unless `repeat`, only if it begins, because cron mails each line.

    The end of a trouble is a line, too.
    """
    poll, previous = report.poll, report.previous
    before = previous.outcome if previous is not None and previous.reason else None
    feed_was_bad = previous is not None and previous.feed and not previous.reason
    if poll.reason and (repeat or not before):
        yield f"not believed, nothing was taken: {poll.reason}" if poll.outcome == "refused" else poll.reason
    elif before and poll.outcome == "good":
        yield "the source is believed again" if before == "refused" else "the source can be read again"
    if poll.feed and not poll.reason and (repeat or not feed_was_bad):
        yield f"the RSS feed was not used: {poll.feed}"


def _exit_code(report: Report, exit_code: bool, *, pending: bool) -> int:
    if report.bug:
        return BUG
    if report.poll.outcome not in ("good", "overtaken"):
        return UNAVAILABLE
    if pending:
        return PENDING
    return EVENTS if exit_code and report.events else CHECKED
