"""`watcher run`: watch until told to stop."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from watcher.cli.context import Context
from watcher.cli.setup import sender, with_console
from watcher.config import Config, check_config
from watcher.config.settings import Channel
from watcher.errors import WatcherError

if TYPE_CHECKING:
    from watcher.catalog.model import Event
    from watcher.delivery.channel import Result
    from watcher.upstream.client import Client

AT_ONCE = 130
"""Exit code after a second signal, as of any program that is interrupted."""


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
    from logging import getLogger

    from watcher.daemon import logs

    state: Context = ctx.obj
    logs.set_up(style, os.environ, verbose=state.verbose)  # type: ignore[arg-type]
    try:
        finished = _watch(state)
    except WatcherError as error:
        for line in str(error).splitlines():
            getLogger("watcher").error("%s", line, exc_info=state.verbose)
        ctx.exit(error.exit_code)
    if not finished:
        _leave(0)


def _watch(state: Context) -> bool:
    from watcher.daemon.loop import Daemon
    from watcher.daemon.systemd import Notify
    from watcher.daemon.wake import Wake, seconds_awake_or_not
    from watcher.memory import settle_in

    setting = _Setting(state)
    with Wake() as wake:
        hung_up: list[bool] = []
        for number in (signal.SIGTERM, signal.SIGINT):  # the daemon is not there yet, and so nothing is in hand
            wake.on(number, lambda: _leave(0))
        wake.on(signal.SIGHUP, lambda: hung_up.append(True))
        wake.on(signal.SIGUSR1, lambda: None)  # the first poll is at once
        config = setting.load()
        daemon = Daemon(
            setting,
            config,
            wake,
            Notify(os.environ),
            clock=lambda: datetime.now(UTC),
            elapsed=seconds_awake_or_not,
            awake=time.monotonic,
        )

        def stop() -> None:
            if daemon.stopping:
                _leave(AT_ONCE)
            daemon.stop()

        wake.on(signal.SIGTERM, stop)
        wake.on(signal.SIGINT, stop)
        wake.on(signal.SIGHUP, daemon.reload)
        wake.on(signal.SIGUSR1, daemon.poll_now)
        if hung_up:  # the file may have changed after it was read
            daemon.reload()
        _prepare_apart(config)
        settle_in()
        return daemon.run()


def _prepare_apart(config: Config) -> None:
    """Have a child make or migrate the database where that is due: Alembic would stay in this process's memory, 10 MB.

    What is wrong with the database is told when it is opened here.
    """
    from watcher.store.store import Store

    store = Store(config.store.url.reveal())
    if not hasattr(os, "fork") or (not store.shared and store.glance(datetime.now(UTC)) is not None):
        return
    child = os.fork()
    if child == 0:
        try:
            with store.reading():
                pass
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def _leave(code: int) -> NoReturn:
    """End now: the interpreter's own end would wait for the threads that send."""
    os._exit(code)


class _Setting:
    """The world as the command line and the environment give it."""

    def __init__(self, state: Context) -> None:
        self._state = state
        self._path: Path | None = None

    def load(self) -> Config:
        from watcher.delivery.channel import check_url
        from watcher.messages.template import check_channel

        self._path = self._path or self._state.find()  # a file that is gone is a mistake, not a wish for another one
        config = check_config(self._path, os.environ, check_url, check_channel)
        self.source(config).close()  # its address and its key
        return with_console(config)

    def source(self, config: Config) -> "Client":
        from watcher.upstream.client import Client
        from watcher.upstream.key import find_api_key

        key = find_api_key(os.environ, config.source.api_key_file)
        return Client(config.source.url.reveal(), config.source.query, api_key=key)

    def sender(self, config: Config) -> "Callable[[Channel, Sequence[Event]], Result]":
        return sender(config)
