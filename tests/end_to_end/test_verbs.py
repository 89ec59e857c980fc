"""What the verbs answer: listings, charts, channels, the configuration, status and replay."""

import json
import re
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from testkit.command import Command, Watcher
from testkit.receivers import Sink
from tests.end_to_end.captures import BEFORE, FRESH, NEWS, STORY, TWO, hour, record
from tests.store.samples import HOUR, START, Polls, document, unfit
from watcher.catalog.feed import FeedModel
from watcher.cli.output import print_json
from watcher.simulator import Fault, Simulator, story_by_name, story_scenes
from watcher.store.store import Store

CONFIG = '[source]\nurl = "{url}"\n[store]\nurl = "sqlite:///w.db"\n'


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the story imported. Copy it."""
    watcher = Watcher(tmp_path_factory.mktemp("imported"))
    watcher.configure(CONFIG.format(url="http://127.0.0.1:9/api/v1"))
    assert watcher.run("import", str(record(watcher.folder / "story", STORY))).code == 0
    return watcher.folder


@pytest.fixture
def past(imported: Path, command: Command) -> Command:
    """A folder with that database."""
    shutil.copytree(imported, command.folder, dirs_exist_ok=True)
    return command


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(story_scenes(story_by_name("quiet"))) as simulator:
        yield simulator


def first_words(out: str) -> list[str]:
    return [line.split()[0] for line in out.splitlines()[1:]]


def table(out: str) -> list[list[str]]:
    return [re.split(r"  +", line.strip()) for line in out.splitlines()]


# models


def test_models_lists_what_is_there_now_with_prices_per_million_tokens(past: Command) -> None:
    code, out, err = past.run("models")
    assert (code, err) == (0, "")
    assert table(out) == [
        ["model", "name", "prompt", "completion", "context"],
        ["a/one", "Name of a/one", "$1", "$4", "128K"],
        ["b/two", "Name of b/two", "free", "$4", "128K"],
        ["c/gone", "Name of c/gone", "$1", "$4", "128K"],
        ["d/fresh", "Name of d/fresh", "$1", "$4", "128K"],
    ]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("FRESH", ["d/fresh"]),
        ("Name of b", ["b/two"]),
        ("two", ["b/two"]),
        ("a/one Name", ["a/one"]),
        ("A/*", ["a/one"]),
        ("?/*ne", ["a/one", "c/gone"]),
        ("*one", ["a/one", "c/gone"]),
        ("nowhere", []),
        ("", ["a/one", "b/two", "c/gone", "d/fresh"]),
        (".*", []),
        ("[", []),
    ],
)
def test_models_holds_the_text_in_its_id_or_name(past: Command, text: str, ids: list[str]) -> None:
    code, out, _ = past.run("models", text)
    assert (code, first_words(out)) == (0 if ids else 1, ids)


@pytest.mark.parametrize(
    ("moment", "ids"),
    [
        (hour(0) - BEFORE, []),
        (hour(0), ["a/one", "b/two", "c/gone", "c/gone:free"]),
        (hour(2) - BEFORE, ["a/one", "b/two", "c/gone", "c/gone:free"]),
        (hour(2), ["a/one", "b/two", "c/gone", "c/gone:free", "d/fresh"]),
        (hour(3), ["a/one", "b/two", "c/gone", "d/fresh"]),
        (hour(10**6), ["a/one", "b/two", "c/gone", "d/fresh"]),
    ],
)
def test_models_as_of_a_moment(past: Command, moment: Any, ids: list[str]) -> None:
    code, out, _ = past.run("models", "--as-of", moment.isoformat())
    assert (code, first_words(out)) == (0 if ids else 1, ids)


def test_models_as_of_shows_the_prices_of_then(past: Command) -> None:
    (then,) = json.loads(past.run("models", "a/one", "--as-of", "2026-01-04T12:30Z", "--json").out)
    (now,) = json.loads(past.run("models", "a/one", "--json").out)
    assert (then["offer"]["prices"]["prompt"], now["offer"]["prices"]["prompt"]) == ("0.000002", "0.000001")
    assert set(now) == {"id", "name", "offer"}


@pytest.mark.parametrize(
    ("when", "before_it"),
    [
        *[
            (when, True)
            for when in ("7d", "36h", "1d12h", "7d ago", "7D", "yesterday", "Today", "9999-12-31T23:59:59Z")
        ],
        *[(when, False) for when in ("2026-01-04", "0001-01-01", "2026-01", "2026", "2026-01-04t12:00z")],
    ],
)
def test_moments_are_dates_or_how_long_ago(past: Command, when: str, before_it: bool) -> None:
    assert past.run("models", "--as-of", when).code == (0 if before_it or "12:00" in when else 1)
    assert past.run("changes", "--since", when).code == (1 if before_it else 0)


def test_a_month_is_its_first_moment(past: Command) -> None:
    assert len(news(past, "--since", "2026-01")) == 3
    assert past.run("changes", "--since", "2026-02").code == 1


@pytest.mark.parametrize(
    "when", ["", "2026-1", "7", "7 days", "-7d", "ago", "99999d", "2026-13-01", "0001-01-01T00:00+14:00", "9" * 5000]
)
def test_what_is_no_moment_is_refused_in_one_line(past: Command, when: str) -> None:
    code, out, err = past.run("models", "--as-of", when)
    assert (code, out) == (64, "")
    assert "neither a date such as 2026-01-04, yesterday or 2026-01, nor a time ago" in err
    assert len(err.splitlines()) == 1


# show


def test_show_tells_what_a_model_is_and_what_it_went_through(past: Command) -> None:
    code, out, err = past.run("show", "a/one")
    assert (code, err) == (0, "")
    assert out.startswith(
        "Name of a/one  (a/one)\nhttps://openrouter.ai/a/one\nfirst seen 2026-01-04 12:00 UTC, listed"
    )
    assert ["prompt", "$1", "per 1M tokens"] in table(out)
    assert ["2026-01-04 12:00", "appeared", "prompt $2, completion $4"] in table(out)
    assert re.search(r"^2026-01-04 13:00  repriced  prompt: \$2 → \$1.*−50", out, re.MULTILINE)


def test_show_of_a_model_that_is_gone(past: Command) -> None:
    out = past.run("show", "c/gone:free").out
    assert "gone; last seen 2026-01-04 14:00 UTC" in out
    assert "last price" in out
    assert ["2026-01-04 15:00", "gone"] in table(out)


def test_show_as_json_has_every_known_value(past: Command) -> None:
    shown = json.loads(past.run("show", "a/one", "--json").out)
    assert set(shown) == {"model", "facets", "offer", "history"}
    assert [(turn["at"], turn["what"]) for turn in shown["history"]] == [
        ("2026-01-04T12:00:00Z", "appeared"),
        ("2026-01-04T13:00:00Z", "repriced"),
    ]
    assert shown["history"][1]["prices"] == {"prompt": {"old": "0.000002", "new": "0.000001", "change": "-50.00%"}}
    assert shown["model"]["first_seen"] == "2026-01-04T12:00:00Z"


@pytest.mark.parametrize("verb", ["show", "chart"])
@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("A/One", "a/one"),
        ("one", "a/one, c/gone, c/gone:free"),
        ("d/frehs", "d/fresh"),
        ("b-two", "b/two"),
        ("gone", "c/gone, c/gone:free"),
    ],
)
def test_a_misspelt_id_is_answered_with_those_that_may_be_meant(
    past: Command, verb: str, typed: str, meant: str
) -> None:
    code, out, err = past.run(verb, typed)
    assert (code, out) == (64, "")
    assert err.endswith(f"; did you mean {meant}?\n")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("verb", ["show", "chart"])
@pytest.mark.parametrize(
    "typed", ["", "zzzzzz", "\x1b[31mred", "x\ny", "\u202e", "'; DROP TABLE models --", "%", "x" * 100_000, "\udcff"]
)
def test_an_id_that_is_like_no_other_is_refused_harmlessly(past: Command, verb: str, typed: str) -> None:
    code, out, err = past.run(verb, typed)
    assert (code, out) == (64, "")
    assert len(err.splitlines()) == 1
    assert len(err) < 500
    assert not set(err) & {"\x1b", "\u202e", "\udcff"}
    assert len(first_words(past.run("models").out)) == 4


def test_a_model_that_only_the_feed_knows(command: Command, simulator: Simulator) -> None:
    command.configure(CONFIG.format(url=simulator.url))
    command.run("--check")
    with sqlite3.connect(command.folder / "w.db") as connection:
        connection.execute(
            "UPDATE models SET listed = 0, present = 0 WHERE id = (SELECT id FROM models ORDER BY id LIMIT 1)"
        )
        connection.execute("DELETE FROM versions WHERE model = (SELECT id FROM models ORDER BY id LIMIT 1)")
        (model,) = connection.execute("SELECT id FROM models ORDER BY id LIMIT 1").fetchone()
    code, out, err = command.run("show", model)
    assert (code, err) == (0, "")
    assert "in the RSS feed only, not yet listed" in out
    assert command.run("show", model, "--json").code == 0
    assert command.run("chart", model).code == 64


# changes


def news(command: Command, *filters: str) -> list[tuple[str, str]]:
    code, out, err = command.run("changes", *filters, "--json")
    found = [(event["kind"], event["model"]) for event in json.loads(out)]
    assert (code, bool(err)) == ((0, False) if found else (1, True))
    return found


def test_changes_lists_what_was_announced_oldest_first(past: Command) -> None:
    code, out, err = past.run("changes")
    assert (code, err) == (0, "")
    ids = {event["model"]: event["id"] for event in json.loads(past.run("changes", "--json").out)}
    rows = [row[:4] for row in table(out)[1:]]
    assert sorted(rows) == sorted([f"2026-01-04 {12 + n}:00", ids[model], kind, model] for kind, model, n in NEWS)
    assert rows == sorted(rows, key=lambda row: row[0])
    assert "prompt: $2 → $1" in out
    assert all(line.endswith(" (imported)") for line in out.splitlines()[1:])


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ((), [0, 1, 2]),
        (("--kind", "new"), [0]),
        (("--kind", "NEW", "--kind", "Repriced"), [0, 2]),
        (("--kind", "source_failing"), []),
        (("--model", "a/one"), [2]),
        (("--model", "A/ONE"), []),
        (("--model", "a/one", "--kind", "new"), []),
        (("--since", "2026-01-04T14:00:00"), [0, 1, 2]),
        (("--since", "2026-01-04T14:00:01"), [1, 2]),
        (("--since", "2026-01-04T16:00+01:00"), [1, 2]),
        (("--since", "2026-01-05"), []),
        (("--limit", "2"), [1, 2]),
        (("--limit", "1000000000"), [0, 1, 2]),
        (("--limit", "1", "--model", "d/fresh"), [0]),
    ],
)
def test_changes_can_be_narrowed(past: Command, filters: tuple[str, ...], expected: list[int]) -> None:
    assert sorted(news(past, *filters)) == sorted(NEWS[n][:2] for n in expected)


@pytest.mark.parametrize("how", [(), ("--json",)])
def test_changes_tells_on_stderr_that_records_lie_in_the_future(past: Command, how: tuple[str, ...]) -> None:
    before = past.run("changes", *how)
    with sqlite3.connect(past.folder / "w.db") as connection:
        connection.execute("UPDATE events SET at = '2096-02-03 04:05:06.000000' WHERE kind = 'new'")
    connection.close()
    code, out, err = past.run("changes", *how)
    assert code == 0
    assert sorted(out) == sorted(before.out)
    assert err == (
        "watcher: 1 record lies in the future, up to 2096-02-03 04:05 UTC: "
        "the clock was wrong when it was made, or is wrong now\n"
    )


@pytest.mark.parametrize(
    "wrong", [("--kind", "nwe"), ("--limit", "0"), ("--limit", "-1"), ("--limit", "9" * 30), ("--limit", "x"), ("x",)]
)
def test_changes_refuses_what_it_does_not_know(past: Command, wrong: tuple[str, ...]) -> None:
    code, out, err = past.run("changes", *wrong)
    assert (code, out, len(err.splitlines())) == (64, "", 1)


# chart


def test_chart_on_a_pipe_lists_every_price_from_when_it_held(past: Command) -> None:
    code, out, err = past.run("chart", "a/one", "--price", "prompt")
    assert (code, err) == (0, "")
    assert table(out)[1:] == [
        ["2026-01-04 12:00", "prompt", "$2", "per 1M tokens"],
        ["2026-01-04 13:00", "prompt", "$1", "per 1M tokens"],
        ["2026-01-04 16:00", "prompt", "$1", "per 1M tokens"],
    ]


def test_chart_as_json_gives_each_key_its_times_and_prices(past: Command) -> None:
    shown = json.loads(past.run("chart", "c/gone:free", "--json").out)
    assert shown["model"] == "c/gone:free"
    assert list(shown["prices"]) == ["prompt", "completion"]
    assert shown["prices"]["prompt"] == [
        ["2026-01-04T12:00:00Z", "0"],
        ["2026-01-04T15:00:00Z", None],
        ["2026-01-04T16:00:00Z", None],
    ]


def test_chart_from_a_moment_on_begins_with_the_price_of_then(past: Command) -> None:
    shown = json.loads(past.run("chart", "a/one", "--since", "2026-01-04T12:30", "--price", "prompt", "--json").out)
    assert [price for _, price in shown["prices"]["prompt"]] == ["0.000002", "0.000001", "0.000001"]
    assert shown["prices"]["prompt"][0][0] == "2026-01-04T12:30:00Z"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (("--since", "2099-01-01"), "the last good poll was at 2026-01-04 16:00 UTC"),
        (("--price", "promt"), "never had a price for 'promt'; it has completion, prompt"),
        (("--price", "prompt", "--price", "image"), "never had a price for 'image'"),
    ],
)
def test_chart_draws_nothing_where_nothing_is_known(past: Command, wrong: tuple[str, ...], says: str) -> None:
    code, out, err = past.run("chart", "a/one", *wrong)
    assert (code, out) == (64, "")
    assert says in err
    assert len(err.splitlines()) == 1


def test_chart_does_not_suggest_the_id_that_was_typed(command: Command) -> None:
    command.configure('[store]\nurl = "sqlite:///feed.db"\n')
    with Store.open(f"sqlite:///{command.folder}/feed.db") as store:
        free = document("f/free", pricing={"prompt": "0", "completion": "0"})
        for number in range(2):
            Polls(store).see(
                free, document("f/once"), at=START + number * HOUR, feed=[FeedModel("f/feed", "Feed only")]
            )
    code, _, err = command.run("chart", "f/feed")
    assert code == 64 and "nothing is known of the prices of 'f/feed'" in err and "did you mean f/feed" not in err
    code, _, err = command.run("chart", "f/free", "--output", "a.svg")
    assert code == 64 and "'f/free' has no price to draw" in err and not (command.folder / "a.svg").exists()


def test_chart_writes_a_picture(past: Command) -> None:
    assert past.run("chart", "a/one", "--output", "a.svg") == (0, "", "")
    drawn = ElementTree.parse(past.folder / "a.svg").getroot()
    title = drawn.find("{http://www.w3.org/2000/svg}title")
    assert title is not None and (title.text or "").startswith("Prices of a/one, USD per 1M tokens")
    assert "a/one prompt $1/M" in [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    pytest.importorskip("PIL")
    assert past.run("chart", "a/one", "--output", "a.png") == (0, "", "")
    assert (past.folder / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("name", "says"),
    [("a.gif", "ends neither in .svg nor in .png"), ("none/a.svg", "cannot write 'none/a.svg': No such file")],
)
def test_chart_says_what_it_cannot_write(past: Command, name: str, says: str) -> None:
    code, out, err = past.run("chart", "a/one", "--output", name)
    assert (code, out) == (64, "") and says in err


def test_chart_without_pillow_writes_no_png_and_says_what_to_install(
    past: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    code, _, err = past.run("chart", "a/one", "--output", "a.png")
    assert code == 69 and "openrouter-watcher[chart]" in err and not (past.folder / "a.png").exists()


# channels


def channel(name: str, address: str, more: str = "") -> str:
    return f'[[channels]]\nname = "{name}"\nurl = "json://user:secret@{address}/"\n{more}'


def test_channels_lists_what_each_wants_and_what_waits_without_secrets(
    command: Command, simulator: Simulator, sink: Sink
) -> None:
    more = 'models = ["a/*"]\nevents = ["new"]\nhealth = false\n'
    command.configure(CONFIG.format(url=simulator.url) + channel("hook", sink.address, more))
    code, out, err = command.run("channels")
    assert (code, err) == (0, "")
    assert table(out) == [
        ["channel", "service", "pending", "models", "events"],
        ["hook", "json://…(hidden)", "0", "a/*", "new"],
    ]
    (shown,) = json.loads(command.run("channels", "--json").out)
    assert (shown["name"], shown["events"], shown["pending"]) == ("hook", ["new"], 0)
    assert "secret" not in out + json.dumps(shown)


def test_channels_without_any_is_the_console(command: Command) -> None:
    assert table(command.run("channels").out)[1][:2] == ["console", "prints here"]


def test_channels_test_sends_a_marked_sample_to_one_or_all(command: Command, sink: Sink) -> None:
    command.configure(channel("hook", sink.address) + channel("other", sink.address))
    assert command.run("channels", "test", "hook") == (0, "hook: ok: sent\n", "")
    assert len(sink.requests) == 1
    assert "This is a test: none of this has happened." in sink.json()["message"]
    assert command.run("channels", "test") == (0, "hook: ok: sent\nother: ok: sent\n", "")
    assert len(sink.requests) == 3
    ids = [event["id"] for request in sink.requests for event in json.loads(request.body)["events"]]
    assert len(set(ids)) == len(ids), "so no Message-ID of a mail is repeated"
    assert not list(command.folder.glob("*.db*")), "it needs no database"


@pytest.mark.parametrize(
    ("rules", "kind", "direction"),
    [
        ("", "new", None),
        ('events = ["repriced"]', "repriced", "down"),
        ('events = ["repriced"]\ndirection = "up"\nmodels = ["a/*"]', "repriced", "up"),
        ('events = ["catalog_suspect"]', "catalog_suspect", None),
        ('events = ["source_failing"]\nhealth = false', "expired", None),
    ],
)
def test_channels_test_says_that_it_works_with_one_example_of_what_the_channel_gets(
    command: Command, sink: Sink, rules: str, kind: str, direction: str | None
) -> None:
    command.configure(channel("hook", sink.address, rules))
    assert command.run("channels", "test").code == 0
    assert sink.json()["title"].startswith("It works (test): ")
    assert [(event["kind"], event["direction"]) for event in sink.json()["events"]] == [(kind, direction)]


def test_channels_test_says_which_failed_and_why(command: Command, sink: Sink) -> None:
    command.configure(channel("hook", sink.address) + channel("dead", "127.0.0.1:9"))
    sink.status = 403
    code, out, err = command.run("channels", "test")
    assert (code, err) == (75, "")
    assert [line[:13] for line in out.splitlines()] == ["hook: failed:", "dead: failed:"]
    assert "403" in out
    assert "secret" not in out


def test_channels_test_of_one_that_is_not_there_names_those_that_are(command: Command, sink: Sink) -> None:
    command.configure(channel("hook", sink.address))
    assert command.run("channels", "test", "hok") == (
        64,
        "",
        "watcher: there is no channel 'hok'; there are hook\n",
    )


def test_channels_test_on_the_console_prints(command: Command) -> None:
    code, out, _ = command.run("channels", "test")
    assert code == 0
    assert out.startswith("It works (test): ")


# config, through the root command


def test_config_verbs_take_the_file_named_before_them(command: Command) -> None:
    (command.folder / "other.toml").write_text('[source]\ninterval = "7m"\n')
    command.configure("nonsense")
    assert "interval: 7m" in command.run("--config", "other.toml", "config", "check").out
    assert 'interval = "7m"' in command.run("--config", "other.toml", "config", "show").out
    assert command.run("config", "check").code == 78
    assert command.run("--config", "none.toml", "config", "check").code == 78
    assert json.loads(command.run("config", "schema").out)["type"] == "object"


def test_config_init_writes_what_config_check_accepts(command: Command) -> None:
    assert command.run("config", "init", "--output", "config.toml").code == 0
    assert (command.folder / "config.toml").stat().st_mode & 0o077 == 0
    assert command.run("config", "check").code == 0
    code, out, err = command.run("config", "init", "--output", "config.toml")
    assert (code, out) == (64, "")
    assert "--force" in err


@pytest.mark.parametrize(
    "words",
    [
        ("config", "check", "--config", "other.toml"),
        ("config", "--config=other.toml", "check"),
        ("config", "check", "--verbose", "--config", "other.toml"),
        ("--verbose", "config", "--config", "other.toml", "check"),
    ],
    ids=" ".join,
)
def test_global_options_are_taken_after_the_command_too(command: Command, words: tuple[str, ...]) -> None:
    (command.folder / "other.toml").write_text('[source]\ninterval = "7m"\n')
    assert "interval: 7m" in command.run(*words).out


def test_a_global_option_after_the_command_is_refused_without_its_value(command: Command) -> None:
    code, out, err = command.run("status", "--config")
    assert (code, out) == (64, "")
    assert "--config" in err
    code, _, err = command.run("models", "--verbose", "--config", "none.toml")
    assert code == 78
    assert "Traceback" in err, "--verbose counts as well"
    assert command.run("models", "--version").out.startswith("watcher, version ")
    assert command.run("models", "--", "--config").code == 1, "a text to look for"


@pytest.mark.parametrize(("group", "typed"), [("config", "chek"), ("db", "bakup"), ("deliveries", "rety")])
def test_typos_below_a_command_are_answered_too(command: Command, group: str, typed: str) -> None:
    code, out, err = command.run(group, typed)
    assert (code, out, len(err.splitlines())) == (64, "", 1)
    assert "Did you mean" in err


@pytest.mark.parametrize("group", ["config", "channels"])
def test_help_is_not_an_error_message(command: Command, group: str) -> None:
    code, out, _ = command.run(group, "--help")
    assert code == 0
    assert out.startswith(f"Usage: watcher {group}")


def test_a_group_alone_shows_its_help_as_it_is(command: Command) -> None:
    code, out, err = command.run("config")
    assert (code, out) == (64, "")
    assert err.startswith("Usage: watcher config")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("check", "did you mean `watcher --check` or `watcher config check` or `watcher db check`?"),
        ("init", "did you mean `watcher config init`?"),
        ("test", "did you mean `watcher channels test`?"),
        ("help", "did you mean `watcher --help`?"),
        ("stauts", "did you mean `watcher status`?"),
        ("prices", "did you mean `watcher models`?"),
        ("list", "did you mean `watcher models`?"),
        ("search", "did you mean `watcher models`?"),
        ("frobnicate", "see `watcher --help`"),
    ],
)
def test_a_command_that_is_not_there_is_answered_with_what_may_be_meant(
    command: Command, typed: str, meant: str
) -> None:
    assert command.run(typed) == (64, "", f"watcher: there is no command {typed!r}; {meant}\n")


@pytest.mark.parametrize("group", [(), ("channels",), ("config",), ("db",), ("deliveries",)])
def test_what_a_command_does_is_told_in_one_whole_line(
    command: Command, group: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    listed = command.run(*group, "--help").out.partition("Commands:\n")[2].partition("\n\n")[0]
    assert listed
    assert [line for line in listed.splitlines() if not line.endswith(".") or line.endswith("...")] == []


def test_every_verb_has_a_help_of_one_screen(command: Command) -> None:
    listed = command.run("--help").out
    for verb in re.findall(r"^  ([a-z]+)  ", listed.partition("Commands:")[2], re.MULTILINE):
        code, out, err = command.run(verb, "--help")
        assert (code, err) == (0, "")
        assert len(out.splitlines()) < 40


# status


def test_status_before_the_first_check(command: Command) -> None:
    command.configure(CONFIG.format(url="http://127.0.0.1:9/api/v1"))
    code, out, err = command.run("status")
    assert (code, err) == (69, "")
    assert out.startswith("no database yet; run watcher --check\nlast good poll: never\n")
    shown = json.loads(command.run("status", "--json").out)
    assert (shown["healthy"], shown["last_poll"], shown["models"]) == (False, None, 0)


def test_status_of_a_healthy_source(command: Command, simulator: Simulator) -> None:
    command.configure(CONFIG.format(url=simulator.url))
    command.run("--check")
    code, out, err = command.run("status")
    assert (code, err) == (0, "")
    assert re.match(r"healthy: last checked \d{4}-\d\d-\d\d \d\d:\d\d UTC, 88 models\n", out)
    shown = json.loads(command.run("status", "--json").out)
    assert (shown["healthy"], shown["models"], shown["last_poll"]["outcome"]) == (True, 88, "good")


def test_status_explains_a_refused_catalogue(command: Command, simulator: Simulator) -> None:
    command.configure(CONFIG.format(url=simulator.url))
    command.run("--check")
    simulator.set_fault(Fault.named("empty", path="/api/v1/models*"))
    assert command.run("--check").code == 69
    code, out, err = command.run("status")
    assert (code, err) == (69, "")
    assert "the source is not believed since" in out
    assert "the list is empty" in out
    assert "88 models then" in out
    shown = json.loads(command.run("status", "--json").out)
    assert (shown["healthy"], shown["last_poll"]["outcome"]) == (False, "refused")


def test_status_of_a_source_that_fails_and_of_a_channel_that_waits(
    command: Command, simulator: Simulator, sink: Sink
) -> None:
    command.configure(CONFIG.format(url=simulator.url) + channel("hook", sink.address, 'events = ["source_failing"]\n'))
    command.run("--check")
    sink.status = 500
    simulator.set_fault(Fault.named("404"))
    for _ in range(3):
        command.run("--check")
    code, out, _ = command.run("status")
    assert code == 69
    assert "the source cannot be read, 3 polls in a row" in out
    assert "404" in out
    assert "channel hook: 1 delivery waits" in out
    simulator.set_fault(None)
    sink.status = 200
    command.run("--check")
    code, out, _ = command.run("status")
    assert code == 75, "the alert is tried again later, and the channel is not known to work until then"
    assert out.startswith("the source is healthy, a channel is not")


# replay


def test_replay_reports_what_would_have_been_sent_when(past: Command) -> None:
    code, out, err = past.run("replay", "story")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "2026-01-04 14:00  console: New: Name of d/fresh"
    assert lines[1] == "2026-01-04 16:00  console: Name of c/gone:free gone, Name of a/one −50%"
    assert ["total", "1", "1", "1", "3"] in table(out)
    assert lines[-2:] == ["5 snapshots", "console: 2 messages"]


def test_replay_as_json_is_one_event_a_line_in_order(past: Command) -> None:
    code, out, err = past.run("replay", "story", "--json")
    events = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert [(event["kind"], event["model"], event["at"]) for event in events] == [
        (kind, model, f"{hour(n):%Y-%m-%dT%H:%M:%SZ}") for kind, model, n in NEWS
    ]
    imported = json.loads(past.run("changes", "--json").out)
    assert {event["id"] for event in events} == {event["id"] for event in imported}, "the same news, the same ids"


def test_replay_sends_nothing_and_stores_nothing(command: Command, sink: Sink) -> None:
    command.configure(CONFIG.format(url="http://127.0.0.1:9/api/v1") + channel("hook", sink.address))
    code, out, _ = command.run("replay", str(record(command.folder / "story", STORY)))
    assert code == 0
    assert out.endswith("hook: 2 messages\n")
    assert sink.requests == []
    assert not list(command.folder.glob("w.db*"))


def test_replay_sends_a_digest_when_it_is_due_and_says_what_is_left(command: Command, sink: Sink) -> None:
    command.configure(channel("hook", sink.address, 'digest = "daily 15:00"\n') + channel("all", sink.address))
    out = command.run("replay", str(record(command.folder / "story", STORY))).out
    assert out.splitlines()[:3] == [
        "2026-01-04 14:00  all: New: Name of d/fresh",
        "2026-01-04 15:00  hook: New: Name of d/fresh",
        "2026-01-04 16:00  all: Name of c/gone:free gone, Name of a/one −50%",
    ]
    assert out.splitlines()[-2:] == ["hook: 1 message; 2 events would go later", "all: 2 messages"]


def test_replay_compares_two_configurations_side_by_side(command: Command, sink: Sink) -> None:
    command.configure(channel("hook", sink.address))
    other = "[announce]\nconfirm_expired = 9\n" + channel("hook", sink.address, 'digest = "daily 09:00"\n')
    (command.folder / "other.toml").write_text(other + channel("me", sink.address))
    story = str(record(command.folder / "story", STORY))
    code, out, err = command.run("replay", story, "--compare", "other.toml")
    assert (code, err) == (0, "")
    assert table(out) == [
        [f"{command.folder}/config.toml", "other.toml"],
        ["expired", "1", "0"],
        ["repriced", "1", "1"],
        ["new", "1", "1"],
        ["events", "3", "2"],
        ["messages to hook", "2", "0"],
        ["messages to me", "0", "2"],
        ["most in a day", "2", "2"],
    ]
    assert command.run("replay", story, "--compare", "other.toml", "--json").code == 64
    assert command.run("replay", story, "--compare", "missing.toml").code == 78


def test_replay_takes_the_users_own_settings_and_rules(command: Command, sink: Sink) -> None:
    config = '[announce]\nsettle = "0s"\nconfirm_expired = 1\n'
    rules = [
        channel("free", sink.address, "free_only = true\n"),
        channel("cuts", sink.address, 'events = ["repriced"]\nmin_change = "60%"\n'),
        channel("ones", sink.address, 'models = ["a/*"]\n'),
    ]
    command.configure(config + "".join(rules))
    out = command.run("replay", str(record(command.folder / "story", STORY))).out
    assert out.splitlines()[:2] == [
        "2026-01-04 13:00  ones: Name of a/one −50%",
        "2026-01-04 15:00  free: Name of c/gone:free is gone",
    ]
    assert out.splitlines()[-3:] == ["free: 1 message", "cuts: 0 messages", "ones: 1 message"]


def test_replay_adds_up_a_channels_small_changes_as_a_check_does(command: Command, sink: Sink) -> None:
    command.configure(
        '[announce]\nsettle = "0s"\n' + channel("hook", sink.address, 'min_change = "5%"\n') + channel("all", "x")
    )
    prices = ("1", "1.03", "1.06", "1.07")
    story = {float(n): [document("a/one", price)] for n, price in enumerate(prices)}
    out = command.run("replay", str(record(command.folder / "story", story))).out
    assert [line for line in out.splitlines() if "  hook: " in line] == [
        "2026-01-04 14:00  hook: Name of a/one +6%",
    ]
    assert out.splitlines()[-1] == "all: 2 messages", "the last step is under one percent"


def test_replay_of_several_archives_goes_by_time_whatever_their_order(past: Command) -> None:
    early = record(past.folder / "early", {n: STORY[n] for n in (0, 2, 4)})
    late = record(past.folder / "late", {n: STORY[n] for n in (1, 2, 3)})
    whole = past.run("replay", "story")
    assert past.run("replay", str(early), str(late)) == whole
    assert past.run("replay", str(late), str(early)) == whole


def test_replay_names_what_is_broken_and_goes_on(past: Command) -> None:
    broken: dict[float, Any] = {
        **STORY,
        0.5: b"<html>",
        1.5: b"",
        2.5: b'{"data": []}',
        3.5: [unfit("b/two"), *STORY[4][2:]],
    }
    folder = record(past.folder / "broken", broken)
    (folder / "notes.txt").write_text("no capture")
    code, out, err = past.run("replay", str(folder), "--json")
    kinds = [json.loads(line)["kind"] for line in out.splitlines()]
    assert (code, kinds) == (0, ["new", "catalog_suspect", "expired", "repriced"])
    said = err.splitlines()
    assert all(line.startswith("watcher: ") for line in said)
    assert any("notes.txt" in line and "skipped" in line for line in said)
    assert any("2026-01-04T13-30-00Z.json is empty" in line for line in said)
    assert any("2026-01-04 12:30: not believed: not JSON" in line for line in said)
    assert any("2026-01-04 14:30: not believed: the list is empty" in line for line in said)
    assert any("pricing cannot be read of b/two" in line for line in said)


@pytest.mark.parametrize("verb", ["replay", "import"])
@pytest.mark.parametrize("archive", ["nowhere", "git+nowhere#x.json", "empty", "config.toml", "x\0y"])
def test_an_archive_that_is_none_is_refused_before_anything_is_done(past: Command, verb: str, archive: str) -> None:
    (past.folder / "empty").mkdir()
    before = past.run("changes", "--json").out
    code, out, err = past.run(verb, "story", archive)
    assert (code, out, len(err.splitlines())) == (64, "", 1)
    assert past.run("changes", "--json").out == before


def test_replay_and_import_want_an_archive(command: Command) -> None:
    assert command.run("replay").code == 64
    assert command.run("import").code == 64


# all listings


LISTINGS = [("models",), ("changes",), ("show", "a/one"), ("chart", "a/one"), ("deliveries",)]


@pytest.mark.parametrize("listing", LISTINGS, ids=" ".join)
def test_without_a_database_a_listing_says_so_and_makes_none(command: Command, listing: tuple[str, ...]) -> None:
    command.configure(CONFIG.format(url="http://127.0.0.1:9/api/v1"))
    code, out, err = command.run(*listing)
    assert (code, out) == (1, "")
    assert err.startswith(f"watcher: there is no database {command.folder}/w.db yet; run `watcher --check`")
    assert [path.name for path in command.folder.iterdir()] == ["config.toml"]


def test_listings_of_an_empty_database_say_that_it_is(command: Command) -> None:
    command.configure(CONFIG.format(url="http://127.0.0.1:9/api/v1"))
    command.run("db", "upgrade")
    assert command.run("models") == (1, "", "watcher: no models are known yet\n")
    assert command.run("models", "--json") == (1, "[]\n", "watcher: no models are known yet\n")
    assert command.run("changes") == (1, "", "watcher: nothing like that was announced\n")
    assert command.run("changes", "--json").out == "[]\n"
    assert command.run("deliveries") == (0, "", "watcher: no delivery waits, and none was given up\n")


@pytest.mark.parametrize(
    ("listing", "says"),
    [
        (("models", "frehs"), "there is no model like 'frehs'; did you mean d/fresh?"),
        (("models", "one", "--free"), "there is no model like 'one' with these options"),
        (("models", "--free", "--min-context", "1M"), "there is no model with these options"),
        (("models", "--as-of", "2020"), "no models are known of that time"),
        (("changes", "--model", "A/ONE"), "nothing like that was announced about 'A/ONE'; did you mean a/one?"),
        (("changes", "--model", "a/one", "--kind", "new"), "nothing like that was announced about 'a/one'"),
    ],
)
def test_nothing_found_is_said_with_what_may_be_meant(past: Command, listing: tuple[str, ...], says: str) -> None:
    assert past.run(*listing) == (1, "", f"watcher: {says}\n")
    assert past.run(*listing, "--json") == (1, "[]\n", f"watcher: {says}\n")


HOSTILE = "Evil\x1b[31m\x1b]0;title\x07\r\nroot  $0  $0\u202e[bold red]x[/]\u200b" + "y" * 10_000


def test_hostile_names_stay_on_their_line(command: Command) -> None:
    command.configure('[store]\nurl = "sqlite:///w.db"\n')
    evil = document("a/[red]x", **{"name": HOSTILE, "knowledge_cutoff": HOSTILE, "canonical_slug": HOSTILE})
    cheap = {**evil, "pricing": {"prompt": "0", "completion": "0"}}
    story = {0: [TWO], **{float(n): [TWO, evil] for n in (1, 2)}, **{float(n): [TWO, cheap] for n in range(3, 7)}}
    folder = str(record(command.folder / "story", story))
    assert command.run("import", folder).code == 0
    said = {
        "models": command.run("models"),
        "changes": command.run("changes"),
        "show": command.run("show", "a/[red]x"),
        "chart": command.run("chart", "a/[red]x"),
        "replay": command.run("replay", folder),
        "status": command.run("status"),
    }
    for verb, (_, out, err) in said.items():
        assert not {"\x1b", "\x07", "\r", "\u202e", "\u200b"} & set(out + err), verb
        assert max(map(len, out.splitlines())) < 2100, verb
        assert not any(line.startswith("root") for line in out.splitlines()), verb
    assert len(said["models"].out.splitlines()) == 3
    assert len(said["changes"].out.splitlines()) == 3
    assert "a/[red]x" in said["models"].out


def test_a_long_history_of_one_model_is_listed_whole(command: Command) -> None:
    command.configure('[store]\nurl = "sqlite:///w.db"\n[announce]\nsettle = "0s"\n')
    story = {n: [TWO, FRESH, document("a/one", f"0.00000{1 + n % 2}")] for n in range(300)}
    assert command.run("import", str(record(command.folder / "story", story))).code == 0
    assert len(news(command)) == 299
    assert len(table(command.run("show", "a/one").out)) > 299
    assert len(json.loads(command.run("chart", "a/one", "--json").out)["prices"]["prompt"]) == 301


def test_what_cannot_be_seen_is_escaped_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    name = "a\x9b31m\u202eb\u2028c\x7f\ufeff"
    print_json({"name": name, "plain": "é→"})
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert not any(char in printed for char in "\x9b\u202e\u2028\x7f\ufeff")
    assert "é→" in printed
    assert json.loads(printed)["name"] == name
