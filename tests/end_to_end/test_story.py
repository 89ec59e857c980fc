"""The five minutes of `README.md`, as they stand there: from nothing to an alert.

Only what is not on this machine is another: installing gives this very program, the source is the simulator, and the
two addresses lead to receivers of the test.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.command import clean_environment
from testkit.receivers import MailServer, Sink
from tests.docs.test_readme import blocks
from watcher.simulator import Simulator, story_by_name, story_scenes

ROOT = Path(__file__).parents[2]
PYTHON = """#!/bin/sh
# What `python3 -m venv FOLDER` makes: a pip that installs nothing, and the command.
[ "$1 $2" = "-m venv" ] || exit 9
mkdir -p "$3/bin"
printf '#!/bin/sh\\n[ "$*" = "install -c constraints.txt ." ]\\n' > "$3/bin/pip"
printf '#!/bin/sh\\nexec "{program}" -m watcher "$@"\\n' > "$3/bin/watcher"
chmod +x "$3/bin/pip" "$3/bin/watcher"
"""


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(story_scenes(story_by_name("demo"))) as simulator:
        yield simulator


def test_from_nothing_to_an_alert(simulator: Simulator, sink: Sink, mail_server: MailServer, tmp_path: Path) -> None:
    home, tools = tmp_path / "home", tmp_path / "tools"
    home.mkdir()
    tools.mkdir()
    (tools / "python3").write_text(PYTHON.format(program=sys.executable))
    (tools / "python3").chmod(0o755)
    path = f"{home}/.local/bin:{tools}:{os.environ['PATH']}"
    environ = {**clean_environment(), "HOME": str(home), "PATH": path}

    def type_in(lines: str) -> tuple[str, str]:
        done = subprocess.run(
            ["bash", "-euc", lines], cwd=home, env=environ, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, (lines, done)
        return done.stdout, done.stderr

    _, install, ask = blocks("sh")
    said = type_in(install)
    file = home / ".config/openrouter-watcher/config.toml"
    assert said == ("", f"{file}: written; now name a channel in it and run `watcher config check`\n")

    (channels,) = blocks("toml")
    text = file.read_text() + channels
    text = text.replace("\n[source]\n", f'\n[source]\nurl = "{simulator.url}"\n')
    for told, here in (
        ("https://hooks.slack.com/services/T000/B000/XXXX", f"json://{sink.address}/hook"),
        (
            "mailtos://ann%40example.org:app-password@example.org?smtp=smtp.example.org&to=ann@example.org",
            mail_server.url,
        ),
    ):
        assert text.count(told) == 1
        text = text.replace(told, here)
    file.write_text(text)

    out, err = type_in(ask)
    assert err == ""
    assert out.splitlines() == [
        f"{file}: ok",
        "channels: team, me",
        "interval: 5m",
        f"database: {home}/.local/state/openrouter-watcher/watcher.db",
        "team: ok: sent",
        "me: ok: sent",
    ]
    assert "This is a test" in mail_server.text()
    assert "This is a test" in sink.json()["message"]
    assert type_in("watcher status")[0].startswith("healthy: ")

    while simulator.scene.title != "GPT-5.2-Codex appears; DeepSeek's night rate begins, as it does every day":
        simulator.advance()
    (cron,) = blocks("cron")
    assert type_in(cron.split(maxsplit=5)[5]) == ("", "")
    assert sink.json()["title"] == "New: GPT-5.2-Codex"
    assert (len(sink.requests), len(mail_server.envelopes)) == (2, 1)
