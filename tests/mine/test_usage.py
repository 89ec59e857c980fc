"""`watcher usage import`: OpenRouter's record of activity, and everything else that such a file can be."""

import gzip
import json
import sys
from io import BufferedReader, BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest

from testkit.command import Watcher
from tests.store.samples import HOUR, START, Polls, document
from watcher.catalog.model import Tokens
from watcher.mine import usage
from watcher.store.store import Store

# The columns of an export of 2026; its rows are made up.
COLUMNS = (
    "generation_id,created_at,cost_total,cost_web_search,cost_cache,cost_file_processing,byok_usage_inference,"
    "tokens_prompt,tokens_completion,tokens_reasoning,tokens_cached,model_permaslug,provider_name,variant,cancelled,"
    "streamed,user,finish_reason_raw,finish_reason_normalized,generation_time_ms,time_to_first_token_ms,"
    "api_key_disabled,api_key_name,app_name"
)
KEY = "sk-or-v1-the-name-of-a-key"


def row(
    day: str, prompt: Any, completion: Any = 0, cached: Any = 0, slug: str = "a/one-20260101", variant: str = "standard"
) -> str:
    return (
        f"gen-1-x,{day} 03:46:57.713,0.0123,0,0,0,0,{prompt},{completion},7,{cached},{slug},Some Host,"
        f"{variant},false,true,,stop,stop,900,100,false,{KEY},an app"
    )


def table(*rows: str) -> bytes:
    return "\r\n".join([COLUMNS, *rows, ""]).encode()


def entry(date: str, prompt: Any, completion: Any = 0, requests: Any = 1, **names: Any) -> dict[str, Any]:
    named = names or {"model": "a/one", "model_permaslug": "a/one-20260101"}
    return {
        "date": date,
        "endpoint_id": "550e8400-e29b-41d4-a716-446655440000",
        "provider_name": "Some Host",
        "usage": 0.015,
        "byok_usage_inference": 0.012,
        "requests": requests,
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "reasoning_tokens": 25,
        **named,
    }


@pytest.fixture
def user(empty: Path, tmp_path: Path) -> Watcher:
    """A user with a database of some models: one is gone, and one has a free variant and an alias."""
    (tmp_path / "w.db").write_bytes(empty.read_bytes())
    with Store.open(f"sqlite:///{tmp_path / 'w.db'}") as store:
        one, gone = document("a/one", canonical_slug="a/one-20260101"), document("b/gone", canonical_slug="b/gone-1")
        free = document("a/one:free", canonical_slug="a/one-20260101")
        alias = document("~a/one-latest", canonical_slug="a/one-20260101")
        polls = Polls(store)
        polls.see(one, free, alias, gone, at=START)
        polls.see(one, free, alias, at=START + HOUR)
    user = Watcher(tmp_path)
    user.configure('[store]\nurl = "sqlite:///w.db"\n')
    return user


def stored(user: Watcher) -> dict[str, Tokens]:
    with Store.open(f"sqlite:///{user.folder / 'w.db'}") as store, store.reading() as session:
        return session.personal.usage()


def test_the_csv_has_a_row_for_each_request_and_names_models_by_their_slug(user: Watcher) -> None:
    rows = (
        row("2026-06-01", 1000, 200, 400),
        row("2026-06-15", 500, 100),
        row("2026-06-30", 300, variant="free"),
        row("2026-06-30", 30, slug="b/gone-1", variant=""),
        row("2026-06-30", 7, variant="nitro"),
    )
    (user.folder / "activity.csv").write_bytes(b"\xef\xbb\xbf" + table(*rows))
    code, out, err = user.run_here("usage", "import", "activity.csv")
    assert (code, err) == (0, "")
    assert stored(user) == {
        "a/one": Tokens(1507, 300, 400, 3),
        "a/one:free": Tokens(300, requests=1),
        "b/gone": Tokens(30, requests=1),
    }
    assert out.splitlines()[1].split() == ["a/one", "1,507", "300", "400", "3"]
    assert out.splitlines()[-1] == "3 models from 30 days of activity"


