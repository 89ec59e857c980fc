"""`watcher run`: watch until told to stop."""

import os
from logging import getLogger
from pathlib import Path
from typing import TYPE_CHECKING

import click

from watcher.cli.context import Context
from watcher.cli.setup import sender, with_console
from watcher.config import check_config
from watcher.errors import WatcherError

if TYPE_CHECKING:
    from watcher.daemon.setup import Setup


@click.command()
@click.option(
    "--log",
    "style",
    type=click.Choice(["auto", "human", "journal", "json"]),
    default="auto",
    show_default=True,
    help="How log lines look; auto is journal under systemd.",
)
@click.pass_context
def run(ctx: click.Context, style: str) -> None:
    """Watch until SIGTERM or SIGINT. The source is polled at its interval, and what is due is sent.

    SIGHUP reads the configuration anew: a wrong one is told of, and the old one stays. SIGUSR1 polls now.
    """
    from watcher.daemon import logs
    from watcher.daemon.clock import Clock
    from watcher.daemon.health_ping import Pings
    from watcher.daemon.main import Daemon, handle_signals, leave
    from watcher.daemon.systemd import Notify

    state: Context = ctx.obj
    logs.set_up(style, os.environ, verbose=state.verbose)  # type: ignore[arg-type]
    log = getLogger("watcher")
    path: Path | None = None

    def load() -> "Setup":
        nonlocal path
        path = path or state.find()  # a file that is gone at a reload is a mistake, not a wish for another one
        return _load(path)

    daemon = Daemon(load, Notify(os.environ), Pings(os.environ, log.warning), Clock())
    handle_signals(daemon)
    try:
        finished = daemon.run()
    except WatcherError as error:
        for line in str(error).splitlines():
            log.error("%s", line, exc_info=state.verbose)
        ctx.exit(error.exit_code)
    if not finished:
        leave(0)


def _load(path: Path | None) -> "Setup":
    from watcher.daemon.setup import Setup
    from watcher.delivery.channel import check_url
    from watcher.messages.template import check_channel
    from watcher.store.store import Store
    from watcher.upstream.client import Client
    from watcher.upstream.key import find_api_key

    config = with_console(check_config(path, os.environ, check_url, check_channel))
    key = find_api_key(os.environ, config.source.api_key_file)
    client = Client(config.source.url.reveal(), config.source.query, api_key=key)
    return Setup(config, client, Store(config.store.url.reveal()), sender(config))
