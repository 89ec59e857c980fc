"""Listings in a terminal: ids stay whole at every width, numbers are alike, a chart can be read."""

import json
import re
from collections.abc import Mapping
from io import TextIOWrapper
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from rich.cells import cell_len

from testkit.command import Command, Watcher, clean_environment, run_here
from tests.end_to_end.captures import record
from tests.end_to_end.test_processes import without_colours
from tests.store.samples import document

LONG = "cognitivecomputations/dolphin-mistral-24b-venice-edition:free"
NIGHT = [
    {"utc_start": 1630, "utc_end": 30, "prompt": "0.000001", "completion": "0.000002"},
    {"utc_start": 30, "utc_end": 1630, "prompt": "0.000003", "completion": "0.000004"},
]
PARAMETERS = [f"parameter_number_{n:02}" for n in range(40)]


def models(hour: int) -> list[Mapping[str, Any]]:
    later = hour >= 2
    return [
        document(LONG, "0", pricing={"prompt": "0", "completion": "0"}, context_length=1048576 if later else 131072),
        document("a/cheap", "0.000001" if later else "0.000002", context_length=200000, created=100),
        document("a/night", "0.000003", pricing={"prompt": "0.000003", "completion": "0.000004", "overrides": NIGHT}),
        document(
            "b/picture",
            "0.00001",
            created=300,
            architecture={"input_modalities": ["text", "image"], "output_modalities": ["text"]},
            supported_parameters=[*PARAMETERS, *(["seed"] if later else [])],
        ),
        document("~b/latest", "0.00001", created=200, alias_target={"slug": "b/picture" if later else "a/cheap"}),
        document("c/auto", pricing={"prompt": "-1", "completion": "-1"}),
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    watcher = Watcher(tmp_path_factory.mktemp("listings"))
    watcher.configure('[store]\nurl = "sqlite:///w.db"\n[announce]\nsettle = "0s"\n')
    captures = record(watcher.folder / "captures", {float(hour): models(hour) for hour in range(4)})
    assert watcher.run_here("import", str(captures)).code == 0
    return watcher.folder


@pytest.fixture
def past(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(folder)
    return Command(folder)


class _Terminal(TextIOWrapper):
    def isatty(self) -> bool:
        return True


def shown(past: Command, *arguments: str, columns: int = 80, colour: bool = False) -> str:
    """Return what the command prints where stdout is a terminal of that width; test_processes has real ones."""
    env = {**clean_environment(), "COLUMNS": str(columns), "TERM": "xterm", "NO_COLOR": "" if colour else "1"}
    with patch("testkit.command.TextIOWrapper", _Terminal):
        ran = run_here(past.folder, *arguments, env=env)
    assert ran.code == 0, ran.out
    assert colour or "\x1b" not in ran.out, "NO_COLOR"
    return ran.out


def listed(past: Command, *arguments: str) -> list[str]:
    return [model["id"] for model in json.loads(past.run("models", *arguments, "--json").out)]


@pytest.mark.parametrize("columns", [80, 120])
def test_ids_are_whole_whatever_the_width(past: Command, columns: int) -> None:
    events = json.loads(past.run("changes", "--json").out)
    assert len(events) == 4
    changes = shown(past, "changes", columns=columns)
    for event in events:
        assert event["id"] in changes
        assert event["model"] in changes.split()
    for arguments in (("models",), ("changes",), ("show", "~b/latest")):
        out = shown(past, *arguments, columns=columns)
        assert all(cell_len(line) <= columns for line in out.splitlines() if "Name of" not in line), out
        assert LONG in out.split() or arguments[-1] == "~b/latest"


def test_names_and_the_time_of_day_give_way_first(past: Command) -> None:
    assert "Name of cognitivecomputations" in shown(past, "models", columns=200)
    assert "Name of" not in shown(past, "models", columns=80)
    assert re.search(r"2026-01-04 \d\d:\d\d", shown(past, "changes", "--kind", "repriced", columns=120))
    assert not re.search(r"2026-01-04 \d\d:\d\d", shown(past, "changes", columns=80))


def test_changes_tells_what_changed_from_what_to_what(past: Command) -> None:
    said = " ".join(past.run("changes").out.split())
    assert "context length: 131,072 → " in said
    assert "prompt: $2 → $1" in said
    assert "supported parameters: +seed" in said
    assert "was" not in said
    assert "alias target: a/cheap → b/picture" in said


def test_an_event_that_is_listed_can_be_rendered(past: Command) -> None:
    (line,) = past.run("changes", "--model", "a/cheap").out.splitlines()[1:]
    assert "Name of a/cheap" in past.run("render", "--event", line.split()[2]).out


def test_show_has_the_target_of_an_alias_and_every_parameter(past: Command) -> None:
    assert re.search(r"^points to +b/picture$", past.run("show", "~b/latest").out, re.MULTILINE)
    for out in (past.run("show", "b/picture").out, shown(past, "show", "b/picture", columns=60)):
        assert set(PARAMETERS) <= set(re.findall(r"\w+", out))
        assert re.search(r"changed +supported parameters: \+seed", out)
    assert re.search(r"^context length +200K$", past.run("show", "a/cheap").out, re.MULTILINE)
    history = json.loads(past.run("show", "~b/latest", "--json").out)["history"]
    assert history[-1]["what"] == "changed"
    assert history[-1]["fields"] == {"alias_target": {"old": "a/cheap", "new": "b/picture"}}


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        (("--free",), [LONG]),
        (("*:free",), [LONG]),
        (("--max-price", "1"), ["a/cheap", "a/night", LONG]),
        (("--max-price", "$3", "a/*"), ["a/cheap", "a/night"]),
        (("--min-context", "200K"), ["a/cheap", LONG]),
        (("--min-context", "200,001"), [LONG]),
        (("--modality", "Image"), ["b/picture"]),
        (("--parameter", "seed", "--parameter", "parameter_number_00"), ["b/picture"]),
        (("--sort", "price"), [LONG, "a/cheap", "a/night", "b/picture", "~b/latest", "c/auto"]),
        (("--sort", "context", "--min-context", "200K"), [LONG, "a/cheap"]),
        (("--sort", "newest", "?/[plc]*"), ["b/picture", "~b/latest", "a/cheap"]),
        (("--sort", "name", "b/"), ["b/picture", "~b/latest"]),
    ],
    ids=str,
)
def test_models_can_be_narrowed_and_sorted(past: Command, arguments: tuple[str, ...], ids: list[str]) -> None:
    found = listed(past, *arguments)
    assert found == ids


