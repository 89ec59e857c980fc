"""`[mine]`: models, paths and tokens."""

from pathlib import Path

import pytest

from watcher.config import load_config, write
from watcher.config.mine import Tokens
from watcher.config.settings import Config
from watcher.errors import ConfigError


def load(folder: Path, text: str) -> Config:
    file = folder / "config.toml"
    file.touch(0o600)
    file.write_text(text)
    return load_config(file, {"HOME": str(folder / "home")})


def test_paths_are_relative_to_the_file_and_to_the_home_folder(tmp_path: Path) -> None:
    mine = load(tmp_path, '[mine]\npaths = ["src", "~/app", "/srv/x"]').mine
    assert mine.paths == (tmp_path / "src", tmp_path / "home/app", Path("/srv/x"))


def test_tokens_are_counted_or_parts_of_all(tmp_path: Path) -> None:
    mine = load(
        tmp_path,
        '[mine.tokens]\nall = { prompt = "40M", completion = "5M", cached = "10M" }\n"a/one" = "70%"\n'
        '"b/two" = { prompt = "2.5M", completion = 300000 }',
    ).mine
    assert mine.tokens == {
        "a/one": Tokens(28_000_000, 3_500_000, 7_000_000),
        "b/two": Tokens(2_500_000, 300_000),
    }


def test_tokens_of_a_routing_variant_are_those_of_the_model(tmp_path: Path) -> None:
    lines = '"a/one" = { prompt = 1 }\n"a/one:nitro" = { prompt = 2 }\n"a/one:free" = { prompt = 4 }\n'
    shares = 'all = { prompt = 100 }\n"a/one:floor" = "8%"\n"b/two" = "20%"\n"b/two:online" = "12%"'
    mine = load(tmp_path, f"[mine.tokens]\n{lines}{shares}").mine
    assert mine.tokens == {"a/one": Tokens(11), "a/one:free": Tokens(4), "b/two": Tokens(32)}


def test_what_is_shown_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    first = load(tmp_path, '[mine]\nmodels = ["a/*"]\n[mine.tokens]\n"b/two:free" = { prompt = "1k" }')
    assert load(tmp_path, write.show(first)).mine == first.mine


@pytest.mark.parametrize(
    ("tokens", "says"),
    [
        ("5", 'expected a table such as { "openai/gpt-4o" = { prompt = "40M", completion = "5M" } }, got 5'),
        ('{ "a/one" = "70%" }', '"all" is missing: the tokens that the percentages are parts of'),
        ('{ all = {}, "a/one" = "70%", "a/two" = "31%" }', "the percentages are 101% together"),
        ("{ gpt = { prompt = 1 } }", '"gpt": expected the id of a model or "all"'),
        ('{ "a/*" = { prompt = 1 } }', '"a/*": expected the id of a model or "all"'),
        ('{ "a/one" = { promt = 1 } }', '"a/one": unknown key "promt"; did you mean "prompt"?'),
        (
            '{ "a/one" = { prompt = -1 } }',
            '"a/one": expected a number of tokens such as 128000, "128K" or "1.5M", got -1',
        ),
        ('{ "a/one" = { prompt = ",.5M" } }', None),
        ('{ "a/one" = { prompt = 1, cached = 2 } }', '"a/one": cached is a part of prompt, so it cannot be more'),
        ('{ "a/one" = 5 }', None),
        ('{ all = "70%" }', None),
    ],
)
def test_a_mistake_in_tokens_is_named(tmp_path: Path, tokens: str, says: str | None) -> None:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, f"[mine]\ntokens = {tokens}")
    assert "mine.tokens: " in str(raised.value)
    if says is not None:
        assert str(raised.value).endswith(f"mine.tokens: {says}")


def test_a_channel_for_mine_without_any_is_warned_about(tmp_path: Path) -> None:
    channel = '[[channels]]\nname = "team"\nurl_env = "TEAM"\nmodels = ["@mine"]\n'
    (warning,) = load(tmp_path, channel).warnings
    assert warning.endswith('models: "@mine" names nothing: [mine] has no models, paths or tokens')
    assert load(tmp_path, f'[mine]\nmodels = ["a/*"]\n{channel}').warnings == ()


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ('[source]\nendpoints = "mine"', 'source.endpoints: "mine" is no model: [mine] has no models, paths or tokens'),
        ('[source]\nendpoints = "mine"\n[mine]\nmodels = ["a/*"]', None),
        (
            '[[channels]]\nname = "team"\nurl_env = "TEAM"\nproviders = ["x"]',
            'channels[1] "team": providers and quantization need [source] endpoints = "mine": they change nothing',
        ),
        (
            '[source]\nendpoints = "mine"\n[mine]\nmodels = ["a/*"]\n'
            '[[channels]]\nname = "team"\nurl_env = "TEAM"\nquantization = ["fp9"]',
            'channels[1] "team": quantization: "fp9" is not known; did you mean "fp8"?',
        ),
    ],
)
def test_settings_of_providers_without_effect_are_warned_about(tmp_path: Path, text: str, warning: str | None) -> None:
    warnings = load(tmp_path, text).warnings
    assert warnings == (() if warning is None else (f"{tmp_path}/config.toml: {warning}",))


@pytest.mark.parametrize("key", ["category", "supported_parameters"])
def test_the_list_of_an_account_cannot_be_narrowed_by_what_it_does_not_take(tmp_path: Path, key: str) -> None:
    value = '"programming"' if key == "category" else '["tools"]'
    with pytest.raises(ConfigError, match=f"source.{key}: the list of an account cannot be narrowed by it"):
        load(tmp_path, f"[source]\naccount = true\n{key} = {value}")
