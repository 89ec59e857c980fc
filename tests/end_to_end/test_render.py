"""`watcher render`, and what `config check` and a real check make of a channel's own words."""

import json
from collections.abc import Iterator

import pytest

from testkit.command import Command
from testkit.receivers import Sink
from tests.end_to_end.test_check import GONE, HAIKU, NEWCOMER, story
from watcher.catalog.model import KINDS
from watcher.simulator import Simulator, story_scenes

STORE = '[store]\nurl = "sqlite:///w.db"\n[announce]\nsettle = "0s"\n'
BODY = "body_template = '''\n{% for e in events %}*{{ e.kind }}* {{ e.model }}\n{% endfor %}'''\n"


def channel(name: str, url: str, more: str = "") -> str:
    return f'[[channels]]\nname = "{name}"\nurl = "{url}"\n{more}'


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(story_scenes(story())) as simulator:
        yield simulator


@pytest.fixture
def changed(command: Command, simulator: Simulator) -> str:
    """A database with one new model, one cheaper and one expired; returns the configuration without channels."""
    config = f'[source]\nurl = "{simulator.url}"\n{STORE}'
    command.configure(config)
    command.run("--check")
    simulator.advance()
    for _ in range(2):
        assert command.run("--check").code == 0
    return config


def test_without_a_channel_the_sample_is_shown_as_it_would_be_printed(command: Command) -> None:
    command.configure(STORE)
    code, out, err = command.run("render")
    assert (code, err) == (0, "")
    assert "example/test-6" in out
    assert "This is a test" in out
    assert not (command.folder / "w.db").exists()


def test_the_sample_has_every_kind_and_each_channel_gets_its_format(command: Command) -> None:
    command.configure(
        STORE + channel("chat", "slack://AAAAAAAAA/BBBBBBBBB/cccccccccccccccccccccccc")
        + channel("mail", "mailto://me:secret@example.org?to=a@b.example") + channel("hook", "json://127.0.0.1:9")
    )  # fmt: skip
    shown = json.loads(command.run("render", "--json").out)
    assert [(message["channel"], message["format"]) for message in shown] == [
        ("chat", "slack"), ("mail", "html"), ("hook", "text"),
    ]  # fmt: skip
    assert all(len(message["events"]) >= len(KINDS) for message in shown)
    assert shown[1]["body"].startswith("<!DOCTYPE html>")
    plain = command.run("render").out
    assert "----- chat (slack)\n" in plain
    assert shown[0]["body"] in plain
    assert "secret" not in plain


def test_the_channels_own_words_are_shown(command: Command) -> None:
    command.configure(STORE + channel("hook", "json://127.0.0.1:9", BODY + 'title_template = "{{ count }} things"\n'))
    code, out, _ = command.run("render", "--sample")
    assert code == 0
    assert out.startswith("16 things\n\n*expired* example/test-1:free\n")


@pytest.mark.parametrize("format", ["text", "markdown", "slack", "telegram", "html"])
def test_a_format_can_be_asked_for_and_needs_no_url(command: Command, format: str) -> None:
    command.configure(STORE + '[[channels]]\nname = "hook"\nurl_env = "NOT_SET"\n')
    (message,) = json.loads(command.run("render", "--format", format, "--json").out)
    assert message["format"] == format
    assert command.run("render").code == 78


def test_a_long_message_is_shown_in_its_parts(command: Command) -> None:
    command.configure(STORE + channel("chat", f"pover://{'u' * 30}@{'t' * 30}"))
    shown = json.loads(command.run("render", "--json").out)
    assert len(shown) > 1
    assert shown[0]["title"].endswith(f"(1/{len(shown)})")


def test_stored_events_go_through_the_rules_of_the_channel(command: Command, changed: str) -> None:
    command.configure(changed + channel("hook", "json://127.0.0.1:9", 'events = ["new", "expired"]\n' + BODY))
    assert (
        command.run("render", "--since", "1d").out
        == f"Qwen3 Coder 480B A35B (free) gone, GPT-5.2-Codex new\n\n*expired* {GONE}\n*new* {NEWCOMER}\n\n"
    )
    assert command.run("render", "--since", "2999-01-01").out == ""
    assert json.loads(command.run("render", "--since", "2999-01-01", "--json").out) == []


