"""`.containerignore`, the compose file and the quadlet: they fit the Containerfile and confine what runs."""

import re
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.test_containerfile import ROOT, environment, the

FOLDER = ROOT / "deploy/container"
COMPOSE = FOLDER / "compose.yaml"
SERVICE: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]["watcher"]
QUADLET = [
    tuple(line.split("=", 1))
    for line in (FOLDER / "openrouter-watcher.container").read_text().splitlines()
    if re.match("[A-Z]", line)
]
STATE, CONFIG = environment()["STATE_DIRECTORY"], str(Path(environment()["WATCHER_CONFIG"]).parent)


def quadlet(key: str) -> list[str]:
    return [value for name, value in QUADLET if name == key]


def test_the_builder_gets_what_is_copied_and_nothing_that_could_be_secret() -> None:
    lines = (ROOT / ".containerignore").read_text().splitlines()
    let_in = {line[1:] for line in lines if line.startswith("!")}
    copied = {name.partition("/")[0] for line in the("COPY") if "--from" not in line for name in line.split()[:-1]}
    assert "*" in lines
    assert let_in == copied


def test_compose_builds_this_image_and_mounts_what_it_writes_and_reads() -> None:
    build = SERVICE["build"]
    assert (FOLDER / build["context"] / build["dockerfile"]).resolve() == ROOT / "Containerfile"
    assert [volume.partition(":")[2] for volume in SERVICE["volumes"]] == [STATE, f"{CONFIG}:ro"]


def test_the_quadlet_mounts_the_same() -> None:
    assert [volume.partition(":")[2] for volume in quadlet("Volume")] == [STATE, f"{CONFIG}:ro"]
    assert quadlet("Secret") == SERVICE["secrets"]


def test_both_run_without_privileges_and_wait_for_the_end() -> None:
    from watcher.daemon.main import GRACE

    assert SERVICE["read_only"] is True
    assert SERVICE["cap_drop"] == ["ALL"]
    assert SERVICE["security_opt"] == ["no-new-privileges:true"]
    assert (quadlet("ReadOnly"), quadlet("DropCapability"), quadlet("NoNewPrivileges")) == (["true"], ["all"], ["true"])
    waits = [SERVICE["stop_grace_period"], *quadlet("PodmanArgs")]
    assert [int(re.sub(r"\D", "", wait)) > GRACE.total_seconds() for wait in waits] == [True, True]
