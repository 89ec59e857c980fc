"""`watcher export` and `/export/…`: every price with its time, exactly."""

import csv
import json
import shutil
from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest

from testkit.command import Watcher
from tests.store.samples import START, Polls, document
from watcher.store.store import Store
from watcher.web import exports

HOUR = timedelta(hours=1)
TIERS = {
    "prompt": "0.000001", "completion": "0.000004", "input_cache_read": "0", "image": "0.002", "web_search": "0.01",
    "overrides": [{"min_prompt_tokens": 200000, "prompt": "0.000002"}],
}  # fmt: skip
NIGHTS = {
    "prompt": "0.0000005", "completion": "0.000004",
    "overrides": [{"utc_start": 0, "utc_end": 600, "prompt": "0.00000025"}],
}  # fmt: skip


@pytest.fixture
def database(empty, tmp_path):
    """Nothing here depends on the kind of database."""
    url = f"sqlite:///{shutil.copy(empty, tmp_path / 'watcher.db')}"
    with Store.open(url) as store:
        polls = Polls(store)
        steady = (document("a/tiers", pricing=TIERS, created=1), document("a/night", pricing=NIGHTS, created=2),
                  document("a/router", prompt="-1"))  # fmt: skip
        polls.see(document("a/moves"), document("a/gone", prompt="0"), *steady, at=START)
        polls.see(document("a/moves", prompt="0.000002"), *steady, at=START + 24 * HOUR)
        polls.see(document("a/moves", prompt="0.0000030"), *steady, at=START + 48 * HOUR)
        polls.see(document("a/moves", prompt="0.000002"), *steady, at=START + 49 * HOUR)
    return url


@pytest.fixture
def polls():
    """None but those that filled the database."""


@pytest.fixture
def watcher(database, tmp_path):
    (tmp_path / "config.toml").write_text(f'[store]\nurl = "{database}"\n')
    return Watcher(tmp_path)


def exported(watcher, *arguments):
    done = watcher.run_here("export", *arguments)
    assert done.code == 0, done.err
    return done


def prices(text):
    return [tuple(row.values()) for row in csv.DictReader(StringIO(text))]


@pytest.mark.parametrize("form", ["csv", "jsonl", "litellm", "llm-prices"])
def test_a_moment_before_the_first_poll_is_an_error_and_no_empty_file(watcher, form):
    done = watcher.run_here("export", "--format", form, "--at", "2026-01-04T11:59Z")
    assert done.code == 1 and done.out == "" and "nothing is known of that time" in done.err


def test_csv_has_each_price_once_with_the_time_in_which_it_held(watcher):
    done = exported(watcher)
    rows = prices(done.out)
    assert done.out.splitlines()[0] == "model,key,price,valid_from,valid_until"
    assert [row for row in rows if row[0] == "a/moves"] == [
        ("a/moves", "prompt", "0.000001", "2026-01-04T12:00:00Z", "2026-01-05T12:00:00Z"),
        ("a/moves", "prompt", "0.000002", "2026-01-05T12:00:00Z", "2026-01-06T12:00:00Z"),
        ("a/moves", "prompt", "0.000003", "2026-01-06T12:00:00Z", "2026-01-06T13:00:00Z"),
        ("a/moves", "prompt", "0.000002", "2026-01-06T13:00:00Z", ""),
        ("a/moves", "completion", "0.000004", "2026-01-04T12:00:00Z", ""),
    ]  # fmt: skip
    assert ("a/gone", "prompt", "0", "2026-01-04T12:00:00Z", "2026-01-05T12:00:00Z") in rows
    assert {row[1]: row[2] for row in rows if row[0] == "a/tiers"} == {
        "prompt": "0.000001", "prompt@200000+": "0.000002", "completion": "0.000004", "input_cache_read": "0",
        "image": "0.002", "web_search": "0.01",
    }  # fmt: skip
    assert {row[1]: row[2] for row in rows if row[0] == "a/night"} == {
        "prompt": "0.0000005", "prompt@00:00-06:00": "0.00000025", "completion": "0.000004",
    }  # fmt: skip
    assert not [row for row in rows if row[:2] == ("a/router", "prompt")]
    assert "a/router" in done.err and "router" in done.err


def test_no_id_in_csv_is_a_formula(watcher, database):
    odd = [f"{start}cmd/x" for start in "=+-@"]
    with Store.open(database) as store:
        Polls(store).see(*(document(id) for id in odd), at=START + 50 * HOUR)
    found = {row[0] for row in prices(exported(watcher, "--model", "*cmd/x").out)}
    assert found == {f"'{id}" for id in odd}


def test_csv_at_a_moment_has_what_held_then(watcher):
    rows = prices(exported(watcher, "--at", "2026-01-05T13:00Z", "--model", "a/[gm]*").out)
    assert [row[:3] for row in rows] == [("a/moves", "prompt", "0.000002"), ("a/moves", "completion", "0.000004")]


def test_since_leaves_out_what_had_ended(watcher):
    rows = prices(exported(watcher, "--since", "2026-01-06T12:30Z", "--model", "a/moves").out)
    assert [row[2] for row in rows if row[1] == "prompt"] == ["0.000003", "0.000002"]
    assert not prices(exported(watcher, "--since", "2026-01-06T12:30Z", "--model", "a/gone").out)


