"""The workflow for GitHub: its script is run, with a `watcher` that exits as it is told."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

WORKFLOW = Path(__file__).parents[2] / "deploy" / "github" / "openrouter-watcher.yml"


@pytest.fixture(scope="module")
def workflow() -> Any:
    return yaml.safe_load(WORKFLOW.read_text())


@pytest.fixture(scope="module")
def steps(workflow: Any) -> list[dict[str, Any]]:
    return list(workflow["jobs"]["check"]["steps"])


def step(steps: list[dict[str, Any]], **has: str) -> dict[str, Any]:
    (found,) = [step for step in steps if all(str(step.get(key, "")).startswith(value) for key, value in has.items())]
    return found


@pytest.mark.parametrize(("code", "goes_on"), [(0, True), (1, True), (75, True), (69, False), (78, False), (70, False)])
def test_the_check_fails_the_run_only_where_something_is_wrong(
    steps: list[dict[str, Any]], tmp_path: Path, code: int, goes_on: bool
) -> None:
    program = tmp_path / "watcher"
    program.write_text(f'#!/bin/sh\n[ "$*" = "--check --exit-code" ] || exit 99\nexit {code}\n')
    program.chmod(0o755)
    output = tmp_path / "output"
    done = subprocess.run(
        ["bash", "-e", "-c", step(steps, id="check")["run"]],  # as GitHub runs it
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "GITHUB_OUTPUT": str(output)},
        check=False,
    )
    assert done.returncode == (0 if goes_on else code)
    assert output.read_text() == f"code={code}\n"


def test_the_database_is_restored_before_the_check_and_saved_after_it_whatever_it_came_to(
    steps: list[dict[str, Any]],
) -> None:
    restore, check, save = (
        step(steps, uses="actions/cache/restore"),
        step(steps, id="check"),
        step(steps, uses="actions/cache/save"),
    )
    assert steps.index(restore) < steps.index(check) < steps.index(save)
    assert restore["with"]["path"] == save["with"]["path"] == "state"
    assert check["env"]["STATE_DIRECTORY"].endswith("/state")
    assert restore["with"]["key"] == save["with"]["key"]
    assert save["with"]["key"].startswith(restore["with"]["restore-keys"])
    assert "github.run_id" in save["with"]["key"], "a cache is never changed"
    assert "!cancelled()" in save["if"]


def test_it_may_do_little_and_one_at_a_time(workflow: Any) -> None:
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["cancel-in-progress"] is False
    assert workflow["jobs"]["check"]["timeout-minutes"] <= 15
