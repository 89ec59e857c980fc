"""What a new model is, in one sentence."""

import time

import pytest

from tests.catalog.history import World, model
from watcher.catalog.summary import LONGEST, first_sentence, plain, with_description


@pytest.mark.parametrize(
    ("description", "sentence"),
    [
        ("Nex-N2-Pro has 17B active parameters. Built on Qwen3.5, it reads.", "Nex-N2-Pro has 17B active parameters."),
        ("Built on Qwen 3.5 by v. Smith and 2.5 others! Yes.", "Built on Qwen 3.5 by v. Smith and 2.5 others!"),
        ("A **fast** [model](https://evil.example/x) for `code`.", "A fast model for code."),
        ("# Title\nText.", "Title"),
        ("It accepts text and produces...", "It accepts text and produces…"),
        ("x " * 200, "x " * 98 + "x…"),
        ("y" * 500, "y" * (LONGEST - 1) + "…"),
        ("  \n ", None),
        ("", None),
        ("Nul\0l.", "Null."),
        ("快速模型", "快速模型"),
    ],
)
def test_the_first_sentence_has_no_markup_and_is_short(description: str, sentence: str | None) -> None:
    assert first_sentence(description) == sentence
    assert len(first_sentence(description) or "") <= LONGEST


def test_a_plain_text_has_no_markdown_and_keeps_its_lines() -> None:
    assert plain("A *fast* variant of [Opus](/anthropic/opus).\n\n# Why\n1. `x`") == (
        "A fast variant of Opus.\n\nWhy\n1. x"
    )


def test_no_description_takes_long() -> None:
    start = time.process_time()
    for piece in ("[", "](", ".", ",", "*", "a. ", "\n", "! [x](", "…", " "):
        first_sentence(piece * 100_000)
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("fields", "shown"),
    [({"description": "Fast. Small."}, "Fast."), ({"description": 7}, None), ({}, None), ({"description": ""}, None)],
)
def test_a_new_model_says_what_it_is_and_its_id_is_the_one_without_it(fields: dict[str, object], shown: str) -> None:
    world = World().poll("00:00", model("a/b")).poll("01:00", model("a/b"), model("a/new", **fields))
    (event,) = world.events
    assert event.offer is not None
    assert (event.offer.description or None) == shown


def test_other_kinds_say_nothing_of_it() -> None:
    old, moved = model("a/b", description="Old. One."), model("a/b", prompt="9", description="Old. One.")
    world = World().poll("00:00", old).poll("01:00", moved).hold("06:00")
    (event,) = world.events
    assert event.offer is not None
    assert not event.offer.description


@pytest.mark.parametrize(
    ("raw", "text"),
    [(b'{"description": "All of it. *Really*."}', "All of it. *Really*."), (b'{"description": ""}', "1f"),
     (b'{"description": 7}', "1f"), (b"{}", "1f")],
)  # fmt: skip
def test_a_description_takes_the_place_of_its_digest(raw, text):
    facets = {"name": "One", "description": "1f"}
    assert with_description(facets, raw) == {"name": "One", "description": text}
    assert facets["description"] == "1f"