def test_events_are_chosen_by_the_start_of_their_ids(command: Command, changed: str) -> None:
    command.configure(changed + channel("hook", "json://127.0.0.1:9", 'events = ["new"]\n' + BODY))
    ids = {told["model"]: told["id"] for told in json.loads(command.run("changes", "--json").out)}
    code, out, _ = command.run("render", "--event", ids[HAIKU], "--event", ids[GONE][:8])
    assert code == 0
    assert f"*expired* {GONE}\n*repriced* {HAIKU}\n" in out
    assert command.run("render", "--event", "zzz").code == 64
    many = command.run("render", "--event", "")
    assert (many.code, "give more of the id" in many.err) == (64, True)


@pytest.mark.parametrize(
    "arguments",
    [("--sample", "--since", "1d"), ("--event", "x", "--sample"), ("--channel", "nobody"), ("--format", "x")],
)
def test_what_makes_no_sense_is_refused(command: Command, arguments: tuple[str, ...]) -> None:
    command.configure(STORE)
    code, out, err = command.run("render", *arguments)
    assert (code, out) == (64, "")
    assert len(err.splitlines()) == 1


def test_a_url_that_nobody_serves_is_named_without_it(command: Command) -> None:
    command.configure(STORE + channel("team", "slcak://hunter2/x"))
    code, _, err = command.run("render")
    assert code == 78
    assert 'channel "team"' in err
    assert "hunter2" not in err


def test_a_broken_template_shows_what_is_sent_instead(command: Command) -> None:
    command.configure(STORE + channel("hook", "json://127.0.0.1:9", 'body_template = "{{ nothing }}"\n'))
    code, out, _ = command.run("render")
    assert code == 0
    assert out.endswith("The template of this channel failed: body_template: line 1: 'nothing' is undefined.\n\n")


def test_a_check_sends_the_channels_own_words(command: Command, simulator: Simulator, sink: Sink) -> None:
    own = channel("hook", f"json://{sink.address}", BODY + 'title_template = "{{ count }} things"\n')
    command.configure(f'[source]\nurl = "{simulator.url}"\n{STORE}{own}')
    command.run("--check")
    simulator.advance()
    assert command.run("--check").code == 0
    assert sink.json()["title"] == "2 things"
    assert sink.json()["message"].strip() == f"*repriced* {HAIKU}\n*new* {NEWCOMER}"


def test_config_check_names_file_channel_key_and_line(command: Command) -> None:
    (command.folder / "team.j2").write_text("one\ntwo\n{{ evnts }}\n")
    more = 'title_template = "{{ title"\nbody_template_file = "team.j2"\n'
    missing = channel("other", "json://127.0.0.1:9", 'body_template_file = "no.j2"\n')
    command.configure(STORE + channel("team", "json://127.0.0.1:9", more) + missing)
    code, out, err = command.run("config", "check")
    where = f"watcher: {command.folder / 'config.toml'}: channel"
    assert (code, out) == (78, "")
    assert err.splitlines() == [
        f"{where} \"team\": title_template: line 1: unexpected end of template, expected 'end of print statement'",
        f"{where} \"team\": body_template_file: {command.folder}/team.j2: line 3: 'evnts' is undefined",
        f'{where} "other": body_template_file: {command.folder}/no.j2: cannot be read: No such file or directory',
    ]


def test_config_check_passes_what_is_right(command: Command) -> None:
    command.configure(STORE + channel("team", "json://127.0.0.1:9", BODY))
    assert command.run("config", "check").code == 0


def test_the_body_is_given_once(command: Command) -> None:
    command.configure(STORE + channel("team", "json://127.0.0.1:9", BODY + 'body_template_file = "x"\n'))
    code, _, err = command.run("--check")
    assert code == 78
    assert 'channels[1] "team": body_template_file: body_template is set, too; expected only one of them' in err
