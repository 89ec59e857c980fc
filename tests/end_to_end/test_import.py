"""`watcher import`: history comes in whole or in pieces, before or after the first check, and is never news."""

import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from testkit.command import Command
from testkit.receivers import Sink
from tests.end_to_end.captures import CHEAPER, FRESH, GONE, NEWS, ONE, SIBLING, STORY, TWO, hour, record
from tests.store.samples import body, document, unfit
from watcher.cli import main
from watcher.simulator import Simulator, recorded_scenes
from watcher.store.documents import decompress, unpack
from watcher.store.store import Store

Contents = dict[str, list[Any]]


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the schema and nothing in it. Copy it."""
    path = tmp_path_factory.mktemp("blank") / "w.db"
    Store.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def past(command: Command, blank: Path) -> Command:
    """A folder with an empty database and a configuration."""
    shutil.copy(blank, command.folder / "w.db")
    command.configure('[store]\nurl = "sqlite:///w.db"\n')
    return command


def contents(path: Path) -> Contents:
    """All that a database says, but not the numbers of its rows nor the digests that only save work."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row

        def rows(query: str) -> list[Any]:
            return [dict(row) for row in connection.execute(query)]

        versions = rows("SELECT model, valid_from, valid_to, facets, raw FROM versions ORDER BY model, valid_from")
        events = rows("SELECT id, at, kind, model, imported, body FROM events ORDER BY id")
        return {
            "polls": rows("SELECT at, outcome, models, imported FROM polls ORDER BY at, imported DESC"),
            "models": rows(
                "SELECT id, name, first_seen, last_seen, since, present, listed, announced, missing, reminded, pending"
                " FROM models ORDER BY id"
            ),
            "versions": [
                {**row, "facets": unpack(row["facets"], dict[str, Any]), "raw": json.loads(decompress(row["raw"]))}
                for row in versions
            ],
            "events": [{**row, "body": json.loads(decompress(row["body"]))} for row in events],
            "deliveries": rows("SELECT event, channel FROM deliveries"),
        }


def pieces(folder: Path, captures: Mapping[float, Any], *hours: Sequence[float]) -> list[str]:
    return [
        str(record(folder / f"piece-{number}", {at: captures[at] for at in chosen}))
        for number, chosen in enumerate(hours)
    ]


# In one run


def test_import_tells_the_past_and_sends_none_of_it(past: Command, sink: Sink) -> None:
    past.configure(f'[store]\nurl = "sqlite:///w.db"\n[[channels]]\nname = "hook"\nurl = "json://{sink.address}/"\n')
    code, out, err = past.run("import", str(record(past.folder / "story", STORY)))
    assert (code, err) == (0, "")
    assert out == "imported history: 5 snapshots (5 of them new), 5 models, 6 versions, 3 events\n"
    known = contents(past.folder / "w.db")
    assert known["deliveries"] == []
    assert all(event["imported"] for event in known["events"])
    assert sorted((e["kind"], e["model"]) for e in known["events"]) == sorted(news[:2] for news in NEWS)
    told = json.loads(past.run("changes", "--json").out)
    assert all("imported" in event["marks"] for event in told)
    assert sink.requests == []


def test_import_as_json_sums_up(past: Command) -> None:
    summary = json.loads(past.run("import", str(record(past.folder / "story", STORY)), "--json").out)
    assert summary == {
        "snapshots": 5,
        "added": 5,
        "models": 5,
        "versions": 6,
        "events": 3,
        "from": "2026-01-04T12:00:00Z",
        "to": "2026-01-04T16:00:00Z",
    }


def test_import_again_adds_nothing(past: Command) -> None:
    folder = str(record(past.folder / "story", STORY))
    past.run("import", folder)
    before = contents(past.folder / "w.db")
    for archives in ([folder], [folder, folder]):
        assert "5 snapshots (0 of them new)" in past.run("import", *archives).out
        assert contents(past.folder / "w.db") == before


def test_documents_are_kept_without_their_benchmarks(past: Command) -> None:
    benchmarked = document("a/one", benchmarks={"arena": {"elo": 1200}})
    past.run("import", str(record(past.folder / "s", {0: [benchmarked], 1: [benchmarked]})))
    (version,) = contents(past.folder / "w.db")["versions"]
    assert version["raw"] == document("a/one")