def test_the_json_of_the_activity_call_is_about_thirty_days_or_about_one(user: Watcher) -> None:
    data = [
        entry("2026-06-01", 2000, 50, 5),
        entry("2026-06-10 00:00:00", 1000, 25, 5, model="a/one:free", model_permaslug="a/one-20260101"),
        entry("2026-06-10", 1, requests=0, model="", model_permaslug="a/one-20260101"),
    ]
    (user.folder / "activity.json").write_text(json.dumps({"data": data}))
    result = user.run_here("usage", "import", "activity.json", "--json")
    assert stored(user) == {"a/one": Tokens(2001, 50, 0, 5), "a/one:free": Tokens(1000, 25, 0, 5)}
    assert (result.json["days"], result.json["tokens"]["a/one"]["prompt"]) == (30, 2001)
    (user.folder / "activity.json").write_text(json.dumps({"data": data[:1]}))
    assert user.run_here("usage", "import", "activity.json", "--json").json["days"] == 1
    assert stored(user) == {"a/one": Tokens(60_000, 1500, 0, 150)}


def test_an_import_replaces_the_one_before(user: Watcher) -> None:
    for number, slug in enumerate(("a/one-20260101", "b/gone-1")):
        (user.folder / "activity.csv").write_bytes(table(row("2026-06-01", 1, slug=slug)))
        assert user.run_here("usage", "import", "activity.csv").code == 0
        assert list(stored(user)) == [("a/one", "b/gone")[number]]


def test_it_can_come_from_another_program(user: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.dumps([entry("2026-06-01", 1)]).encode()
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BufferedReader(BytesIO(body))))
    assert user.run_here("usage", "import", "-").code == 0
    assert stored(user) == {"a/one": Tokens(30, requests=30)}


def test_an_unknown_model_is_named_and_left_out(user: Watcher) -> None:
    (user.folder / "activity.csv").write_bytes(
        table(row("2026-06-01", 1), row("2026-06-01", 1, slug="who/\x1b[31mknows"))
    )
    code, _, err = user.run_here("usage", "import", "activity.csv")
    assert (code, err) == (0, "watcher: who/knows: no such model is known; left out\n")
    (user.folder / "activity.csv").write_bytes(table(row("2026-06-01", 1, slug="who/knows")))
    code, _, err = user.run_here("usage", "import", "activity.csv")
    assert (code, err) == (1, "watcher: no model in the file is known here (who/knows); nothing was imported\n")
    assert list(stored(user)) == ["a/one"]


def test_many_unknown_models_are_not_all_named(user: Watcher) -> None:
    rows = [row("2026-06-01", 1, slug=f"who/knows-{number}") for number in range(1020)]
    (user.folder / "activity.csv").write_bytes(table(row("2026-06-01", 1), *rows))
    code, _, err = user.run_here("usage", "import", "activity.csv")
    assert (code, err.count("\n"), err.splitlines()[-1]) == (0, 21, "watcher: so are 1,000 more names")


def test_nothing_but_sums_is_stored(user: Watcher) -> None:
    (user.folder / "activity.csv").write_bytes(table(row("2026-06-01", 1)))
    assert user.run_here("usage", "import", "activity.csv").code == 0
    found = b"".join(path.read_bytes() for path in user.folder.glob("w.db*"))
    assert b"a/one" in found and not any(secret in found for secret in (KEY.encode(), b"an app", b"0.0123"))


