"""`docs/deploy.md`: its configurations load, and its commands, files and names are those that there are."""

import re
from pathlib import Path

import pytest

from tests.docs.documents import ROOT, text
from watcher.cli import root
from watcher.config import check_config

GUIDE = text("deploy.md")
BLOCKS = [
    (kind, re.sub(r"^ +", "", block, flags=re.MULTILINE))
    for kind, block in re.findall(r"^ *```(\w+)\n(.*?)^ *```$", GUIDE, re.MULTILINE | re.DOTALL)
]


def blocks(kind: str) -> list[str]:
    return [block for one, block in BLOCKS if one == kind]


@pytest.mark.parametrize("block", blocks("toml"))
def test_a_configuration_loads(block: str, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(block.replace("/run/secrets", str(tmp_path)))
    (tmp_path / "team-url").write_text("json://example.org")
    environ = {"HOME": str(tmp_path), "CREDENTIALS_DIRECTORY": str(tmp_path), "WATCHER_TEAM_URL": "json://example.org"}
    config = check_config(file, environ)
    assert [channel.name for channel in config.channels] == ["team"] * block.count("[[channels]]")


def test_every_command_is_one_that_there_is() -> None:
    shell = "\n".join(blocks("sh") + blocks("cron")).replace("\\\n", " ")
    commands = re.findall(r"bin/watcher +((?:--\w+ \S+ +)?)([^\n#]+)", shell)
    assert len(commands) >= 5
    for options, rest in commands:
        words = rest.split()
        with root.make_context("watcher", [*options.split(), *words]) as context:
            if not words[0].startswith("--"):
                assert root.get_command(context, words[0]) is not None


def test_every_file_of_ours_is_there() -> None:
    names = set(re.findall(r"deploy/[\w./-]+\w", GUIDE))
    assert len(names) >= 4
    for name in names:
        assert (ROOT / name).exists() or list(ROOT.glob(f"{name}.*")), name
    told = {Path(name).name for name in names}
    folders = [ROOT / "deploy" / name for name in ("systemd", "github", "container")]
    assert {path.name for folder in folders for path in folder.iterdir()} - {"__pycache__"} <= told


def test_its_numbers_are_those_of_the_program_and_of_the_units() -> None:
    from watcher.daemon.main import GRACE

    assert f"within {GRACE.total_seconds():g} seconds" in GUIDE
    containerfile = (ROOT / "Containerfile").read_text()
    assert "watcher status --max-age 2h" in containerfile
    assert "`watcher status --max-age 2h`" in GUIDE
    assert "WatchdogSec=2min" in (ROOT / "deploy/systemd/openrouter-watcher.service").read_text()
    assert "for two minutes" in GUIDE
