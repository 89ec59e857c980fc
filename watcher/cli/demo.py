"""`watcher demo`: the main job against the pretend OpenRouter, from the first poll to the last alert."""

import sys
from tempfile import TemporaryDirectory

import click

from watcher.cli.setup import sender, with_console
from watcher.config.secret import DatabaseURL, SourceURL
from watcher.config.settings import Config, SourceSettings, StoreSettings
from watcher.cycle import check
from watcher.delivery.outbox import drain
from watcher.simulator import Scene, Simulator, story_by_name, story_scenes
from watcher.store.store import Store
from watcher.upstream.client import Client


@click.command(epilog="Example: watcher demo")
def demo() -> None:
    """Watch a pretend OpenRouter through a short story. Every alert is printed; nothing leaves this machine."""
    from rich.console import Console
    from rich.text import Text

    console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
    story = story_scenes(story_by_name("demo"))
    with TemporaryDirectory() as folder, Simulator(story, port=0) as simulator:
        database = f"sqlite:///{folder}/watcher.db"
        settings = SourceSettings(SourceURL(simulator.url)), StoreSettings(DatabaseURL(database))
        config = with_console(Config(None, *settings))
        console.print(
            Text(f"A pretend OpenRouter listens on {simulator.url}. It is checked once an hour of its story.\n")
        )
        announcements = 0
        with Store.open(database) as store, Client(simulator.url, config.source.query) as source:
            scene: Scene | None = simulator.scene
            while scene is not None:
                now = scene.at
                console.print(Text.assemble((f"{now:%a %H:%M}  ", "bright_black"), (scene.title, "bold")))
                report = check(store, source, config, now=now)
                if report.poll.reason:
                    console.print(Text(f"           not believed: {report.poll.reason}", style="yellow"))
                sent = drain(store, config, sender(config), clock=lambda now=now: now)  # type: ignore[misc]
                announcements += sum(len(message.events) for message in sent)
                if sent:
                    console.print()
                scene = simulator.advance()
    console.print(Text(f"\n{announcements} announcements, each once. No glitch was announced.", style="bold green"))
