"""What is read from hostile, broken and odd bodies: never a crash, never one bad model that costs another."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.catalog.history import World, body, model
from watcher.catalog.reading import Snapshot, UnreadableError, is_under, normalise, read

GOOD = model("good/one")
NOW = datetime(2026, 11, 26, tzinfo=UTC)
DEEP = b"[" * 100_000 + b"]" * 100_000


def facets(document: Any) -> dict[str, Any]:
    return dict(normalise(json.dumps(document).encode(), NOW).model.facets)


# Bodies


def test_a_count_that_is_no_number_promises_nothing() -> None:
    assert read([b'{"data":[],"total_count":"many"}']).promised is None


@pytest.mark.parametrize(
    "page",
    [
        *(
            b"",
            b" ",
            b"null",
            b"[]",
            b"{}",
            b"7",
            b'"text"',
            b"NaN",
            b"<html>",
            b"\xff\xfe",
            b'\xef\xbb\xbf{"data":[]}',
        ),
        *(b'{"data":null}', b'{"data":{}}', b'{"data":7}', b'{"data":NaN}', b'{"data":"\xff"}', b'{"data":[}'),
        *(b'{"data":[{"id":"a/b"}', b'{"data":[]}{"data":[]}'),
        *(b'{"data":[' + DEEP + b"]}", b'{"data":[' + b"[" * 100_000, b'{"data":[],"x":"\xff","y":' + DEEP + b"}"),
    ],
    ids=lambda page: page[:30],
)
def test_a_body_that_is_not_the_promised_list_is_refused_in_one_clear_line(page: bytes) -> None:
    with pytest.raises(UnreadableError, match=r"^not (JSON|the promised list): .+$"):
        read([page])


@given(st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
def test_any_bytes_are_read_or_refused(page: bytes) -> None:
    for each in (page, b'{"data":[' + page + b"]}", b'{"data":[{"id":"a/b","x":"' + page + b'"}]}'):
        try:
            assert isinstance(read([each]), Snapshot)
        except UnreadableError as error:
            assert "\n" not in str(error).strip()


@pytest.mark.parametrize(
    "stray", [b'"\xff"', rb'"\ud800"', rb'"x\udfff\ud800"', b'"\xed\xa0\x80"', b"NaN", b"-Infinity"], ids=repr
)
@pytest.mark.parametrize("where", ["description", "hugging_face_id", "unknown"])
def test_what_no_text_can_hold_costs_no_model(stray: bytes, where: str) -> None:
    odd = json.dumps(model("odd/one")).encode()[:-1] + f', "{where}": '.encode() + stray + b"}"
    page = b'{"data": [' + odd + b", " + json.dumps(GOOD).encode() + b"]}"
    world = World().read("00:00", page)
    assert world.states.keys() >= {"good/one", "odd/one"}
    assert world.last.outcome == "good"


def test_a_stray_byte_in_a_name_is_replaced() -> None:
    snapshot = read([body(model("a/b", name="caf?")).replace(b"?", b"\xe9")])
    assert normalise(snapshot.entries["a/b"].raw, NOW).model.name == "caf\N{REPLACEMENT CHARACTER}"


def test_a_lone_surrogate_as_a_key_is_replaced() -> None:
    snapshot = read([rb'{"data":[{"id":"a/b","name":"x","\ud800":1,"pricing":{"prompt":"1","completion":"1"}}]}'])
    assert normalise(snapshot.entries["a/b"].raw, NOW).model.facets["\N{REPLACEMENT CHARACTER}"] == 1


@pytest.mark.parametrize(
    "model_id", ["", " ", "a b", "a\nb", "a\0b", "a\u202eb", "a" * 201, None, 7, True, ["a/b"], {"id": "a/b"}], ids=repr
)
def test_an_entry_whose_id_cannot_be_read_is_counted(model_id: Any) -> None:
    snapshot = read([body({**model("x"), "id": model_id}, GOOD)])
    assert (list(snapshot.entries), len(snapshot.unnamed), snapshot.total) == (["good/one"], 1, 2)


@pytest.mark.parametrize("entry", [None, 7, "a/b", [], {}, True, [GOOD]], ids=repr)
def test_an_entry_that_is_no_document_is_counted(entry: Any) -> None:
    snapshot = read([body(entry, GOOD)])
    assert (list(snapshot.entries), len(snapshot.unnamed), snapshot.total) == (["good/one"], 1, 2)


def test_an_id_of_200_characters_is_fine() -> None:
    assert list(read([body(model("a" * 200))]).entries) == ["a" * 200]


@pytest.mark.parametrize("model_id", ["模型/一", "модель/один", "é", "a/β:free"])
def test_an_id_in_any_script_is_an_id(model_id: str) -> None:
    assert list(read([body(model(model_id))]).entries) == [model_id]


def test_a_second_copy_of_the_same_document_is_one_model() -> None:
    twice = read([body(model("a/b"), GOOD), body(model("a/b"))])
    assert (twice.entries, twice.conflicting) == (read([body(model("a/b"), GOOD)]).entries, ())


def test_two_different_documents_of_one_id_conflict_and_differ_from_each_of_them() -> None:
    one, two = model("a/b", prompt="1"), model("a/b", prompt="2")
    snapshot = read([body(one, GOOD, two)])
    assert (snapshot.conflicting, snapshot.total) == (("a/b",), 3)
    assert snapshot.entries["a/b"].digest not in {read([body(each)]).entries["a/b"].digest for each in (one, two)}
    assert normalise(snapshot.entries["a/b"].raw, NOW).model.facets["pricing.prompt"] == "1"


def test_pages_are_one_list_with_one_promise() -> None:
    snapshot = read([body(model("a/b"), total_count=2), body(model("c/d"))])
    assert (list(snapshot.entries), snapshot.total, snapshot.promised) == (["a/b", "c/d"], 2, 2)


def test_equal_bytes_have_equal_digests_and_others_do_not() -> None:
    one, two = read([body(model("a/b"))]), read([body(model("a/b"), model("c/d", prompt="9"))])
    assert one.entries["a/b"] == two.entries["a/b"]
    assert one.entries["a/b"].digest != two.entries["c/d"].digest


# Documents


WHOLE = facets(model("a/b"))


@pytest.mark.parametrize(
    ("given", "lost"),
    [
        ({"name": None}, "name"),
        ({"name": ["x"]}, "name"),
        ({"name": True}, "name"),
        ({"pricing": None}, "pricing"),
        ({"pricing": []}, "pricing"),
        ({"pricing": {}}, "pricing"),
        ({"pricing": "free"}, "pricing"),
        ({"pricing": {"prompt": "3", "completion": None}}, "pricing.completion"),
        ({"pricing": {"prompt": "3"}}, "pricing.completion"),
        ({"pricing": {"prompt": "3", "completion": "15", "image": "cheap"}}, "pricing.image"),
        ({"pricing": {"prompt": "3", "completion": "15", "overrides": {}}}, "pricing.overrides"),
        ({"pricing": {"prompt": "3", "completion": "15", "discount": "half"}}, "discount"),
        ({"context_length": "long"}, "context_length"),
        ({"context_length": True}, "context_length"),
        ({"context_length": ""}, "context_length"),
        ({"context_length": -1}, "context_length"),
        ({"context_length": {"max": 1}}, "context_length"),
        ({"context_length": 1e300}, "context_length"),
        ({"supported_parameters": "tools"}, "supported_parameters"),
        ({"supported_parameters": [["a"]]}, "supported_parameters"),
        ({"architecture": "text"}, "architecture"),
        ({"architecture": {"input_modalities": "text"}}, "architecture.input_modalities"),
        ({"top_provider": {"is_moderated": "no"}}, "top_provider.is_moderated"),
        ({"alias_target": "a/c"}, "alias_target"),
        ({"reasoning": "yes"}, "reasoning"),
        ({"expiration_date": 1767139200}, "expiration_date"),
        ({"expiration_date": ""}, "expiration_date"),
        ({"expiration_date": "soon"}, "expiration_date"),
        ({"expiration_date": "2026-13-45"}, "expiration_date"),
        ({"knowledge_cutoff": "0000-00-00"}, "knowledge_cutoff"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else value,
)
def test_what_is_not_as_promised_costs_that_field_alone(given: dict[str, Any], lost: str) -> None:
    found = normalise(json.dumps({**model("a/b"), **given}).encode(), NOW)
    assert found.unreadable == (lost,)
    gone = "pricing" if lost == "pricing.overrides" else lost  # without them, the price on top is uncertain
    kept = {path: value for path, value in WHOLE.items() if not is_under(path, [gone])}
    assert {path: found.model.facets.get(path) for path in kept} == kept


@pytest.mark.parametrize("number", [b"1e999", b"NaN", b"-Infinity", b"1" * 5000])
def test_a_number_that_json_does_not_have_is_unknown_and_not_absent(number: bytes) -> None:
    page = (
        b'{"data":[{"id":"a/b","name":"A","context_length":' + number + b',"pricing":{"prompt":"1","completion":"2"}}]}'
    )
    found = normalise(read([page]).entries["a/b"].raw, NOW)
    assert (found.unreadable, found.model.facets["pricing.prompt"]) == (("context_length",), "1")


@pytest.mark.parametrize(
    ("path", "given", "read_as"),
    [
        ("context_length", "128000", 128000),
        ("context_length", 128000.0, 128000),
        ("context_length", 0, 0),
        ("expiration_date", "2026-12-31T00:00:00Z", "2026-12-31"),
        ("expiration_date", "2098-12-31", None),
        ("expiration_date", "9999-01-01", None),
        ("expiration_date", "2036-12-31", "2036-12-31"),
        ("knowledge_cutoff", "2025-06", "2025-06"),
        ("name", 7, "7"),
        ("hugging_face_id", "", None),
    ],
)
def test_a_value_in_another_spelling_is_read(path: str, given: Any, read_as: Any) -> None:
    assert facets({**model("a/b"), path: given}).get(path) == read_as


def test_nul_in_texts_is_left_out() -> None:
    document = facets(model("a/b", name="A\0B", hugging_face_id="\0", other="x\0y"))
    assert (document["name"], document["other"]) == ("AB", "xy")
    assert "hugging_face_id" not in document


@pytest.mark.parametrize("name", ["", " ", "\0"])
def test_a_model_without_a_name_is_called_by_its_id(name: str) -> None:
    assert normalise(json.dumps(model("a/b", name=name)).encode(), NOW).model.name == "a/b"


def test_unknown_fields_are_kept_flat_as_they_came_down_to_a_depth() -> None:
    document = facets(model("a/b", new={"x": [1, {"y": 2.0}]}, a={"b": {"c": {"d": {"e": {"f": 1}}}}}))
    assert document["new.x"] == [1, {"y": 2.0}]
    assert document["a.b.c.d.e"] == {"f": 1}


def test_a_field_that_is_called_like_a_price_is_none() -> None:
    news = World().poll("00:00", GOOD).poll("01:00", {**GOOD, "pricing.request": 5, "pricing.x": [1]}).hold("06:00")
    assert news.events == ()


def test_an_unknown_price_key_is_a_price() -> None:
    assert facets(model("a/b", pricing={"per_smile": "0.10"}))["pricing.per_smile"] == "0.1"


def test_a_price_that_cannot_be_read_is_not_known() -> None:
    assert facets(model("a/b", pricing={"request": {"a": 1}}))["pricing.request"] == "?"


def test_a_value_that_cannot_be_read_is_named_once_and_the_last_one_stays() -> None:
    bad = model("bad/one", context_length="long")
    world = World().poll("00:00", GOOD, model("bad/one")).poll("01:00", GOOD, bad)
    assert world.last.problems == ("context_length cannot be read of bad/one; what was known before is kept",)
    world = world.poll("02:00", GOOD, {**bad, "x": 1})
    assert world.last.problems == ()
    assert world.poll("03:00", GOOD, model("bad/one")).hold("1 00:00").news == []


def test_a_price_is_seen_to_rise_in_a_document_that_has_lost_another_field() -> None:
    odd = {"expiration_date": 1767139200, "architecture": "text", "context_length": None}
    world = World().poll("00:00", GOOD, model("bad/one")).poll("01:00", GOOD, model("bad/one", prompt="270", **odd))
    assert world.hold("04:00").news == [
        "04:00 repriced bad/one prompt 3→270",
        "04:00 changed bad/one context_length 1000→None",
    ]


@pytest.mark.parametrize("pricing", [None, {}, [], "free", {"overrides": 3}], ids=repr)
def test_a_new_model_without_a_price_is_new_and_learning_the_price_is_no_news(pricing: Any) -> None:
    world = World().poll("00:00", GOOD).poll("01:00", GOOD, {**model("new/one"), "pricing": pricing, "name": None})
    assert world.news == ["01:00 new new/one"]
    assert world.events[0].offer is not None
    assert world.events[0].offer.prices == {}
    priced = model("new/one", pricing={"image": "4", "overrides": [{"min_prompt_tokens": 9, "prompt": "5"}]})
    world = world.poll("02:00", GOOD, priced).hold("08:00")
    assert world.news == ["01:00 new new/one"]
    dearer = model(
        "new/one", prompt="4", pricing={"image": "4", "overrides": [{"min_prompt_tokens": 9, "prompt": "5"}]}
    )
    assert world.poll("09:00", GOOD, dearer).hold("18:00").news[1:] == ["12:00 repriced new/one prompt 3→4"]


def test_a_model_of_which_two_documents_differ_is_there_and_as_it_was() -> None:
    world = World().poll("00:00", GOOD, model("a/b"))
    world = world.poll("01:00", GOOD, model("a/b", prompt="5"), model("a/b", prompt="6")).hold("06:00")
    assert world.news == []
    assert world.last.outcome == "good"
    assert world.poll("07:00", GOOD, model("a/b", prompt="5")).hold("10:00").news == ["10:00 repriced a/b prompt 3→5"]


def test_a_new_model_of_which_two_documents_differ_is_new_once() -> None:
    both = [model("a/b", context_length=5), model("a/b", context_length=6, supported_parameters=["tools"])]
    world = World().poll("00:00", GOOD).poll("01:00", GOOD, *both).poll("02:00", GOOD, both[1]).hold("09:00")
    assert world.news == ["01:00 new a/b"]


def test_a_missing_model_that_comes_back_unreadable_is_there() -> None:
    world = World().poll("00:00", GOOD, model("bad/one")).poll("01:00", GOOD)
    odd = {"id": "bad/one"}
    world = world.poll("02:00", GOOD, odd).poll("03:00", GOOD).poll("04:00", GOOD, model("bad/one"))
    assert world.news == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = ("name", "pricing", "canonical_slug", "architecture", "top_provider", "supported_voices", "alias_target", "x")


@given(
    st.dictionaries(st.sampled_from(KEYS), json_values), st.dictionaries(st.text(max_size=8), json_values, max_size=3)
)
@example({"supported_voices": [{"a": 1, "b": 2}, None]}, {"overrides": [{}]})
def test_any_document_is_judged_without_a_crash(fields: dict[str, Any], pricing: dict[str, Any]) -> None:
    odd = {**model("a/b", pricing=pricing), **fields}
    world = World().poll("00:00", GOOD, model("a/b")).poll("01:00", GOOD, odd).hold("06:00").resumed()
    assert world.poll("07:00", GOOD, model("a/b")).hold("12:00").last.outcome == "good"


# Text that cannot be


@pytest.mark.parametrize("stray", [b"\xff", b"\\ud800"])
def test_text_that_cannot_be_is_repaired(stray: bytes) -> None:
    broken = body(GOOD, model("good/two", other="aXb")).replace(b"aXb", b"a" + stray + b"b")
    snapshot = read([broken])
    assert "\N{REPLACEMENT CHARACTER}" in normalise(snapshot.entries["good/two"].raw, NOW).model.facets["other"]
    assert normalise(snapshot.entries["good/one"].raw, NOW).model.facets == facets(GOOD)