@pytest.mark.parametrize(
    "wrong", [("--max-price", "cheap"), ("--max-price", "-1"), ("--min-context", "1G"), ("--sort", "x")]
)
def test_models_refuses_what_it_does_not_know(past: Command, wrong: tuple[str, str]) -> None:
    code, out, err = past.run("models", *wrong)
    assert (code, out, len(err.splitlines())) == (64, "", 1)
    assert wrong[1] in err


# charts


def test_a_chart_can_be_read_without_colours(past: Command) -> None:
    *drawing, prompt, completion = shown(past, "chart", "a/cheap").splitlines()
    assert (prompt, completion) == ("* prompt: $1 now", "o completion: $4 now")
    canvas = [line.partition("┤")[2] or line.partition("│")[2] for line in drawing]
    marks = [re.sub("[^*o]", "", line) for line in canvas]
    assert all(len(set(line)) <= 1 for line in marks), "each price has its own mark, and no legend lies on a line"
    assert {line.partition("┤")[0].strip() for line in drawing if "┤" in line} == {"$1", "$2", "$4"}
    falling = [line for line in canvas if "*" in line]
    column = falling[0].rstrip(" │").rindex("*")
    assert all(line[column] == "*" for line in falling), "a step: the price falls at one moment"


def test_a_chart_in_colour_has_the_same_marks(past: Command) -> None:
    out = shown(past, "chart", "a/cheap", colour=True)
    assert without_colours(out) == shown(past, "chart", "a/cheap")
    colours = {re.search(r"\x1b\[38;5;(\d+)m" + re.escape(mark), out)[1] for mark in ("*", "o")}  # type: ignore[index]
    assert len(colours) == 2


def test_a_chart_draws_each_price_of_a_day_schedule(past: Command) -> None:
    out = shown(past, "chart", "a/night", "--price", "prompt")
    assert {line.partition("┤")[0].strip() for line in out.splitlines() if "┤" in line} == {"$1", "$3"}
    assert [line.count("*") > 20 for line in out.splitlines() if "*" in line][:2] == [True, True]
    assert "* prompt: " in out
    assert "16:30-00:30 UTC" in out.splitlines()[-1]
