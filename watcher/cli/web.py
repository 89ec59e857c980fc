"""`watcher web`: pages, feeds and the models API from our own database, by HTTP."""

import os
import signal

import click
from msgspec.structs import replace

from watcher.cli.arguments import argument
from watcher.cli.setup import Context
from watcher.config.parse import ADDRESS
from watcher.daemon import logs

DEFAULT = "127.0.0.1:8399"


@click.command(epilog="Example: watcher web --listen 127.0.0.1:8399")
@click.option(
    "--listen",
    type=argument(ADDRESS.parse),
    metavar="HOST:PORT",
    help=f"The address; by default [web] listen, or {DEFAULT}. Port 0: any free one.",
)
@click.pass_obj
def web(context: Context, listen: str | None) -> None:
    """Serve pages, feeds and the models API from the database.

    It answers as of now or of any past moment, until stopped. It only reads: `watcher run` or `watcher --check` fills
    the database.
    """
    from watcher.web.server import WebServer

    config = context.load()
    logs.set_up("auto", os.environ, verbose=context.verbose)
    server = WebServer(replace(config, web=replace(config.web, listen=listen or config.web.listen or DEFAULT)))
    # Blocked here and in every thread that is started from here on, they come to `sigwait` alone.
    ending = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    server.start()
    click.echo(f"{server.url}{config.web.prefix}/api/v1")
    signal.sigwait(ending)
    server.stop()
