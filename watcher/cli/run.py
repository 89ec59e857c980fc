"""`watcher run`: watch until stopped."""

import os
from logging import getLogger
from pathlib import Path

import click

from watcher.cli.setup import Context, open_source, open_store, sender, with_console
from watcher.config import check_config
from watcher.daemon import logs
from watcher.daemon.clock import Clock
from watcher.daemon.health_ping import Pings
from watcher.daemon.main import Daemon, handle_signals, leave
from watcher.daemon.setup import Setup
from watcher.daemon.systemd import Notify
from watcher.delivery.channel import check_url
from watcher.errors import WatcherError
from watcher.messages.template import check_channel


@click.command(epilog="Example: watcher run --log json")
@click.option(
    "--log",
    "style",
    type=click.Choice(["auto", "human", "journal", "json"]),
    default="auto",
    show_default=True,
    help="How log lines look; auto is journal under systemd.",
)
@click.pass_obj
def run(context: Context, style: str) -> int:
    """Watch until SIGTERM or SIGINT. The source is polled at its interval, and what is due is sent.

    SIGHUP reloads the configuration; if it is wrong, the mistakes are logged and the old one stays. SIGUSR1 polls now.
    """
    logs.set_up(style, os.environ, verbose=context.verbose)  # type: ignore[arg-type]
    log = getLogger("watcher")
    path: Path | None = None

    def load() -> Setup:
        nonlocal path
        path = path or context.find_config()  # a file that disappears before a reload is an error; no other is used
        config = with_console(check_config(path, os.environ, check_url, check_channel))
        return Setup(config, open_source(config), open_store(config, runs=True), sender(config))

    daemon = Daemon(load, Notify(os.environ), Pings(os.environ, log.warning), Clock())
    handle_signals(daemon)
    try:
        finished = daemon.run()
    except WatcherError as error:
        for line in str(error).splitlines():
            log.error("%s", line, exc_info=context.verbose)
        return error.exit_code
    if not finished:
        leave(0)
    return 0
