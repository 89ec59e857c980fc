"""`watcher scan`: states, formats and exit codes."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from testkit.command import CommandResult, Watcher
from tests.mine.conftest import KEPT, SIBLING, remember
from tests.store.samples import Polls
from watcher.store.store import Store

CODE = """# OpenRouter
A = "openai/kept"
B = "openai/gone:free"
C = "google/ending"
D = "qwen/dearer"
E = "~openai/latest"
F = "openai/kpet-1"
"""


def scan(watcher: Watcher, *options: str, code: str = CODE) -> CommandResult:
    (watcher.folder / "src").mkdir(exist_ok=True)
    (watcher.folder / "src/app.py").write_text(code)
    return watcher.run_here("scan", "src", *options)


def states(watcher: Watcher, *options: str) -> dict[str, str]:
    return {hit["id"]: hit["state"] for hit in scan(watcher, "--format", "json", *options).json["hits"]}


def test_each_id_is_told_with_its_place_its_state_and_what_to_use_instead(filled: Watcher) -> None:
    done = scan(filled)
    lines = done.out.splitlines()
    assert (done.code, done.err) == (0, "")
    assert [line.split()[:2] for line in lines[1:7]] == [
        ["src/app.py:2", "openai/kept"],
        ["src/app.py:3", "openai/gone:free"],
        ["src/app.py:4", "google/ending"],
        ["src/app.py:5", "qwen/dearer"],
        ["src/app.py:6", "~openai/latest"],
        ["src/app.py:7", "openai/kpet-1"],
    ]
    says = [line.split(maxsplit=2)[2] for line in lines[1:7]]
    assert says[0] == "there"
    assert says[1].startswith("gone since ") and says[1].endswith(
        "; use openai/gone (a variant of the same model; prompt ×3, completion ×1)"
    )
    assert says[2].startswith("expires on ") and says[2].endswith(", in 9 days")
    assert says[3].startswith("prompt: $1 → $1.50/M  ↑ +50% since ")
    assert says[4].startswith("stands for openai/gone now, for openai/kept on ")
    assert says[5] == "no model with this id was ever known"
    assert lines[-1] == "6 ids in 1 file: 1 there, 1 gone, 1 expiring, 1 repriced, 1 moved, 1 unknown"


def test_the_moment_to_compare_with_can_be_chosen(filled: Watcher) -> None:
    assert states(filled)["qwen/dearer"] == "repriced"
    assert states(filled, "--since", "25h")["qwen/dearer"] == "there"
    assert states(filled, "--since", "25h")["~openai/latest"] == "there"
    assert states(filled, "--since", "90d")["qwen/dearer"] == "there", "nothing is known of that time"


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ("gone", 1),
        ("unknown", 1),
        ("expiring", 1),
        ("expiring=9d", 1),
        ("expiring=8d", 0),
        ("repriced", 1),
        ("repriced=50%", 1),
        ("repriced=51%", 0),
        ("repriced=51%,expiring=1d", 0),
        ("repriced=51%,gone", 1),
    ],
)
def test_what_to_fail_on_decides_the_exit_code(filled: Watcher, condition: str, code: int) -> None:
    assert scan(filled, "--fail-on", condition).code == code
    kept = scan(filled, "--fail-on", condition, code='"openai/kept"')
    assert kept.code == 0


@pytest.mark.parametrize("condition", ["", "gne", "expiring=soon", "gone=1", "repriced=x", "repriced=200%"])
def test_a_wrong_condition_is_named(filled: Watcher, condition: str) -> None:
    done = scan(filled, "--fail-on", condition)
    assert (done.code, done.out) == (64, "") and "--fail-on" in done.err


def test_a_price_that_fell_is_nothing_to_fail_on(watcher: Watcher) -> None:
    cheaper = {**KEPT, "pricing": {"prompt": "0.000001", "completion": "0.000004"}}
    remember(watcher, {40 * 24: [KEPT], 1: [cheaper]})
    assert states(watcher)["openai/kept"] == "repriced"
    assert scan(watcher, "--fail-on", "repriced").code == 0


def test_a_tier_that_begins_to_be_published_is_no_reprice(watcher: Watcher) -> None:
    tier = {"min_prompt_tokens": 200_000, "prompt": "0.000009"}
    remember(watcher, {40 * 24: [KEPT], 1: [{**KEPT, "pricing": {**KEPT["pricing"], "overrides": [tier]}}]})
    assert states(watcher)["openai/kept"] == "there"


def test_a_model_that_only_the_last_poll_lacks_is_not_gone(watcher: Watcher) -> None:
    with Store.open(f"sqlite:///{watcher.folder / 'w.db'}") as store:
        now, polls = datetime.now(UTC), Polls(store)
        polls.see(KEPT, SIBLING, at=now - timedelta(hours=2))
        polls.see(SIBLING, at=now - timedelta(hours=1))
        assert scan(watcher, "--fail-on", "gone").code == 0
        polls.see(SIBLING, at=now)
    assert scan(watcher, "--fail-on", "gone").code == 1


def test_without_todays_models_there_is_no_answer(watcher: Watcher) -> None:
    (watcher.folder / "src").mkdir()
    for options in ([], ["--fail-on", "gone"]):
        done = scan(watcher, *options)
        assert (done.code, done.out) == (69, "") and "there is no database" in done.err
    watcher.run_here("db", "upgrade")
    (watcher.folder / "w.db").touch()
    remember(watcher, {60: [KEPT], 50: [KEPT]})
    done = scan(watcher)
    assert (done.code, done.out) == (69, "") and "run `watcher --check` first" in done.err
    assert scan(watcher, "--max-age", "3d").code == 0


def test_a_scan_that_could_not_look_at_everything_says_so(filled: Watcher) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(filled.folder)
        Path("src").mkdir()
        for name in ["src", *["d" * 250] * 20]:
            Path(name).mkdir(exist_ok=True)
            os.chdir(name)
    done = scan(filled, "--fail-on", "gone", code='"openai/kept"')
    assert done.code == 66 and "File name too long" in done.err
    assert scan(filled, code='"openai/kept"').code == 0
    assert scan(filled, "--fail-on", "gone").code == 1
    found = scan(filled, "--format", "json").json
    assert found["complete"] is False and "File name too long" in found["problems"][0]
    assert "::warning::cannot be read (File name too long): src/dddd" in scan(filled, "--format", "github").out
    (invocation,) = scan(filled, "--format", "sarif").json["runs"][0]["invocations"]
    assert invocation["executionSuccessful"] is False


def test_what_is_left_out_is_said(watcher: Watcher) -> None:
    remember(watcher, {1: [{**KEPT, "hugging_face_id": "openai/Kept"}]})
    done = scan(watcher, code='"openai/kept"')
    assert (
        done.out == "0 ids in 1 file\n"
        and "left out: openai/kept; nothing there says that OpenRouter is meant" in done.err
    )
    assert scan(watcher, "--format", "json", code='"openai/kept"').json["left_out"] == ["openai/kept"]


def test_workflow_commands_are_escaped(filled: Watcher) -> None:
    name = filled.folder / "src" / "a,b:c%\n.py"
    name.parent.mkdir()
    name.write_text('"openai/gone:free"\n"openai/kept"\n"qwen/dearer"')
    lines = scan(filled, "--format", "github", "--fail-on", "gone", code="").out.splitlines()
    path = "src/a%2Cb%3Ac%25%0A.py"
    assert lines[0].startswith(f"::error file={path},line=1,title=openai/gone%3Afree::openai/gone:free: gone since ")
    assert lines[1].startswith(f"::notice file={path},line=3,title=qwen/dearer::qwen/dearer: prompt: ")
    assert "+50%25 since" in lines[1] and len(lines) == 2
    name.rename(name.with_name("a\x1b[31m\u202e.py"))
    (line, _) = scan(filled, "--format", "github", code="").out.splitlines()
    assert line.isprintable(), "a name cannot colour or reverse what a log shows"
    assert line.startswith("::warning file=")


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties}


_TEXT = _object(["text"], text={"type": "string", "minLength": 1})
_LEVEL = {"enum": ["none", "note", "warning", "error"]}
_PLACE = _object(
    ["artifactLocation", "region"],
    artifactLocation=_object(["uri"], uri={"type": "string", "pattern": "^[!-~]+$"}),
    region=_object(["startLine"], startLine={"type": "integer", "minimum": 1}),
)
SARIF = _object(
    ["version", "runs"],
    version={"const": "2.1.0"},
    runs={
        "items": _object(
            ["tool", "results"],
            tool=_object(["driver"], driver=_object(["name", "rules"], name={"type": "string"})),
            results={
                "items": _object(
                    ["ruleId", "ruleIndex", "level", "message", "locations", "partialFingerprints"],
                    ruleIndex={"type": "integer", "minimum": 0},
                    level=_LEVEL,
                    message=_TEXT,
                    locations={"minItems": 1, "items": _object(["physicalLocation"], physicalLocation=_PLACE)},
                )
            },
        )
    },
)
"""What GitHub's code scanning needs of SARIF. Output was held against the whole schema of the standard by hand."""


def test_sarif_has_what_code_scanning_needs(filled: Watcher) -> None:
    document = json.loads(scan(filled, "--format", "sarif", "--fail-on", "gone").out)
    jsonschema.validate(document, SARIF)
    (run,) = document["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in run["results"])
    levels = {result["ruleId"]: result["level"] for result in run["results"]}
    assert levels == {"gone": "error", "expiring": "warning", "repriced": "note", "moved": "note", "unknown": "note"}


def test_a_path_in_sarif_is_a_uri(filled: Watcher) -> None:
    (filled.folder / "src").mkdir()
    (filled.folder / "src/ä b%.py").write_text('"openai/gone:free"')
    (result,) = scan(filled, "--format", "sarif", code="").json["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "src/%C3%A4%20b%25.py"}, "region": {"startLine": 1}}


def test_a_path_that_is_not_there_is_a_mistake_of_usage(filled: Watcher) -> None:
    done = filled.run_here("scan", "nowhere")
    assert (done.code, done.out) == (64, "") and "nowhere" in done.err
    assert filled.run_here("scan").code == 64
    done = scan(filled, "--exclude", "!")
    assert done.code == 64 and "--exclude" in done.err