GOOD = row("2026-06-01", 1)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "there is no column model_permaslug"),
        (b"\xef\xbb\xbf", "there is no column model_permaslug"),
        (b"a,b\n1,2\n", "there is no column model_permaslug"),
        (b"model,tokens_prompt,created_at\n", "there is no column tokens_completion"),
        (table(), "there is no activity in the file"),
        (table(GOOD, row("yesterday", 1)), "line 3: yesterday 03:46:57.713 is no date"),
        (table(GOOD, row("2026-13-01", 1)), "line 3: 2026-13-01 03:46:57.713 is no date"),
        (table(GOOD, row("2026-06-01", -1)), "line 3: tokens_prompt is no number of tokens: -1"),
        (table(GOOD, row("2026-06-01", 1, "NaN")), "line 3: tokens_completion is no number of tokens: NaN"),
        (table(GOOD, row("2026-06-01", "1e400")), "tokens_prompt is no number of tokens: 1e400"),
        (table(GOOD, row("2026-06-01", "9" * 5000)), "tokens_prompt is no number of tokens: 999"),
        (table(GOOD, row("2026-06-01", "1.5")), "tokens_prompt is no number of tokens: 1.5"),
        (table(GOOD, row("2026-06-01", 1, slug=" ")), "line 3: it names no model"),
        (table(*[row("2026-06-01", 10**15)] * 2), "one model has more than 1,000,000,000,000,000 tokens"),
        (table(GOOD, GOOD[:60]), "line 3: its number of columns is wrong"),
        (table(GOOD, GOOD + ",more"), "line 3: its number of columns is wrong"),
        (table(GOOD, '"' + GOOD), "this is no CSV"),
        (table(GOOD) + b"\xff\xfe", "the file is not UTF-8"),
        (table(GOOD).decode().encode("utf-16"), "the file is not UTF-8"),
        (gzip.compress(table(GOOD), mtime=0), "the file is not UTF-8"),
        (table(GOOD, "x" * 3_000_000), "a line has more than 1,048,576 characters"),
        (b"\0" * 3_000_000, "a line has more than 1,048,576 characters"),
        (table(GOOD, "x" * 200_000), "this is no CSV"),
        (b"{", "this is no JSON, or it is cut off"),
        (b"[" * 100_000, "this is no JSON, or it is cut off"),
        (b'{"error": {"code": 401}}', "it has no list `data`"),
        (b'{"data": []}', "there is no activity in the file"),
        (b'{"data": [5]}', "entry 1: it is no object"),
        (b'[{"model": "a/one"}]', "entry 1: this is neither"),
        (json.dumps([entry("2026-06-01", 1), {"date": "2026-06-01", "model": "a/one"}]).encode(), "entry 2: this is"),
        (
            json.dumps([entry("2026-06-01", 1), entry("2026-06-01", True)]).encode(),
            "entry 2: prompt_tokens is no number",
        ),
        (json.dumps([entry("2026-06-01", {"a": 1})]).encode(), "entry 1: prompt_tokens is no number of tokens"),
        (json.dumps([entry("", 1)]).encode(), "entry 1: nothing is no date"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_what_is_no_such_record_changes_nothing(user: Watcher, body: bytes, says: str) -> None:
    (user.folder / "activity.csv").write_bytes(table(row("2026-06-01", 8)))
    assert user.run_here("usage", "import", "activity.csv").code == 0
    (user.folder / "other.csv").write_bytes(body)
    code, out, err = user.run_here("usage", "import", "other.csv")
    assert (code, out) == (64, "") and says in err and "\x1b" not in err
    assert len(err) < 300
    assert stored(user) == {"a/one": Tokens(240, requests=30)}


def test_a_large_json_is_refused(user: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "_JSON_LIMIT", 1024**2)
    (user.folder / "activity.json").write_bytes(b"[" + b" " * 1024**2)
    assert "larger than 1 MiB" in user.run_here("usage", "import", "activity.json").err


def test_a_folder_a_missing_file_and_a_missing_database_are_said(user: Watcher) -> None:
    assert user.run_here("usage", "import", ".").code == 64
    assert "nothing.csv" in user.run_here("usage", "import", "nothing.csv").err
    (user.folder / "activity.csv").write_bytes(table(GOOD))
    user.configure('[store]\nurl = "sqlite:///new.db"\n')
    code, _, err = user.run_here("usage", "import", "activity.csv")
    assert code == 1 and "there is no database" in err
    assert not (user.folder / "new.db").exists()
