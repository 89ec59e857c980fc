"""What is an id in a line, and what only looks like one."""

import time

import pytest

from watcher.mine.ids import Dictionary

KNOWN = {
    "openai/gpt-4o": None,
    "openai/gpt-4o:free": None,
    "~openai/gpt-latest": None,
    "openrouter/auto": None,
    "google/gemma-3": "google/gemma-3",
    "x/y": None,
}


def found(text: str, *, ours: bool = False) -> list[str]:
    return [each.id for each in Dictionary(KNOWN).find(text.encode(), ours=ours)]


@pytest.mark.parametrize(
    ("text", "models"),
    [
        ('"openai/gpt-4o"', ["openai/gpt-4o"]),
        ("openai/gpt-4o", ["openai/gpt-4o"]),
        ("Use openai/gpt-4o.", ["openai/gpt-4o"]),
        ("(openai/gpt-4o), <b>openai/gpt-4o:free</b>", ["openai/gpt-4o", "openai/gpt-4o:free"]),
        ("model:openai/gpt-4o,", ["openai/gpt-4o"]),
        ("openai/gpt-4o: the usual one", ["openai/gpt-4o"]),
        ("openai/gpt-4o:12", ["openai/gpt-4o"]),
        ("openrouter/openai/gpt-4o", ["openai/gpt-4o"]),
        ("openrouter:openai/gpt-4o:free", ["openai/gpt-4o:free"]),
        ("openrouter/~openai/gpt-latest", ["~openai/gpt-latest"]),
        ("openrouter/openrouter/auto", ["openrouter/auto"]),
        ("openai/gpt-4o:nitro openai/gpt-4o:online", ["openai/gpt-4o", "openai/gpt-4o"]),
        (r'"a\nopenai/gpt-4o\n"', ["openai/gpt-4o"]),
        ("${MODEL:-openai/gpt-4o} ${MODEL:=x/y}", ["openai/gpt-4o", "x/y"]),
        ("x/y", ["x/y"]),
        ("é openai/gpt-4o\x80", ["openai/gpt-4o"]),
        # not ids
        ("openai/gpt-4o-mini", []),
        ("openai/gpt-4", []),
        ("OpenAI/gpt-4o openai/GPT-4o", []),
        ("https://example.org/openai/gpt-4o", []),
        ("models/openai/gpt-4o", []),
        ("@openai/gpt-4o", []),
        ("my-openai/gpt-4o .openai/gpt-4o", []),
        ("openai/gpt-4o/weights openai/gpt-4o* openai/gpt-4o{x} openai/gpt-4o$X", []),
        ("openai/gpt-4o.py", []),
        ("~openai/gpt-4o", []),
        ("openai/ /gpt-4o openai/", []),
        ("", []),
    ],
)
def test_a_known_id_is_found_where_it_stands_by_itself(text: str, models: list[str]) -> None:
    assert found(text) == models


@pytest.mark.parametrize(
    ("text", "models"),
    [
        ("openai/gtp-4o", ["openai/gtp-4o"]),
        ("openai/gpt-4o:fre", ["openai/gpt-4o:fre"]),
        ("~openai/gpt-newest", ["~openai/gpt-newest"]),
        ("stranger/gpt-4o", []),
        ("openai/resources openai/v1 openai/2 openai/python-helper.py google/x-1.ts", []),
        ("openai/gpt-", []),
    ],
)
def test_an_unknown_model_counts_only_where_openrouter_is_meant(text: str, models: list[str]) -> None:
    assert found(text, ours=True) == models
    assert [each for each in found(text) if each not in KNOWN] == []
    assert found(f"openrouter/{text}")[:1] == models


def test_an_unknown_variant_means_the_model_where_nothing_says_openrouter() -> None:
    assert found("openai/gpt-4o:mine") == ["openai/gpt-4o"]


def test_a_name_of_hugging_face_is_sure_only_where_openrouter_is_meant() -> None:
    def sure(text: str, *, ours: bool = False) -> list[bool]:
        return [each.sure for each in Dictionary(KNOWN).find(text.encode(), ours=ours)]

    assert sure("google/gemma-3 openai/gpt-4o openrouter/google/gemma-3") == [False, True, True]
    assert sure("google/gemma-3", ours=True) == [True]


@pytest.mark.parametrize(
    "text",
    [
        "openai/" + "1" * 1_000_000 + "X",
        "openai/gpt-4o" + "-" * 1_000_000,
        "openai/gpt-4o:" + "a" * 1_000_000,
        "openai/" * 200_000,
        "/" * 1_000_000,
        "~" * 500_000 + "openai/gpt-" + "9" * 151,
    ],
    ids=lambda text: text[:20],
)
def test_what_is_too_long_for_an_id_takes_no_time(text: str) -> None:
    start = time.process_time()
    assert found(text, ours=True) in ([], [f"openai/gpt-4o:{'a' * 151}"])
    assert time.process_time() - start < 5


def test_without_models_nothing_is_found() -> None:
    assert list(Dictionary({}).find(b"openai/gpt-4o", ours=True)) == []
