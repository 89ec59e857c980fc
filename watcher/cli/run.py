"""`watcher run`: watch until told to stop."""

import os
import signal
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from watcher.cli.opening import sender, with_console
from watcher.cli.state import State
from watcher.config import Config, check_config
from watcher.config.settings import Channel

if TYPE_CHECKING:
    from watcher.alerts.channel import Result
    from watcher.catalog.model import Event
    from watcher.upstream.client import Client


@click.command()
@click.option(
    "--log",
    "style",
    type=click.Choice(["auto", "human", "journal", "json"]),
    default="auto",
    show_default=True,
    help="How log lines look; auto is journal under systemd.",
)
@click.pass_obj
def run(state: State, style: str) -> None:
    """Poll the source at its interval and send what is due, until SIGTERM or SIGINT.

    SIGHUP reads the configuration anew: a wrong one is told of, and the old one stays. SIGUSR1 polls now.
    """
    from watcher import logs
    from watcher.daemon import Daemon
    from watcher.systemd import Notify
    from watcher.wake import Wake, seconds_awake_or_not

    logs.set_up(style, os.environ, verbose=state.verbose)  # type: ignore[arg-type]
    setting = _Setting(state)
    config = setting.load()
    notify = Notify(os.environ)
    with Wake() as wake:
        daemon = Daemon(setting, config, wake, notify, clock=lambda: datetime.now(UTC), elapsed=seconds_awake_or_not)
        wake.on(signal.SIGTERM, daemon.stop)
        wake.on(signal.SIGINT, daemon.stop)
        wake.on(signal.SIGHUP, daemon.reload)
        wake.on(signal.SIGUSR1, daemon.poll_now)
        daemon.run()


class _Setting:
    """The world as the command line and the environment give it."""

    def __init__(self, state: State) -> None:
        self._state = state

    def load(self) -> Config:
        from watcher.alerts.channel import check_url
        from watcher.upstream.key import find_api_key

        config = check_config(self._state.find(), os.environ, check_url)
        find_api_key(os.environ, config.source.api_key_file)
        return with_console(config)

    def source(self, config: Config) -> "Client":
        from watcher.upstream.client import Client
        from watcher.upstream.key import find_api_key

        key = find_api_key(os.environ, config.source.api_key_file)
        return Client(config.source.url, config.source.query, api_key=key)

    def sender(self, config: Config) -> "Callable[[Channel, Sequence[Event]], Result]":
        return sender(config)