def test_what_is_broken_is_named_and_left_out(past: Command) -> None:
    folder = record(
        past.folder / "s", {**STORY, 0.5: b"<html>", 1.5: b"", 2.5: b'{"data": []}', 4.5: [TWO] * 2 + [None] * 9}
    )
    (folder / "notes.txt").write_text("no capture")
    code, out, err = past.run("import", str(folder))
    assert (code, "5 snapshots (5 of them new)" in out) == (0, True)
    said = "\n".join(sorted(err.splitlines()))
    for words in ("notes.txt", "is empty", "12:30:00: skipped: not JSON", "14:30:00: not believed", "16:30:00: not b"):
        assert words in said
    assert len(err.splitlines()) == 5
    whole = contents(past.folder / "w.db")
    shutil.rmtree(folder)
    past.run("import", str(record(past.folder / "s", STORY)))
    assert contents(past.folder / "w.db") == whole


def test_what_cannot_be_read_in_captures_is_named_and_the_rest_is_taken(past: Command) -> None:
    for n in range(2):
        code, _, err = past.run(
            "import", str(record(past.folder / "s", {0: [unfit("a/one")], 1: [ONE, unfit("b/two")]}))
        )
        assert code == 0, n
        assert "pricing cannot be read of a/one" in err
        assert [model["id"] for model in contents(past.folder / "w.db")["models"]] == ["a/one", "b/two"]


# In pieces


@pytest.mark.parametrize(
    "order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)], ids=lambda order: "".join(map(str, order))
)
@pytest.mark.parametrize(
    "hours",
    [((0, 1), (2, 3), (4,)), ((0, 2, 4), (1,), (3,)), ((0, 1, 2), (2, 3), (0, 4))],
    ids=["one after the other", "between each other", "overlapping"],
)
def test_pieces_in_any_order_come_to_the_same_as_the_whole(
    past: Command, blank: Path, hours: Sequence[Sequence[float]], order: Sequence[int]
) -> None:
    archives = pieces(past.folder, STORY, *hours)
    for number in order:
        assert past.run("import", archives[number]).code == 0
    in_pieces = contents(past.folder / "w.db")
    shutil.copy(blank, past.folder / "w.db")
    past.run("import", str(record(past.folder / "whole", STORY)))
    assert in_pieces == contents(past.folder / "w.db")
    shutil.copy(blank, past.folder / "w.db")
    past.run("import", *archives)
    assert in_pieces == contents(past.folder / "w.db"), "several archives at once"


PRICES = ("0.000001", "0.000002", "0.0000020001", "0", "-1")
WINDOWS = [
    {"utc_start": 0, "utc_end": 800, "prompt": "0.000001", "completion": "0.000004"},
    {"utc_start": 800, "utc_end": 2400, "prompt": "0.000002", "completion": "0.000004"},
]


def a_document(model_id: str) -> st.SearchStrategy[Mapping[str, Any]]:
    """One of the ways in which a model may be listed."""
    more = st.sampled_from(
        [
            {},
            {},
            {"context_length": 200000},
            {"expiration_date": "2026-01-06"},
            {"canonical_slug": "elsewhere"},
            {"benchmarks": {"arena": 1}},
            {"description": None},
        ]
    )
    priced = st.builds(lambda price, extra: document(model_id, price, **extra), st.sampled_from(PRICES), more)
    # Windows that leave a part of the day open are another matter: what they leave unknown is taken from the document
    # before, and of documents that then come to the same only the first is kept, so a piece that falls between cannot
    # undo that.
    by_the_hour = st.sampled_from(("0.000001", "0.000009")).map(
        lambda now: document(model_id, pricing={"prompt": now, "completion": "0.000004", "overrides": WINDOWS})
    )
    return st.one_of(priced, priced, by_the_hour)


CATALOGUES = st.tuples(*(st.one_of(st.none(), a_document(f"m/{name}")) for name in "ab")).map(
    lambda shown: [document("m/always"), *(one for one in shown if one is not None)]
)
NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
HOURS = st.lists(st.sampled_from([n / 2 for n in range(40)]), min_size=2, max_size=8, unique=True)


