"""`watcher mine`: the models of `[mine]`, and what they cost."""

import pytest

from testkit.command import Watcher

MINE = """[store]
url = "sqlite:///w.db"
[mine]
models = ["openai/*", "nobody/knows"]
paths = ["src"]
[mine.tokens]
"qwen/dearer" = { prompt = "10M", completion = "1M" }
"openai/gone:free" = { prompt = "2M" }
"""


@pytest.fixture
def mine(filled: Watcher) -> Watcher:
    filled.configure(MINE)
    return filled


def test_models_are_listed_with_prices_costs_and_state(mine: Watcher) -> None:
    done = mine.run_here("mine")
    lines = done.out.splitlines()
    assert done.code == 0
    assert [line.split()[0] for line in lines] == [
        "model",
        "nobody/knows",
        "openai/gone",
        "openai/gone:free",
        "openai/kept",
        "qwen/dearer",
        "~openai/latest",
    ]
    assert lines[1].split(maxsplit=1)[1] == "no model with this id was ever known"
    assert lines[3].split()[1:7] == ["$1", "$4", "$2", "$6", "openai/gone", "gone"]
    assert lines[5].split()[1:5] == ["$1.50", "$4", "$19", "$14"]


def test_json_has_what_the_table_has(mine: Watcher) -> None:
    found = {each["id"]: each for each in mine.run_here("mine", "--json").json}
    dearer, gone = found["qwen/dearer"], found["openai/gone:free"]
    assert dearer["cost"] == {"now": "19", "then": "14"} and dearer["state"] == "repriced"
    assert dearer["prices_then"]["prompt"] == "0.000001" and dearer["tokens"]["prompt"] == 10_000_000
    assert gone["cost"] == {"now": None, "then": "2"}
    assert [(other["id"], other["cost"]) for other in gone["instead"]] == [("openai/gone", "6")]
    assert found["nobody/knows"]["state"] == "unknown" and found["openai/kept"]["cost"]["now"] is None
    assert {each["in_paths"] for each in found.values()} == {False}


def test_an_id_in_other_letters_is_the_model_that_it_matches(filled: Watcher) -> None:
    filled.configure(MINE.replace("openai/*", "OpenAI/Kept").replace("qwen/dearer", "qwen/Dearer"))
    found = [each["id"] for each in filled.run_here("mine", "--json").json]
    assert found == ["nobody/knows", "openai/gone:free", "openai/kept", "qwen/Dearer", "qwen/dearer"]


def test_a_routing_variant_is_the_model_without_it(filled: Watcher) -> None:
    written = MINE.replace("openai/*", "openai/kept:nitro").replace("qwen/dearer", "qwen/dearer:floor")
    filled.configure(written.replace("nobody/knows", "nobody/knows:online"))
    found = {each["id"]: each for each in filled.run_here("mine", "--json").json}
    assert list(found) == ["nobody/knows", "openai/gone:free", "openai/kept", "qwen/dearer"]
    assert found["openai/kept"]["state"] == "there" and found["qwen/dearer"]["cost"]["now"] == "19"


def test_without_models_there_is_nothing_to_list(filled: Watcher) -> None:
    done = filled.run_here("mine")
    assert (done.code, done.out) == (1, "") and "[mine] in the configuration names no model" in done.err
    assert filled.run_here("mine", "--json").out == "[]\n"


def test_old_prices_are_not_taken_for_todays(mine: Watcher) -> None:
    assert mine.run_here("mine", "--max-age", "30m").code == 69
