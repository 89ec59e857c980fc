"""The command with the endpoints of my models, and with an account's list: what it shows and says."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.command import Command
from watcher.simulator import Fault, Simulator, StorySource, story_by_name

HAIKU = "anthropic/claude-haiku-4.5"


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(StorySource(story_by_name("demo"))) as running:
        yield running


@pytest.fixture
def watcher(tmp_path: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Command:
    for name in ("OPENROUTER_API_KEY", "CREDENTIALS_DIRECTORY", "WATCHER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    command = Command(tmp_path)
    configure(command, simulator, 'endpoints = "mine"')
    return command


def configure(command: Command, simulator: Simulator, *lines: str) -> None:
    source = "\n".join([f'url = "{simulator.url}"', *lines])
    command.configure(f'[source]\n{source}\n[store]\nurl = "sqlite:///w.db"\n[mine]\nmodels = ["{HAIKU}"]\n')


def test_show_has_a_table_of_the_providers_cheapest_first(watcher: Command, simulator: Simulator) -> None:
    for _ in range(3):
        simulator.advance()
    assert [watcher.run("--check").code for _ in range(2)] == [0, 0]
    shown = watcher.run("show", HAIKU).out
    table = shown[shown.index("providers, ") :].splitlines()[:4]
    assert re.fullmatch(
        r"providers, \S+ \S+ UTC +prompt/M +completion/M +context +uptime +quantization +state", table[0]
    )
    assert [re.split(" {2,}", line)[:4] for line in table[1:]] == [
        ["Anthropic (anthropic)", "$0.80", "$4", "200K"],
        ["Amazon Bedrock (amazon-bedrock)", "$1", "$5", "200K"],
        ["Google (google-vertex)", "$1", "$5", "200K"],
    ]
    assert all(line.endswith("up") for line in table[1:])
    found = watcher.run("show", HAIKU, "--json").json["endpoints"]
    assert found["error"] is None and found["asked"] == found["answered"]
    first = found["providers"][0]
    assert first["provider"] == {"name": "Anthropic", "tag": "anthropic", "quantization": None}
    assert first["offer"]["prices"]["prompt"] == "0.0000008" and first["measured"]["status"] == 0


def test_show_of_a_model_that_nobody_asked_about_has_no_providers(watcher: Command) -> None:
    watcher.run("--check")
    assert "providers, " not in watcher.run("show", HAIKU).out
    shown = watcher.run("show", HAIKU, "--json").json
    assert "endpoints" not in shown and " " in shown["facets"]["description"]


def test_endpoints_that_cannot_be_read_are_in_the_output_and_the_status(watcher: Command, simulator: Simulator) -> None:
    watcher.run("--check")
    simulator.set_fault(Fault.named("404", path="*/endpoints"))
    checked = watcher.run("--check")
    assert checked.code == 0
    assert (
        f"the endpoints of {HAIKU} were not read: {simulator.url}/models/{HAIKU}/endpoints: answered 404" in checked.err
    )
    status = watcher.run("status")
    assert status.code == 0, "the list is read, so the watcher is healthy"
    assert f"the endpoints of {HAIKU} were not read: " in status.out
    assert list(watcher.run("status", "--json").json["endpoints_failing"]) == [HAIKU]


def test_an_account_without_a_key_is_a_mistake_of_the_configuration(watcher: Command, simulator: Simulator) -> None:
    configure(watcher, simulator, "account = true")
    for arguments in (("--check",), ("config", "check")):
        done = watcher.run(*arguments)
        assert done.code == 78
        assert "source.account: it needs an API key: set OPENROUTER_API_KEY or source.api_key_file" in done.err


def test_a_key_that_is_refused_is_named_by_its_place(watcher: Command, simulator: Simulator, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-or-v1-hidden")
    configure(watcher, simulator, "account = true", 'api_key_file = "key"')
    assert watcher.run("config", "check").code == 0
    simulator.set_fault(Fault.named("401"))
    done = watcher.run("--check")
    assert done.code == 69
    assert f"check the API key in source.api_key_file '{tmp_path / 'key'}'" in done.err
    assert "hidden" not in done.err + done.out
    simulator.clear_fault()
    assert watcher.run("--check").code == 0
    assert {request.path for request in simulator.requests[1:]} == {"/api/v1/models/user"}