@pytest.mark.slow
@settings(
    max_examples=30,
    phases=NO_SHRINKING,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data(), hours=HOURS)
def test_any_history_in_any_pieces_is_the_same_history(
    data: st.DataObject, hours: list[float], blank: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history = {at: data.draw(CATALOGUES) for at in hours}
    piece_of = {at: data.draw(st.integers(0, 2)) for at in hours}
    order = data.draw(st.permutations(range(3)))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = [str(record(folder / "whole", history))]
        archives = [
            str(record(folder / f"piece-{n}", {at: history[at] for at in hours if piece_of[at] == n}))
            for n in order
            if n in piece_of.values()
        ]
        known = []
        for run, imports in enumerate(([whole], [[archive] for archive in archives])):
            path = folder / f"{run}.db"
            shutil.copy(blank, path)
            (folder / "config.toml").write_text(f'[store]\nurl = "sqlite:///{path}"\n')
            for each in imports:
                with pytest.raises(SystemExit) as ended:
                    main(["--config", str(folder / "config.toml"), "import", *each])
                assert not ended.value.code, capsys.readouterr().err
            known.append(contents(path))
    # Of documents that mean the same, the one that came first is kept: which that was may depend on the pieces.
    for each in known:
        for version in each["versions"]:
            del version["raw"]
    assert known[0] == known[1]


# Beside live checks

SOURCE = '[source]\nurl = "{url}"\n[store]\nurl = "sqlite:///w.db"\n[announce]\nsettle = "0s"\n'


class Live:
    """A pretend OpenRouter that shows one list after the other."""

    def __init__(self, command: Command, *lists: Sequence[Mapping[str, Any]]) -> None:
        self.command = command
        self.simulator = Simulator(recorded_scenes((hour(n), body(shown)) for n, shown in enumerate(lists)))
        command.configure(SOURCE.format(url=self.simulator.url))

    def check(self) -> list[tuple[str, str]]:
        code, out, err = self.command.run("--check", "--json")
        assert code == 0, err
        return [(event["kind"], event["model"]) for event in json.loads(out)["events"]]

    def step(self) -> list[tuple[str, str]]:
        assert self.simulator.advance() is not None
        return self.check()

    def known(self) -> Contents:
        return contents(self.command.folder / "w.db")


@pytest.fixture
def live(past: Command) -> Iterator[Any]:
    opened: list[Live] = []

    def start(*lists: Sequence[Mapping[str, Any]]) -> Live:
        opened.append(Live(past, *lists))
        return opened[-1]

    yield start
    for each in opened:
        each.simulator.close()


AFTER = (CHEAPER, TWO, SIBLING, FRESH)
"""What the end of the story shows."""


@pytest.mark.parametrize("when", ["before", "after", "both"])
def test_a_model_unchanged_across_the_border_has_one_version_that_reaches_back(
    past: Command, live: Any, when: str
) -> None:
    story = str(record(past.folder / "story", STORY))
    source = live(AFTER, AFTER)
    if when != "after":
        past.run("import", story)
    assert source.check() == []
    if when != "before":
        assert past.run("import", story).code == 0
    known = source.known()
    spans = [
        (row["model"], row["valid_from"][:19], row["valid_to"] and row["valid_to"][:19]) for row in known["versions"]
    ]
    assert spans == [
        ("a/one", "2026-01-04 12:00:00", "2026-01-04 13:00:00"),
        ("a/one", "2026-01-04 13:00:00", None),
        ("b/two", "2026-01-04 12:00:00", None),
        ("c/gone", "2026-01-04 12:00:00", None),
        ("c/gone:free", "2026-01-04 12:00:00", "2026-01-04 15:00:00"),
        ("d/fresh", "2026-01-04 14:00:00", None),
    ]
    first_seen = {row["id"]: row["first_seen"][:19] for row in known["models"]}
    assert first_seen["a/one"] == "2026-01-04 12:00:00"
    assert first_seen["d/fresh"] == "2026-01-04 14:00:00"
    assert [row["imported"] for row in known["polls"]].count(0) == 1


def test_the_order_of_import_and_first_check_leaves_no_trace(past: Command, live: Any, blank: Path) -> None:
    story = str(record(past.folder / "story", STORY))
    source = live((CHEAPER, SIBLING, document("e/unseen")))
    known = []
    for import_first in (True, False):
        shutil.copy(blank, past.folder / "w.db")
        for verb in (("import", story), ("--check",))[:: 1 if import_first else -1]:
            assert past.run(*verb).code == 0
        (first,) = [poll["at"] for poll in source.known()["polls"] if not poll["imported"]]
        known.append(json.loads(json.dumps(source.known()).replace(first, "the first check")))
        for model in known[-1]["models"]:
            del model["since"]  # of a model that is there it is when the watcher itself saw it first
    assert known[0] == known[1]
    gone = {row["id"]: row for row in known[0]["models"] if not row["present"]}
    assert set(gone) == {"b/two", "c/gone:free", "d/fresh"}
    assert gone["d/fresh"]["last_seen"].startswith("2026-01-04 16:00:00")
    assert gone["c/gone:free"]["last_seen"].startswith("2026-01-04 14:00:00")


def test_the_first_check_after_an_import_announces_nothing_whatever_has_changed(past: Command, live: Any) -> None:
    past.run("import", str(record(past.folder / "story", STORY)))
    source = live((document("a/one", "7"), document("x/new")), (document("a/one", "7"), document("x/new")))
    assert source.check() == []
    assert source.step() == []
    assert source.known()["deliveries"] == []


def test_checks_after_an_import_go_on_as_if_it_had_always_watched(past: Command, live: Any) -> None:
    past.run("import", str(record(past.folder / "story", STORY)))
    source = live(AFTER, (document("a/one", "7"), *AFTER[1:], document("x/new")))
    assert source.check() == []
    assert sorted(source.step()) == [("new", "x/new"), ("repriced", "a/one")]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_model_known_from_the_import_alone_comes_back(past: Command, live: Any, when: str) -> None:
    story = str(record(past.folder / "story", STORY))
    source = live(AFTER, (*AFTER, GONE))
    if when == "before":
        past.run("import", story)
    assert source.check() == []
    if when == "after":
        past.run("import", story)
    assert source.step() == [("returned", "c/gone:free")]
    assert "first seen 2026-01-04 12:00" in past.run("show", "c/gone:free").out


def test_what_the_watcher_itself_saw_stays_as_it_is(past: Command, live: Any, sink: Sink) -> None:
    source = live(AFTER, (*AFTER, GONE), (*AFTER[1:], GONE), (*AFTER[1:], GONE))
    past.configure(
        (past.folder / "config.toml").read_text() + f'[[channels]]\nname = "h"\nurl = "json://{sink.address}/"\n'
    )
    told = source.check() + source.step() + source.step() + source.step()
    assert told == [("new", "c/gone:free"), ("expired", "a/one")]
    before = source.known()
    assert past.run("import", str(record(past.folder / "story", STORY))).code == 0
    after = source.known()
    live_polls = [poll for poll in after["polls"] if not poll["imported"]]
    assert live_polls == before["polls"]
    assert [event for event in after["events"] if not event["imported"]] == before["events"]
    assert after["deliveries"] == before["deliveries"]
    kept = ("since", "last_seen", "present", "listed", "announced", "missing", "reminded", "pending")
    assert {row["id"]: [row[key] for key in kept] for row in after["models"]} == {
        row["id"]: [row[key] for key in kept] for row in before["models"]
    }
    assert source.check() == []
    assert len(sink.requests) == 2


def test_captures_from_the_first_check_on_are_left_out_with_a_note(past: Command, live: Any) -> None:
    source = live(AFTER)
    source.check()
    later = datetime.now(UTC) + timedelta(days=2)
    folder = record(past.folder / "story", STORY)
    (folder / f"{later:%Y-%m-%dT%H-%M-%SZ}.json").write_bytes(body([document("future/one")]))
    code, out, err = past.run("import", str(folder))
    assert (code, "5 snapshots" in out) == (0, True)
    assert err.startswith("watcher: 1 captures left out: from ")
    assert "the watcher itself was watching" in err
    assert past.run("show", "future/one").code == 64


def test_a_check_that_failed_does_not_shut_the_past_out(past: Command) -> None:
    past.configure('[source]\nurl = "http://127.0.0.1:9/api/v1"\n[store]\nurl = "sqlite:///w.db"\n')
    assert past.run("--check").code == 69
    assert "5 snapshots" in past.run("import", str(record(past.folder / "story", STORY))).out
    assert [poll["outcome"] for poll in contents(past.folder / "w.db")["polls"] if not poll["imported"]] == ["failed"]


def test_what_the_feed_alone_has_shown_survives_an_import(past: Command, blank: Path) -> None:
    folder = str(record(past.folder / "story", STORY))
    past.run("import", folder)
    with sqlite3.connect(past.folder / "w.db") as connection:
        connection.execute(
            "INSERT INTO models (id, name, first_seen, since, present, listed, announced, missing, digest)"
            " SELECT 'f/fed', 'Fed', first_seen, since, 0, 0, 1, 0, x'' FROM models LIMIT 1"
        )
    assert past.run("import", folder).code == 0
    assert "in the RSS feed only" in past.run("show", "f/fed").out


def test_the_imported_past_answers_questions_from_before_and_after_the_border(past: Command, live: Any) -> None:
    past.run("import", str(record(past.folder / "story", STORY)))
    source = live((document("a/one", "0.000005"), *AFTER[1:]))
    source.check()
    history = json.loads(past.run("show", "a/one", "--json").out)["history"]
    assert [turn["prices"]["prompt"]["new"] for turn in history] == ["0.000002", "0.000001", "0.000005"]
    assert len(json.loads(past.run("models", "--as-of", "2026-01-04T12:30", "--json").out)) == 4


# Git


@pytest.fixture
def repository(past: Command) -> Path:
    """A repository in which a file has the story as its history."""
    folder = past.folder / "repo"
    folder.mkdir()
    env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    env |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(folder)}

    def git(*arguments: str, at: datetime | None = None) -> None:
        when = {} if at is None else {"GIT_COMMITTER_DATE": at.isoformat(), "GIT_AUTHOR_DATE": at.isoformat()}
        who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
        subprocess.run(["git", *who, *arguments], cwd=folder, env=env | when, check=True, capture_output=True)

    git("init", "-q")
    (folder / "data").mkdir()
    for number, shown in STORY.items():
        (folder / "data" / "models.json").write_bytes(msgspec.json.format(body(shown)))
        (folder / "readme").write_text(str(number))
        git("add", ".")
        git("commit", "-q", "-m", f"at {number}", at=hour(number))
    return folder


