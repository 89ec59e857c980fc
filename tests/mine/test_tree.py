"""Which files a scan reads, and what it says of those that it cannot read."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from watcher.mine.ids import Dictionary
from watcher.mine.scan import Scan, scan
from watcher.mine.tree import LARGEST

MODEL = "openai/gpt-4o"
NAMES = Dictionary({MODEL: None, "google/gemma-3": "google/Gemma-3"})


def fill(folder: Path, files: Mapping[str, str | bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def places(found: Scan, folder: Path) -> list[str]:
    return [f"{Path(hit.path).relative_to(folder)}:{hit.line}" for hit in found.hits]


def test_what_git_ignores_is_not_read(tmp_path: Path) -> None:
    fill(
        tmp_path,
        {
            ".git/HEAD": MODEL,
            ".gitignore": "*.log\nout/\n!keep.log\n",
            "a.py": f"\n{MODEL} {MODEL}\n{MODEL}",
            "a.log": MODEL,
            "keep.log": MODEL,
            "out/a.py": MODEL,
            "src/.gitignore": "/local.py\n!*.log",
            "src/local.py": MODEL,
            "src/b.log": MODEL,
            "src/deep/local.py": MODEL,
            "node_modules/x/index.js": MODEL,
        },
    )
    expected = ["a.py:2", "a.py:3", "keep.log:1", "src/b.log:1", "src/deep/local.py:1"]
    assert places(scan([tmp_path], NAMES), tmp_path) == expected
    assert places(scan([tmp_path / "src/deep"], NAMES), tmp_path) == ["src/deep/local.py:1"]
    assert places(scan([tmp_path / "src"], NAMES), tmp_path) == ["src/b.log:1", "src/deep/local.py:1"]


def test_what_is_named_itself_is_read_though_it_is_ignored(tmp_path: Path) -> None:
    fill(tmp_path, {".git/HEAD": "", ".gitignore": ".env\nout/", ".env": f"M={MODEL}", "out/a": MODEL})
    assert places(scan([tmp_path / ".env", tmp_path / "out"], NAMES), tmp_path) == [".env:1", "out/a:1"]


def test_a_file_that_is_named_itself_and_not_read_is_a_problem(tmp_path: Path) -> None:
    fill(tmp_path, {"large": MODEL + " " * LARGEST, "image": b"\0"})
    os.mkfifo(tmp_path / "pipe")
    found = scan([tmp_path / "large", tmp_path / "image", tmp_path / "pipe"], NAMES)
    assert [problem.rpartition("/")[2] for problem in found.problems] == ["large", "pipe"]
    assert scan([tmp_path], NAMES).problems == []


def test_gitignore_may_begin_with_a_mark_of_its_encoding(tmp_path: Path) -> None:
    fill(tmp_path, {".git/HEAD": "", ".gitignore": b"\xef\xbb\xbfout\n", "out/a": MODEL, "b": MODEL})
    assert places(scan([tmp_path], NAMES), tmp_path) == ["b:1"]


def test_rules_above_count_only_within_a_repository(tmp_path: Path) -> None:
    fill(tmp_path, {".gitignore": "*.py", "src/a.py": MODEL})
    assert places(scan([tmp_path / "src"], NAMES), tmp_path) == ["src/a.py:1"]
    fill(tmp_path, {".git/HEAD": ""})
    assert scan([tmp_path / "src"], NAMES).hits == []


def test_patterns_of_exclude_are_those_of_gitignore(tmp_path: Path) -> None:
    fill(tmp_path, {"a.py": MODEL, "tests/a.py": MODEL, "docs/tests/b.md": MODEL})
    assert places(scan([tmp_path], NAMES, exclude=["/tests/", "*.md"]), tmp_path) == ["a.py:1"]
    with pytest.raises(ValueError):
        scan([tmp_path], NAMES, exclude=["a", "!"])


@pytest.mark.parametrize("pattern", ["a*a*a*a*a*a*a*a*a*b", "[", "!", "\\", "**/" * 40 + "x", "\xff" * 10])
def test_a_strange_pattern_neither_stops_nor_crashes_the_scan(tmp_path: Path, pattern: str) -> None:
    fill(tmp_path, {".git/HEAD": "", ".gitignore": pattern, "a" * 200: MODEL, "/".join("d" * 60) + "/a": MODEL})
    assert len(scan([tmp_path], NAMES).hits) == 2


def test_binary_and_huge_files_are_not_read(tmp_path: Path) -> None:
    fill(
        tmp_path,
        {
            "binary": b"\0" + MODEL.encode(),
            "huge": MODEL.encode() + b" " * LARGEST,
            "large": MODEL.encode().ljust(LARGEST),
            "one-line": b"x;" * 500_000 + MODEL.encode() + b";y" * 1_000,
        },
    )
    found = scan([tmp_path], NAMES)
    assert (places(found, tmp_path), found.problems) == (["large:1", "one-line:1"], [])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1", "cp1252"])
def test_any_usual_encoding_is_read(tmp_path: Path, encoding: str) -> None:
    bom = "\ufeff" if encoding == "utf-16-le" else ""
    fill(tmp_path, {"a": f"{bom}é\n'{MODEL}'".encode(encoding)})
    assert places(scan([tmp_path], NAMES), tmp_path) == ["a:2"]


def test_links_are_not_followed_and_pipes_not_waited_for(tmp_path: Path) -> None:
    fill(tmp_path, {"src/a": MODEL, "outside/b": MODEL})
    (tmp_path / "src/circle").symlink_to("..")
    (tmp_path / "src/self").symlink_to("self")
    (tmp_path / "src/out").symlink_to(tmp_path / "outside/b")
    os.mkfifo(tmp_path / "src/pipe")
    os.mkfifo(tmp_path / "src/.gitignore")
    (tmp_path / "named").symlink_to("src")
    assert places(scan([tmp_path / "src"], NAMES), tmp_path) == ["src/a:1"]
    assert places(scan([tmp_path / "named"], NAMES), tmp_path) == ["named/a:1"], "one that is named itself is followed"


def test_paths_that_overlap_are_read_once(tmp_path: Path) -> None:
    fill(tmp_path, {"a": MODEL, "src/b": MODEL})
    found = scan([tmp_path, tmp_path / "src", tmp_path], NAMES)
    assert (len(found.hits), found.files, found.problems) == (2, 2, [])


def test_the_root_of_the_system_can_be_scanned() -> None:
    found = scan([Path("/")], NAMES, exclude=["/*", "!/etc", "/etc/*", "!/etc/passwd"])
    assert (found.files, found.problems) == (1, [])


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    fill(tmp_path, {"a": MODEL})
    with pytest.MonkeyPatch.context() as patch:  # a path that is too long for the system
        patch.chdir(tmp_path)
        for _ in range(20):
            Path("d" * 250).mkdir()
            os.chdir("d" * 250)
    (tmp_path / "empty").mkdir()
    found = scan([tmp_path, tmp_path / "missing", tmp_path / "empty"], NAMES)
    assert places(found, tmp_path) == ["a:1"]
    assert [problem.partition(str(tmp_path))[0] for problem in found.problems] == [
        "cannot be read (File name too long): ",
        "cannot be read (No such file or directory): ",
        "there is no file that could be read in ",
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_one_may_not_read_is_named(tmp_path: Path) -> None:
    fill(tmp_path, {"a": MODEL, "b": MODEL, "c/d": MODEL})
    (tmp_path / "b").chmod(0)
    (tmp_path / "c").chmod(0)
    found = scan([tmp_path], NAMES)
    assert (places(found, tmp_path), len(found.problems)) == (["a:1"], 2)


def test_a_scan_that_has_no_time_left_says_so(tmp_path: Path) -> None:
    fill(tmp_path, {"a": MODEL, "b": MODEL})
    clock = iter([0.0, 1.0, 3.0])
    found = scan([tmp_path], NAMES, seconds=2, monotonic=lambda: next(clock))
    assert places(found, tmp_path) == ["a:1"]
    assert found.problems == [f"there was not enough time to read all of {tmp_path}"]


def test_a_name_that_is_no_text_is_shown(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff.py")).write_text(MODEL)
    (hit,) = scan([tmp_path], NAMES).hits
    assert hit.path == f"{tmp_path}/\ufffd.py"


def test_lines_can_be_ignored(tmp_path: Path) -> None:
    fill(tmp_path, {"a.py": f"'{MODEL}'  # watcher: ignore\n'{MODEL}'", "b": f"{MODEL} watcher: ignore"})
    fill(tmp_path, {".env": f"A={MODEL} # watcher: ignore\nB={MODEL} # why"})
    assert places(scan([tmp_path], NAMES), tmp_path) == [".env:2", "a.py:2"]


@pytest.mark.parametrize("name", ["bundle.js", "opencode.json"])
def test_many_ids_in_one_line_take_little_time(tmp_path: Path, name: str) -> None:
    many = f'"openrouter/{MODEL}",' * 40_000
    fill(tmp_path, {name: f'{{"watcher": "ignore", "models": [{many} ""]}}', "b.py": f"# watcher: ignore\n[{many}]"})
    start = time.process_time()
    assert len(scan([tmp_path], NAMES).hits) == 2
    assert time.process_time() - start < 4


def test_names_of_hugging_face_count_in_a_repository_that_mentions_openrouter(tmp_path: Path) -> None:
    fill(tmp_path, {"one/.git/HEAD": "", "one/a": "google/gemma-3", "two/.git/HEAD": "", "two/a": "google/gemma-3"})
    found = scan([tmp_path], NAMES)
    assert (found.hits, found.left_out) == ([], ["google/gemma-3"])
    fill(tmp_path, {"two/src/b": "OpenRouter"})
    found = scan([tmp_path], NAMES)
    assert (places(found, tmp_path), found.left_out) == (["two/a:1"], [])


@pytest.mark.parametrize(
    "other",
    [
        "import litellm",
        "replicate.run(",
        "from transformers import pipeline",
        'import { gateway } from "@ai-sdk/gateway"',
    ],
)
def test_an_id_may_be_of_another_service_that_is_named_beside_it(tmp_path: Path, other: str) -> None:
    fill(tmp_path, {"a.py": f"{other}\n'{MODEL}'"})
    found = scan([tmp_path], NAMES)
    assert (found.hits, found.left_out) == ([], [MODEL])
    fill(tmp_path, {"b.py": f"{other}\n'openrouter/{MODEL}'", "c.py": f"{other} OpenRouter '{MODEL}'"})
    found = scan([tmp_path], NAMES)
    assert (places(found, tmp_path), found.left_out) == (["b.py:2", "c.py:1"], [])


@pytest.mark.parametrize(
    "content",
    [
        "[" * 100_000 + MODEL,
        "model_list:\n" + "- {a: " * 50_000,
        "model_list: &a [*a, openrouter/openai/gpt-4o]",
        "model_list:\n  - model: [openrouter/openai/gpt-4o\n",
        "model_list:\n\t- openrouter/openai/gpt-4o: *nobody",
        "? {model_list: 1}\n: openrouter/openai/gpt-4o\nmodel_list: 1",
        "\x01model_list: openrouter/openai/gpt-4o",
    ],
)
def test_a_configuration_that_cannot_be_parsed_is_read_as_text(tmp_path: Path, content: str) -> None:
    fill(tmp_path, dict.fromkeys(("opencode.json", "litellm.yaml", ".continue/config.yaml"), content))
    found = scan([tmp_path], NAMES)
    assert found.problems == []
    if MODEL in content:
        assert {hit.id for hit in found.hits} == {MODEL}


@pytest.mark.parametrize("end", ["\r", "\x85", "\u2028", "\u2029", "\r\n"])
def test_lines_of_a_configuration_are_those_of_other_files(tmp_path: Path, end: str) -> None:
    other = f"openrouter/{MODEL}:free"
    fill(
        tmp_path,
        {"opencode.json": f'{{"name": "a{end}b{end}c", "models":\n["{other}", # watcher: ignore\n"{other}"]}}'},
    )
    (hit,) = scan([tmp_path], Dictionary({MODEL: None, f"{MODEL}:free": None})).hits
    assert hit.line == (5 if end == "\r\n" else 3)
