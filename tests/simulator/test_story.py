"""The stories are consistent: what a title says is what happens."""

from datetime import timedelta
from itertools import pairwise

import pytest

from watcher.errors import UsageError
from watcher.simulator import STORIES, story_by_name, story_scenes

DEMO = story_by_name("demo")


def ids(moment) -> set:
    return {model["id"] for model in moment.models}


def prices(moment) -> dict:
    return {model["id"]: (model["pricing"]["prompt"], model["pricing"]["completion"]) for model in moment.models}


MOMENTS = list(story_scenes(DEMO))


def when(words: str) -> int:
    (number,) = [moment.number for moment in MOMENTS if words in moment.title]
    return number


def test_the_demo_is_the_first_story():
    assert next(iter(STORIES)) == "demo"


@pytest.mark.parametrize("name", STORIES)
def test_a_story_is_told_in_order_with_a_title_a_step(name):
    moments = list(story_scenes(story_by_name(name)))
    assert [moment.number for moment in moments] == list(range(len(moments)))
    assert moments[0].at == story_by_name(name).start
    assert moments == sorted(moments, key=lambda moment: moment.at)
    assert all(moment.title and "\n" not in moment.title and len(moment.title) < 100 for moment in moments)


@pytest.mark.parametrize("name", STORIES)
def test_ids_are_unique_and_aliases_point_to_what_is_there_at_every_step(name):
    for moment in list(story_scenes(story_by_name(name))):
        assert len(ids(moment)) == len(moment.models)
        by_id = {model["id"]: model for model in moment.models}
        for model in moment.models:
            if "alias_target" in model:
                assert model["pricing"] == by_id[model["alias_target"]["slug"]]["pricing"], moment.title


def test_steps_are_close_enough_that_nothing_settles_by_a_long_silence():
    gaps = {after.at - before.at for before, after in pairwise(MOMENTS)}
    assert max(gaps) < timedelta(hours=3)


def test_a_model_appears():
    number = when("Codex appears")
    assert ids(MOMENTS[number]) - ids(MOMENTS[number - 1]) == {"openai/gpt-5.2-codex"}


@pytest.mark.parametrize(
    ("words", "model", "new"),
    [
        ("a fifth cheaper", "anthropic/claude-haiku-4.5", ("0.0000008", "0.000004")),
        ("costs more", "x-ai/grok-4", ("0.000004", "0.000018")),
        ("becomes free", "xiaomi/mimo-v2-flash", ("0", "0")),
    ],
)
def test_a_price_that_moves_moves_alone_and_stays(words, model, new):
    number = when(words)
    before, after = prices(MOMENTS[number - 1]), prices(MOMENTS[number])
    assert {id_ for id_ in after if after[id_] != before[id_]} == {model}
    assert after[model] == new
    assert all(prices(moment)[model] == new for moment in MOMENTS[number:] if model in ids(moment))


def test_a_free_variant_goes_and_its_sibling_stays():
    number = when("qwen3-coder:free is gone")
    assert ids(MOMENTS[number - 1]) - ids(MOMENTS[number]) == {"qwen/qwen3-coder:free"}
    assert "qwen/qwen3-coder" in ids(MOMENTS[-1])
    assert "qwen/qwen3-coder:free" not in ids(MOMENTS[number + 1])


def test_an_alias_moves():
    number = when("alias moves")
    targets = [
        next(model["alias_target"]["slug"] for model in MOMENTS[n].models if model["id"] == "~openai/gpt-codex-latest")
        for n in (number - 1, number)
    ]
    assert targets == ["openai/gpt-5.1-codex-mini", "openai/gpt-5.2-codex"]


def test_an_end_date_is_set():
    number = when("end date")
    days = [
        next(model["expiration_date"] for model in MOMENTS[n].models if model["id"] == "anthropic/claude-3-haiku")
        for n in (number - 1, number)
    ]
    assert days == [None, "2026-03-16"]


def test_glitches_last_one_step_and_leave_no_trace():
    for number in (when("list is empty"), when("every Google model is missing"), when("costs double")):
        before, during, after = MOMENTS[number - 1 : number + 2]
        assert during.models != before.models or during.fault is not None
        assert after.models == before.models and after.fault is None


def test_enough_models_are_missing_in_the_glitch_to_be_suspicious():
    number = when("every Google model is missing")
    gone = ids(MOMENTS[number - 1]) - ids(MOMENTS[number])
    assert len(gone) >= 8 and len(gone) > len(MOMENTS[number - 1].models) / 10


def test_the_end_is_quiet_long_enough_for_everything_to_settle():
    assert all(moment.models == MOMENTS[-1].models for moment in MOMENTS[-4:])


def test_the_quiet_story_never_changes():
    assert len(list(story_scenes(story_by_name("quiet")))) == 1


def test_an_unknown_story_is_refused_with_those_there_are():
    with pytest.raises(UsageError, match="demo"):
        story_by_name("odyssey")