def test_the_history_of_a_file_in_git_is_an_archive(past: Command, blank: Path, repository: Path) -> None:
    code, out, err = past.run("import", f"git+{repository}#data/models.json")
    assert (code, err) == (0, "")
    # An unchanged file makes no commit: the story's last two lists are the same.
    assert "4 snapshots" in out
    in_git = contents(past.folder / "w.db")
    shutil.copy(blank, past.folder / "w.db")
    past.run("import", str(record(past.folder / "story", {n: STORY[n] for n in range(4)})))
    assert [{**row, "raw": None} for row in in_git["versions"]] == [
        {**row, "raw": None} for row in contents(past.folder / "w.db")["versions"]
    ]


def test_replay_and_simulate_take_git_too(past: Command, repository: Path) -> None:
    code, out, _ = past.run("replay", f"git+{repository}#data/models.json")
    assert (code, out.splitlines()[-2]) == (0, "4 snapshots")


@pytest.mark.parametrize("name", ["nowhere.json", "readme2", "../x", ""])
def test_a_file_that_is_not_in_the_repository(past: Command, repository: Path, name: str) -> None:
    code, out, err = past.run("import", f"git+{repository}#{name}")
    assert (code, out, len(err.splitlines())) == (64, "", 1)


def test_an_archive_that_is_not_there_makes_no_database(command: Command) -> None:
    command.configure('[store]\nurl = "sqlite:///w.db"\n')
    assert command.run("import", "typo.tar").code == 64
    assert not (command.folder / "w.db").exists()
