"""`README.md`: its configuration loads, its commands are there, and a line of cron is one."""

import re
from pathlib import Path

from click import Group

from tests.docs.documents import ROOT
from watcher.cli import root
from watcher.config import check_config

BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)


def blocks(kind: str) -> list[str]:
    return [block for one, block in BLOCKS if one == kind]


def test_the_configuration_loads_without_a_warning(tmp_path: Path) -> None:
    (block,) = blocks("toml")
    file = tmp_path / "config.toml"
    file.touch(0o600)
    file.write_text(block)
    config = check_config(file, {"HOME": str(tmp_path)})
    assert [channel.name for channel in config.channels] == ["team", "me"]
    assert config.warnings == ()


def test_every_command_is_one_that_there_is() -> None:
    lines = [line.partition("    #")[0] for block in blocks("sh") + blocks("cron") for line in block.splitlines()]
    called = [match[1].split() for line in lines if (match := re.search(r"(?:^|bin/)watcher( .+)", line))]
    assert len(called) >= 5
    for words in called:
        with root.make_context("watcher", [*words]) as context:
            command = None if words[0].startswith("--") else root.get_command(context, words[0])
            if isinstance(command, Group) and len(words) > 1:
                assert command.get_command(context, words[1]) is not None, words


def test_every_target_of_make_is_one() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    told = {match[1] for block in blocks("sh") for match in re.finditer(r"^make (\S+)", block, re.MULTILINE)}
    assert {"demo", "test"} <= told <= targets