def test_litellm_has_an_entry_for_each_model_also_for_one_that_is_gone(watcher):
    done = exported(watcher, "--format", "litellm")
    entries = json.loads(done.out, parse_float=Decimal)
    assert set(entries) == {"openrouter/a/moves", "openrouter/a/gone", "openrouter/a/tiers", "openrouter/a/night"}
    moves = entries["openrouter/a/moves"]
    assert moves["litellm_provider"] == "openrouter" and moves["mode"] == "chat"
    assert moves["input_cost_per_token"] == Decimal("0.000002")
    assert moves["output_cost_per_token"] == Decimal("0.000004")
    assert moves["max_input_tokens"] == 128000 and moves["supports_function_calling"] is True
    gone = entries["openrouter/a/gone"]
    assert gone["input_cost_per_token"] == 0 and gone["deprecation_date"] == "2026-01-05"
    tiers = entries["openrouter/a/tiers"]
    assert tiers["input_cost_per_token_above_200k_tokens"] == Decimal("0.000002")
    assert tiers["cache_read_input_token_cost"] == 0 and "cache_read_input_token_cost" not in moves
    assert tiers["input_cost_per_image"] == Decimal("0.002")
    assert "prompt 00:00-06:00 costs 0.00000025 USD" in entries["openrouter/a/night"]["metadata"]["notes"]
    assert "a/night: prompt 00:00-06:00" in done.err and "a/router" in done.err


def test_litellm_at_a_moment_is_what_was_known_then(watcher):
    entries = json.loads(exported(watcher, "--format", "litellm", "--at", "2026-01-04T13:00Z").out)
    assert entries["openrouter/a/moves"]["input_cost_per_token"] == 1e-06
    assert "deprecation_date" not in entries["openrouter/a/gone"]


def test_llm_prices_has_days_and_millions_of_tokens(watcher):
    document = json.loads(exported(watcher, "--format", "llm-prices").out, parse_float=Decimal)
    moves = [entry for entry in document["prices"] if entry["id"] == "a/moves"]
    assert [(entry["input"], entry["from_date"], entry["to_date"]) for entry in moves] == [
        (1, "2026-01-04", "2026-01-05"), (2, "2026-01-05", "2026-01-06"), (2, "2026-01-06", None),
    ]  # fmt: skip
    assert moves[0] == {"id": "a/moves", "vendor": "a", "name": "Name of a/moves", "input": 1, "output": 4,
                        "input_cached": None, "from_date": "2026-01-04", "to_date": "2026-01-05"}  # fmt: skip
    remarks = "\n".join(document["remarks"])
    assert "a/moves: left out, as it held for less than a day: input 3, output 4 on 2026-01-06" in remarks
    assert "a/tiers: the format has no place for image, prompt@200000+, web_search" in remarks
    assert "a/night: the format has no place for the times of prompt" in remarks


def test_llm_prices_at_a_moment_is_the_current_file(watcher):
    document = json.loads(exported(watcher, "--format", "llm-prices", "--at", "2026-01-06T12:30Z").out)
    assert document["updated_at"] == "2026-01-06"
    assert {entry["id"]: entry["input"] for entry in document["prices"]} == {"a/moves": 3, "a/tiers": 1, "a/night": 0.5}
    assert all("from_date" not in entry for entry in document["prices"])


def test_jsonl_has_an_event_a_line(watcher):
    events = [json.loads(line) for line in exported(watcher, "--format", "jsonl").out.splitlines()]
    assert events == watcher.run_here("changes", "--json").json
    assert events
    about = [json.loads(line) for line in exported(watcher, "--format", "jsonl", "--model", "a/gone").out.splitlines()]
    assert about == [event for event in events if event["model"] == "a/gone"]


@pytest.mark.parametrize("form", ["csv", "jsonl", "litellm", "llm-prices"])
def test_the_same_comes_over_http(serve, watcher, form):
    client = serve(START + 100 * HOUR)
    origin = str(client.base_url).removesuffix("/api/v1/")
    response = client.get(f"{origin}/export/{form}?model=a/moves&at=2026-01-05T13:00Z")
    assert response.text == exported(watcher, "--format", form, "--model", "a/moves", "--at", "2026-01-05T13:00Z").out
    assert client.get(response.url, headers={"if-none-match": response.headers["etag"]}).status_code == 304
    left_out = client.get(f"{origin}/export/{form}").headers.get("x-watcher-remarks", "")
    assert ("a/router" in left_out) == (form != "jsonl")


def test_remarks_are_cut_to_what_a_header_can_hold(serve, monkeypatch):
    client = serve(START + 100 * HOUR)
    for length in range(8, 16):  # wherever it is cut, at a space included
        monkeypatch.setattr(exports, "_LONGEST_REMARKS", length)
        url = str(client.base_url).replace("api/v1/", f"export/csv?x={length}")
        remarks = client.get(url).headers["x-watcher-remarks"]
        assert remarks == "left out, as the price depends"[:length].strip()


@pytest.mark.parametrize(("path", "status"), [("export/xml", 404), ("export/", 404), ("export/csv?since=x", 400),
                                              ("export/csv?at=x", 400)])  # fmt: skip
def test_bad_questions_are_refused(serve, path, status):
    client = serve(START + 100 * HOUR)
    response = client.get(str(client.base_url).replace("api/v1/", path))
    assert response.status_code == status and response.json()["error"]["code"] == status


def test_a_store_that_is_not_there_is_not_made(tmp_path):
    (tmp_path / "config.toml").write_text('[store]\nurl = "sqlite:///nothing.db"\n')
    done = Watcher(tmp_path).run_here("export")
    assert done.code == 74 and "does not exist" in done.err
    assert not (tmp_path / "nothing.db").exists()
