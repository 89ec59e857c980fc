"""`Containerfile`: what it copies is there, what it runs exists, and it does not run as root."""

import shlex
import tomllib
from pathlib import Path

from watcher.cli import root
from watcher.config.find import default_store_url

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "Containerfile").read_text().replace("\\\n", " ")
INSTRUCTIONS = [tuple(line.split(maxsplit=1)) for line in TEXT.splitlines() if line and not line.startswith("#")]


def the(instruction: str) -> list[str]:
    """What stands behind each instruction of a kind."""
    return [rest for name, rest in INSTRUCTIONS if name == instruction]


def environment() -> dict[str, str]:
    return dict(word.split("=", 1) for line in the("ENV") for word in shlex.split(line))


def test_what_is_copied_is_there_and_all_that_is_built() -> None:
    copied = {name for line in the("COPY") if "--from" not in line for name in line.split()[:-1]}
    assert all((ROOT / name).exists() for name in copied)
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    packed = {*wheel["packages"], *wheel["force-include"], *(str(Path(one).parent) for one in wheel["shared-data"])}
    assert {*packed, "pyproject.toml", "README.md", "LICENSE", "constraints.txt"} <= copied


def test_it_runs_as_nobody_of_importance_after_all_that_takes_root() -> None:
    (user,) = the("USER")
    number, group = map(int, user.split(":"))
    assert min(number, group) >= 1000
    names = [name for name, _ in INSTRUCTIONS]
    assert "RUN" not in names[names.index("USER") :]


def test_it_writes_to_its_volume_alone() -> None:
    (volume,) = the("VOLUME")
    assert default_store_url(environment()) == f"sqlite:///{volume}/watcher.db"
    made = "\n".join(the("RUN"))
    (user,) = the("USER")
    number, group = user.split(":")
    assert f"install -d -m 0700 -o {number} -g {group} {volume}" in made
    assert environment()["WATCHER_CONFIG"] in made, "without one mounted the defaults hold"
    assert environment()["PYTHONDONTWRITEBYTECODE"] == "1"


def test_its_threads_share_one_heap_as_in_the_unit() -> None:
    assert environment()["MALLOC_ARENA_MAX"] == "1"


def test_its_commands_are_ours() -> None:
    (entry,), (command,), (health,) = the("ENTRYPOINT"), the("CMD"), the("HEALTHCHECK")
    assert (entry, command) == ('["watcher"]', '["run"]')
    checked = health.partition("CMD ")[2].partition(" || ")[0].split()
    assert checked[:2] == ["watcher", "status"]
    with root.make_context("watcher", ["run"]) as context:
        found = root.get_command(context, "status")
        assert found is not None
        with found.make_context("status", checked[2:], parent=context):
            pass


def test_it_comes_from_no_registry_by_name() -> None:
    assert all("/" not in line.split()[0] for line in the("FROM"))
