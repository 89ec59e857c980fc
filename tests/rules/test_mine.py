"""Which models are mine, and what `@mine` means to a channel."""

from tests.events import event
from watcher.config.mine import MineSettings, Tokens
from watcher.config.settings import Channel, Rules
from watcher.rules.rules import my_models, wants, with_my_models

MINE = MineSettings(models=("anthropic/*", "openai/gpt-4o"), tokens={"qwen/qwen3": Tokens(1)})


def test_a_model_is_mine_if_it_is_named_has_tokens_or_was_found() -> None:
    known = ["anthropic/claude", "openai/gpt-4o", "openai/gpt-4o:free", "qwen/qwen3", "x-ai/grok", "x-ai/grok-2"]
    assert my_models(known, MINE, {"x-ai/grok"}) == [known[0], known[1], known[3], known[4]]


def test_a_routing_variant_means_the_model_without_it() -> None:
    mine = MineSettings(models=("openai/gpt-4o:nitro", "x-ai/*:floor"))
    assert my_models(["openai/gpt-4o", "openai/gpt-4o:free", "x-ai/grok"], mine, ()) == ["openai/gpt-4o", "x-ai/grok"]
    (channel,) = with_my_models([Channel("team", rules=Rules(models=("@mine",)))], mine, ())
    assert wants(channel.rules, event("repriced", "openai/gpt-4o"))


def test_a_channel_of_mine_gets_news_about_mine_alone() -> None:
    rules = Rules(models=("@mine", "z-ai/*"), exclude=("*:free",))
    (channel,) = with_my_models([Channel("team", rules=rules)], MINE, {"x-ai/grok", "x-ai/grok:free"})
    wanted = {"anthropic/new-one", "openai/gpt-4o", "qwen/qwen3", "x-ai/grok", "z-ai/glm"}
    others = {"openai/gpt-4o-mini", "qwen/qwen3:free", "x-ai/grok:free", "x-ai/grok-2"}
    assert {model for model in wanted | others if wants(channel.rules, event("new", model))} == wanted


def test_mine_can_be_left_out_and_names_nothing_where_there_is_none() -> None:
    rest, none = with_my_models(
        [Channel("rest", rules=Rules(exclude=("@mine",))), Channel("mine", rules=Rules(models=("@mine",)))],
        MineSettings(),
        {"x-ai/grok"},
    )
    assert not wants(rest.rules, event("new", "x-ai/grok")) and wants(rest.rules, event("new", "a/b"))
    assert wants(none.rules, event("new", "x-ai/grok")) and not wants(none.rules, event("new", "a/b"))
