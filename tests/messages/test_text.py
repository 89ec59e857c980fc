"""Strangers' text made harmless."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.messages.text import clean, own_link, page, visible


@given(st.text(st.characters(), max_size=400))
def test_whatever_comes_in_one_short_visible_line_comes_out(text: str) -> None:
    line = visible(text)
    assert len(line) <= 200
    assert not {unicodedata.category(char) for char in line} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert line == line.strip()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GPT-4.1 mini (free)", "GPT-4.1 mini (free)"),
        ("Qwen: Qwen3 Max — 通义千问", "Qwen: Qwen3 Max — 通义千问"),
        ("a\n b\t c", "a b c"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("x" * 300, "x" * 199 + "…"),
        (None, "None"),
    ],
)
def test_what_is_harmless_stays_as_it_is(text: object, shown: str) -> None:
    assert clean(text) == shown


def test_a_link_is_ours_or_none() -> None:
    assert own_link("https://openrouter.ai/openai/gpt-4o:free") == "https://openrouter.ai/openai/gpt-4o:free"
    for url in (
        None,
        "",
        "http://openrouter.ai/x",
        "https://openrouter.ai.evil/x",
        'https://openrouter.ai/"onclick="x',
    ):
        assert own_link(url) is None


@given(st.text(st.characters(), max_size=100))
def test_the_page_of_any_id_is_a_link_of_ours(model_id: str) -> None:
    assert own_link(page(model_id)) == page(model_id)
