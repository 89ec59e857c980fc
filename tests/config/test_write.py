"""What follows from the options: the file to start from, the example, the schema."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from msgspec import structs

from tests.config.test_mistakes import MISTAKES
from watcher.catalog.model import DEFAULT_KINDS, HEALTH_KINDS
from watcher.catalog.policy import Policy
from watcher.config import Config, load_config
from watcher.config.options import OPTIONS
from watcher.config.settings import DeliverySettings, HealthSettings, Rules, SourceSettings, Timing
from watcher.config.write import effective, example, full, init, schema, show, show_json

HOME = {"HOME": "/home/me"}
EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
VALIDATOR = Draft202012Validator(schema())


def load(folder: Path, text: str) -> Config:
    file = folder / "config.toml"
    file.write_text(text)
    file.chmod(0o600)
    return load_config(file, HOME)


def everything_set(text: str) -> str:
    """The file with the # taken off every option, but for those that replace another."""
    instead = "|".join(option.key for option in OPTIONS if option.instead_of)
    return re.sub(rf"(?m)^#(?=[\[a-z])(?!(?:{instead}) )", "", text)


def test_the_example_in_the_repository_is_the_one_of_the_table() -> None:
    command = 'python -c "from watcher.config.write import example; print(example(), end=str())" > config.example.toml'
    assert EXAMPLE.read_text(encoding="utf-8") == example(), f"run: {command}"


def test_the_example_sets_the_defaults_and_one_channel(tmp_path: Path) -> None:
    config = load(tmp_path, example())
    assert (config.source, config.announce, config.delivery) == (SourceSettings(), Policy(), DeliverySettings())
    assert config.warnings == ()
    health = Rules(events=DEFAULT_KINDS + HEALTH_KINDS, health=True)
    assert [(channel.rules, channel.timing) for channel in config.channels] == [(health, Timing())]


@pytest.mark.parametrize("text", [init(), full()], ids=["init", "all"])
def test_what_init_writes_gives_the_defaults(text: str, tmp_path: Path) -> None:
    config = load(tmp_path, text)
    assert (config.source, config.announce, config.delivery) == (SourceSettings(), Policy(), DeliverySettings())
    assert (config.channels, config.warnings) == ((), ())


@pytest.mark.parametrize("text", [full(), example()], ids=["all", "example"])
def test_every_option_is_in_the_file_and_can_be_set_by_taking_the_mark_away(text: str, tmp_path: Path) -> None:
    document = tomllib.loads(everything_set(text))
    for option in OPTIONS:
        table = document[option.section]
        table = table[0] if isinstance(table, list) else table
        assert option.key in table or option.instead_of
    assert len(load(tmp_path, everything_set(text)).channels) == 1
    VALIDATOR.validate(document)


@pytest.mark.parametrize("text", [full(), example()], ids=["all", "example"])
def test_the_file_fits_a_screen(text: str) -> None:
    assert max(map(len, text.splitlines())) <= 112


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(schema())
    json.dumps(schema())


def test_the_schema_allows_an_empty_file_and_what_is_right() -> None:
    VALIDATOR.validate({})
    VALIDATOR.validate({"channels": [{"name": "team", "url_env": "TEAM", "max_prompt_price": 0.5, "events": ["*"]}]})


BEYOND_A_SCHEMA = (
    "another channel",
    "at least",
    "at most",
    "not TOML",
    "forgotten",
    "very l",
    "NaN",
    "1E-",
    "a\\nb",
    "different",
    "there is no",
)
REFUSED = [text for text, expected in MISTAKES if not any(words in expected for words in BEYOND_A_SCHEMA)]


@pytest.mark.parametrize("text", REFUSED, ids=[str(number) for number in range(len(REFUSED))])
def test_the_schema_refuses_what_loading_refuses(text: str) -> None:
    assert not VALIDATOR.is_valid(tomllib.loads(text))


def test_a_configuration_that_was_shown_can_be_read_again(tmp_path: Path) -> None:
    text = everything_set(example()).replace(
        "mailtos://watcher:app-password@example.org?to=team@example.org", "json://h"
    )
    config = load(tmp_path, text)
    again = load(tmp_path, show(config))
    shown = {"channels": (), "health": HealthSettings()}
    assert structs.replace(again, **shown) == structs.replace(config, **shown)
    (channel,), (as_shown,) = config.channels, again.channels
    assert (as_shown.rules, as_shown.timing) == (channel.rules, channel.timing)
    assert None not in structs.astuple(channel.timing)


def test_what_is_shown_as_json_is_the_same(tmp_path: Path) -> None:
    config = load(tmp_path, '[[channels]]\nname = "team"\nurl_file = "url"\nmax_prompt_price = 2.5')
    shown = json.loads(show_json(config))
    assert shown["source"]["category"] is None
    assert shown["source"]["interval"] == "5m"
    assert shown["announce"]["min_change"] == "1%"
    assert shown["channels"][0]["url_file"] == str(tmp_path / "url")
    assert shown["channels"][0]["max_prompt_price"] == 2.5
    assert (shown["channels"][0]["digest"], shown["channels"][0]["timezone"]) == (None, "UTC")
    assert shown["delivery"] == {"give_up": "3d", "retry_first": "30s", "retry_most": "1h", "timeout": "20s"}
    assert list(shown) == list(effective(config))
