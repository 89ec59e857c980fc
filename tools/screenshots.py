"""Make the pictures of the documentation again, into a folder: `python -m tools.screenshots docs/images`.

    demo.png         `watcher demo`, its beginning, on a terminal
    mail*.png        all news of the demo's story as one mail: on a desktop, on a phone of 360 points, and in the dark
    changes.png      the page of the same changes

It needs the `dev` extra and a Chromium: `apt-get install chromium`.
"""

import os
import pty
import shutil
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec.structs import replace
from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from watcher.catalog.model import Event
from watcher.config.secret import DatabaseURL, SourceURL
from watcher.config.settings import Config, SourceSettings, StoreSettings, WebSettings
from watcher.cycle import check
from watcher.delivery.mail import page
from watcher.messages.builder import compose
from watcher.messages.document import Format
from watcher.simulator import Scene, Simulator, story_by_name, story_scenes
from watcher.store.store import Store
from watcher.upstream.client import Client
from watcher.web.server import WebServer

MAILS = {"mail.png": (700, "light"), "mail-phone.png": (360, "light"), "mail-dark.png": (360, "dark")}
"""Width and colours of each picture."""
_WINDOW = (1100, 1010)
"""Width and height of the picture of a page."""
_DEMO_LINES = 52
_DEMO_COLUMNS = 88
_DEMO_WIDTH = 850
_TERMINAL = (
    '<!DOCTYPE html><meta charset="utf-8"><body style="margin:0;background:#17191e;color:#e6e6e6">'
    "<pre style=\"margin:0;padding:16px 22px;font:15px/1.3 'DejaVu Sans Mono',monospace\">{code}</pre>"
)
_NORMAL = [(40, 44, 52), (224, 108, 117), (120, 200, 120), (229, 192, 123)]
_NORMAL += [(97, 175, 239), (198, 120, 221), (86, 182, 194), (220, 223, 228)]
_COLOURS = TerminalTheme((23, 25, 30), (230, 230, 230), _NORMAL, [(128, 134, 146), *_NORMAL[1:]])


def main(folder: Path) -> None:
    """Write all pictures into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as temporary, sync_playwright() as playwright:
        config = Config(None, SourceSettings(), StoreSettings(DatabaseURL(f"sqlite:///{temporary}/watcher.db")))
        events = list(demo_events(config))
        mail = page(compose(events, Format.HTML))
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        pictures = {name: (mail, *look) for name, look in MAILS.items()}
        for name, (html, width, colours) in {**pictures, "demo.png": (_terminal(), _DEMO_WIDTH, "dark")}.items():
            view = browser.new_page(viewport={"width": width, "height": 100}, color_scheme=colours)  # type: ignore[arg-type]
            view.set_content(html)
            overflow = view.evaluate("document.documentElement.scrollWidth - innerWidth")
            if overflow > 0:
                raise SystemExit(f"{name}: it is {overflow} points wider than the window")
            view.screenshot(path=folder / name, full_page=True)
            view.close()
        _take_changes(browser, folder / "changes.png", config, events[-1].at)
        browser.close()


def _take_changes(browser: Browser, picture: Path, config: Config, until: datetime) -> None:
    """Take a picture of the page of changes, in the browser of somebody who looks soon after the story."""
    server = WebServer(replace(config, web=WebSettings(listen="127.0.0.1:0")), clock=lambda: until)
    server.start()
    width, height = _WINDOW
    view = browser.new_page(viewport={"width": width, "height": height}, color_scheme="light")
    view.goto(server.url)
    view.screenshot(path=picture)
    view.close()
    server.stop()


def demo_events(config: Config) -> Iterator[Event]:
    """Yield what is announced in the demo's story, and store it."""
    with Simulator(story_scenes(story_by_name("demo")), port=0) as simulator:
        config = replace(config, source=SourceSettings(SourceURL(simulator.url)))
        with Store.open(config.store.url.reveal()) as store, Client(simulator.url, config.source.query) as source:
            scene: Scene | None = simulator.scene
            while scene is not None:
                yield from check(store, source, config, now=scene.at).events
                scene = simulator.advance()


def _terminal() -> str:
    """Return what a terminal shows of the demo, as a page."""
    lines = ["$ watcher demo", *_on_terminal([str(Path(sys.executable).with_name("watcher")), "demo"])]
    console = Console(record=True, width=_DEMO_COLUMNS, file=StringIO(), force_terminal=True)
    console.print(Text.from_ansi("\n".join(line for line in lines if "listens on" not in line)))
    text = console.export_html(theme=_COLOURS, inline_styles=True, code_format=_TERMINAL)
    start, _, end = text.rpartition("</pre>")
    return "\n".join(start.splitlines()[:_DEMO_LINES]) + f"</pre>{end}"


def _on_terminal(command: Sequence[str]) -> list[str]:
    """Return the lines that a command writes to a terminal."""
    written = bytearray()

    def read(terminal: int) -> bytes:
        data = os.read(terminal, 65_536)
        written.extend(data)
        return data

    os.environ |= {"COLUMNS": str(_DEMO_COLUMNS), "TERM": "xterm"}
    stdout = os.dup(1)
    with Path(os.devnull).open("w") as nowhere:  # pty copies the output to ours
        os.dup2(nowhere.fileno(), 1)
        try:
            pty.spawn(list(command), read)
        finally:
            os.dup2(stdout, 1)
    return written.decode(errors="replace").replace("\r", "").splitlines()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
