"""`watcher mcp`: four read-only tools, asked by the SDK's own client."""

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from typing import Any

import anyio
import pytest

from testkit.command import Watcher, clean_environment
from watcher.cli.mcp import make_server
from watcher.config import load_config

pytestmark = pytest.mark.skipif(find_spec("mcp") is None, reason="the SDK of MCP is not installed")

MINE = """[store]
url = "sqlite:///w.db"
[mine]
models = ["openai/gone:free"]
tokens = { "qwen/dearer" = { prompt = "10M" } }
"""


def ask(watcher: Watcher, *calls: tuple[str, Mapping[str, Any]], stdio: bool = False) -> list[Any]:
    """Call tools, and return their answers: a document, or the text of an error."""
    import mcp  # takes long

    server: Any = make_server(load_config(watcher.folder / "config.toml", {}))
    if stdio:
        command = ["-m", "watcher", "--config", str(watcher.folder / "config.toml"), "mcp"]
        server = mcp.StdioServerParameters(command=sys.executable, args=command, env=clean_environment())

    async def talk() -> list[Any]:
        async with mcp.Client(server) as client:
            answers = [await client.call_tool(name, dict(arguments)) for name, arguments in calls]
        return [one.content[0].text if one.is_error else json.loads(one.content[0].text) for one in answers]

    return anyio.run(talk)


@pytest.fixture
def mine(filled: Watcher) -> Watcher:
    filled.configure(MINE)
    return filled


def test_the_tools_are_four_read_only_and_short(mine: Watcher) -> None:
    import mcp

    async def listed() -> Any:
        async with mcp.Client(make_server(load_config(mine.folder / "config.toml", {}))) as client:
            return await client.list_tools()

    tools = anyio.run(listed).tools
    assert [tool.name for tool in tools] == ["changes_since", "price_at", "is_model_safe", "my_models"]
    assert all(tool.annotations.read_only_hint for tool in tools)
    whole = json.dumps([tool.model_dump(mode="json", exclude_none=True) for tool in tools])
    assert len(whole) < 3_000, "a token has at least three characters: under 1,000 tokens"


def test_what_changed_is_about_mine_unless_all_is_asked_for(mine: Watcher) -> None:
    own, everything, named, nothing = ask(
        mine,
        ("changes_since", {"since": "60d"}),
        ("changes_since", {"since": "60d", "models": ["*"]}),
        ("changes_since", {"since": "60d", "models": ["~openai/*"]}),
        ("changes_since", {"since": "1h"}),
    )
    assert {(each["kind"], each["model"]) for each in own["changes"]} == {
        ("expired", "openai/gone:free"),
        ("repriced", "qwen/dearer"),
    }
    assert {each["model"] for each in named["changes"]} == {"~openai/latest"}
    assert everything["total"] == len(everything["changes"]) >= 3
    assert (nothing["total"], nothing["changes"]) == (0, [])
    (what,) = [each["what"] for each in own["changes"] if each["kind"] == "repriced"]
    assert what.startswith("prompt: $1 → $1.50/M  ↑ +50%")


def test_a_price_is_told_with_the_time_in_which_it_held(mine: Watcher) -> None:
    now, before, gone = ask(
        mine,
        ("price_at", {"model": "qwen/dearer"}),
        ("price_at", {"model": "qwen/dearer", "at": "10d"}),
        ("price_at", {"model": "openai/gone:free"}),
    )
    assert now["prices"] == {"prompt": "$1.50/M", "completion": "$4/M"} and now["until"] is None
    assert before["prices"]["prompt"] == "$1/M" and before["until"] == now["since"]
    assert gone["listed"] is False and now["listed"] is True


def test_a_model_is_safe_if_it_is_there_and_stays(mine: Watcher) -> None:
    models = ["openai/kept", "openai/gone:free", "google/ending", "qwen/dearer", "nobody/knows"]
    month, week = ask(mine, ("is_model_safe", {"models": models}), ("is_model_safe", {"models": models, "days": 7}))
    assert [each["safe"] for each in month["models"]] == [True, False, False, True, False]
    assert [each["safe"] for each in week["models"]] == [True, False, True, True, False]
    assert month["models"][1]["instead"] == [
        {"model": "openai/gone", "price_ratio": {"prompt": "3", "completion": "1"}}
    ]


def test_an_id_is_understood_as_the_scan_understands_it(mine: Watcher) -> None:
    written = ["openrouter/openai/kept", "openai/kept:nitro", "openrouter/openai/kept:floor", "openai/gone:online"]
    price, safe = ask(mine, ("price_at", {"model": written[2]}), ("is_model_safe", {"models": written}))
    assert price["model"] == "openai/kept" and price["as_of"] is not None
    assert [(each["model"], each["safe"]) for each in safe["models"]] == [("openai/kept", True), ("openai/gone", True)]


def test_my_models_have_their_costs(mine: Watcher) -> None:
    (answer,) = ask(mine, ("my_models", {}))
    assert [(each["model"], each["usd_a_month"], each["before"]) for each in answer["models"]] == [
        ("openai/gone:free", None, None),
        ("qwen/dearer", "15", "10"),
    ]


def test_a_mistake_is_an_answer_that_says_what_to_do(mine: Watcher) -> None:
    wrong, unknown, early, many = ask(
        mine,
        ("changes_since", {"since": "soon"}),
        ("price_at", {"model": "qwen/dear"}),
        ("price_at", {"model": "qwen/dearer", "at": "2020"}),
        ("is_model_safe", {"models": ["openai/kept"] * 101}),
    )
    assert "neither a date" in wrong
    assert "no model 'qwen/dear' was ever listed; did you mean qwen/dearer?" in unknown
    assert "qwen/dearer was first listed at " in early
    assert "these are 101 ids; ask about 100 at a time" in many


def test_old_models_are_not_taken_for_todays(mine: Watcher) -> None:
    import mcp

    server = make_server(load_config(mine.folder / "config.toml", {}), lambda: datetime.now(UTC) + timedelta(days=9))

    async def talk() -> Any:
        async with mcp.Client(server) as client:
            return await client.call_tool("is_model_safe", {"models": ["openai/kept"]})

    answer = anyio.run(talk)
    assert answer.is_error and "run `watcher --check` first" in answer.content[0].text


@pytest.mark.slow
def test_it_talks_on_stdin_and_stdout(mine: Watcher) -> None:
    (answer,) = ask(mine, ("is_model_safe", {"models": ["openai/kept"]}), stdio=True)
    assert answer["models"][0]["safe"] is True


def test_without_the_sdk_the_command_names_the_extra(mine: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp.server.mcpserver", None)
    done = mine.run_here("mcp")
    assert done.code == 64 and 'pip install "openrouter-watcher[mcp]"' in done.err
