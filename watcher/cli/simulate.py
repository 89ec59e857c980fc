"""`watcher simulate`: the pretend OpenRouter, to try things against."""

import signal
import threading

import click

from watcher.cli.output import warn
from watcher.simulator import Scene, Simulator, recorded_scenes, story_by_name, story_scenes
from watcher.upstream.archive import read_archive


@click.command(epilog="Example: watcher simulate --story demo --every 60")
@click.option(
    "--port", type=click.IntRange(0, 65535), metavar="N", default=8400, show_default=True, help="0: any free port."
)
@click.option("--archive", metavar="ARCHIVE", help="Serve recorded snapshots, a step at a time.")
@click.option("--story", metavar="NAME", help="Serve a built-in story: demo (default), quiet.")
@click.option(
    "--every", type=click.FloatRange(0.05, 86_400), metavar="SECONDS", help="Go to the next step after so many seconds."
)
def simulate(port: int, archive: str | None, story: str | None, every: float | None) -> None:
    """Serve a pretend OpenRouter on 127.0.0.1 until stopped.

    POST /simulator/advance goes to the next step; PUT /simulator/fault switches a fault on, DELETE off.
    """
    if archive is not None and story is not None:
        raise click.UsageError("--archive and --story exclude each other.")
    if archive is not None:
        scenes = recorded_scenes((capture.at, capture.body) for capture in read_archive(archive, on_problem=warn))
    else:
        scenes = story_scenes(story_by_name(story or "demo"))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Simulator(scenes, port=port) as simulator:
        click.echo(simulator.url)
        _print_scene(simulator.scene)
        stopped = threading.Event()
        while not stopped.wait(every):
            scene = simulator.advance()
            if scene is None:
                click.echo("That was the last step.", err=True)
                every = None
            else:
                _print_scene(scene)


def _print_scene(scene: Scene) -> None:
    click.echo(f"{scene.at:%Y-%m-%d %H:%M} UTC  {scene.title}", err=True)
