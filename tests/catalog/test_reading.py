"""What is read from hostile, broken and odd bodies: never a crash, never one bad model that costs another."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.catalog.history import World, body, model
from watcher.catalog.reading import Familiar, Snapshot, UnfitError, UnreadableError, normalise, read

GOOD = model("good/one")
DEEP = b"[" * 100_000 + b"]" * 100_000


def facets(document: Any) -> dict[str, Any]:
    return dict(normalise(json.dumps(document).encode()).facets)


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


@settings(deadline=None)
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
    assert world.tracks.keys() >= {"good/one", "odd/one"}
    assert world.last.outcome == "good"


def test_a_stray_byte_in_a_name_is_replaced() -> None:
    snapshot = read([body(model("a/b", name="caf?")).replace(b"?", b"\xe9")])
    assert normalise(snapshot.entries["a/b"].raw).name == "caf\N{REPLACEMENT CHARACTER}"


def test_a_lone_surrogate_as_a_key_is_replaced() -> None:
    snapshot = read([rb'{"data":[{"id":"a/b","name":"x","\ud800":1,"pricing":{"prompt":"1","completion":"1"}}]}'])
    assert normalise(snapshot.entries["a/b"].raw).facets["\N{REPLACEMENT CHARACTER}"] == 1


@pytest.mark.parametrize(
    "model_id", ["", " ", "a b", "a\nb", "a\0b", "é", "a" * 201, None, 7, True, ["a/b"], {"id": "a/b"}], ids=repr
)
def test_an_entry_whose_id_cannot_be_read_is_counted(model_id: Any) -> None:
    snapshot = read([body({**model("x"), "id": model_id}, GOOD)])
    assert (list(snapshot.entries), snapshot.unnamed, snapshot.total) == (["good/one"], 1, 2)


@pytest.mark.parametrize("entry", [None, 7, "a/b", [], {}, True, [GOOD]], ids=repr)
def test_an_entry_that_is_no_document_is_counted(entry: Any) -> None:
    snapshot = read([body(entry, GOOD)])
    assert (list(snapshot.entries), snapshot.unnamed, snapshot.total) == (["good/one"], 1, 2)


def test_an_id_of_200_characters_is_fine() -> None:
    assert list(read([body(model("a" * 200))]).entries) == ["a" * 200]


def test_duplicate_ids_are_named_and_the_first_counts() -> None:
    snapshot = read([body(model("a/b", prompt="1"), GOOD, model("a/b", prompt="2"))])
    assert snapshot.duplicates == ("a/b",)
    assert snapshot.total == 3
    assert normalise(snapshot.entries["a/b"].raw).facets["pricing.prompt"] == "1"


def test_pages_are_one_list_with_one_promise() -> None:
    snapshot = read([body(model("a/b"), total_count=2), body(model("c/d"))])
    assert (list(snapshot.entries), snapshot.total, snapshot.promised) == (["a/b", "c/d"], 2, 2)


def test_equal_bytes_have_equal_digests_and_others_do_not() -> None:
    one, two = read([body(model("a/b"))]), read([body(model("a/b"), model("c/d", prompt="9"))])
    assert one.entries["a/b"] == two.entries["a/b"]
    assert one.entries["a/b"].digest != two.entries["c/d"].digest


# Documents


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({"id": "a/b", "pricing": {"prompt": "1", "completion": "1"}}, "name"),
        ({"id": "a/b", "name": "x"}, "pricing"),
        ({**GOOD, "pricing": None}, "pricing"),
        ({**GOOD, "pricing": []}, "pricing"),
        ({**GOOD, "pricing": {}}, "no price for prompt and completion"),
        ({**GOOD, "pricing": {"prompt": "1", "completion": None}}, "no price for completion"),
        (model("a/b", prompt="1e999999"), "the price for prompt is not a price"),
        (model("a/b", prompt="NaN"), "the price for prompt is not a price"),
        (model("a/b", prompt=True), "the price for prompt is not a price"),
        (model("a/b", completion="-0.5"), "the price for completion is not a price"),
        (model("a/b", completion=["1"]), "the price for completion is not a price"),
        (model("a/b", name=7), "name"),
        (model("a/b", context_length="long"), "context_length"),
        (model("a/b", context_length=True), "context_length"),
        (model("a/b", supported_parameters="tools"), "supported_parameters"),
        (model("a/b", supported_parameters=[1]), "supported_parameters"),
        (model("a/b", architecture=[]), "architecture"),
        (model("a/b", architecture={"input_modalities": "text"}), "input_modalities"),
        (model("a/b", top_provider={"is_moderated": "no"}), "is_moderated"),
        (model("a/b", alias_target={"name": "x"}), "alias_target"),
        (model("a/b", expiration_date=20260101), "expiration_date"),
        (None, "object"),
        ([], "object"),
    ],
    ids=lambda value: None if isinstance(value, str) else "document",
)
def test_a_document_of_the_wrong_shape_is_unfit_and_says_what_is_wrong(document: Any, why: str) -> None:
    with pytest.raises(UnfitError, match=why):
        facets(document)


def test_a_document_nested_too_deeply_is_unfit() -> None:
    with pytest.raises(UnfitError, match="nested too deeply"):
        normalise(b'{"id":"a/b","x":' + DEEP + b"}")


def test_a_number_out_of_range_is_unfit() -> None:
    with pytest.raises(UnfitError, match="range"):
        normalise(b'{"id":"a/b","x":1e999}')


@pytest.mark.parametrize("number", [1e300, 10**40, -(10**300)])
def test_a_huge_number_is_kept_and_survives_a_restart(number: Any) -> None:
    world = World().poll("00:00", GOOD).resumed().poll("01:00", model("good/one", context_length=number)).hold("06:00")
    assert len(world.events) == 1
    world = world.resumed()
    assert world.poll("07:00", model("good/one", context_length=number)).hold("12:00").events == world.events


def test_nul_in_texts_is_left_out() -> None:
    document = facets(model("a/b", name="A\0B", hugging_face_id="\0", other="x\0y"))
    assert (document["name"], document["other"]) == ("AB", "xy")
    assert "hugging_face_id" not in document


@pytest.mark.parametrize("name", ["", " ", "\0"])
def test_a_model_without_a_name_is_called_by_its_id(name: str) -> None:
    assert normalise(json.dumps(model("a/b", name=name)).encode()).name == "a/b"


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


def test_a_bad_model_in_a_good_list_is_reported_and_counts_as_present() -> None:
    world = World().poll("00:00", GOOD, model("bad/one")).poll("01:00", GOOD, model("bad/one", name=7)).hold("1 00:00")
    assert world.news == []
    (problem,) = world.last.judgement.problems
    assert problem.startswith("bad/one is not understood and counts as unchanged: ")
    assert world.tracks["bad/one"].present


def test_a_bad_model_that_nobody_knows_is_reported_and_is_new_when_it_can_be_read() -> None:
    world = World().poll("00:00", GOOD).poll("01:00", GOOD, model("bad/one", name=7))
    assert len(world.last.judgement.problems) == 1
    assert "bad/one" not in world.tracks
    assert world.poll("02:00", GOOD, model("bad/one")).news == ["02:00 new bad/one"]


def test_a_missing_model_that_comes_back_unreadable_is_there() -> None:
    world = World().poll("00:00", GOOD, model("bad/one")).poll("01:00", GOOD)
    world = (
        world.poll("02:00", GOOD, model("bad/one", name=7)).poll("03:00", GOOD).poll("04:00", GOOD, model("bad/one"))
    )
    assert world.news == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = ("name", "pricing", "canonical_slug", "architecture", "top_provider", "supported_voices", "alias_target", "x")


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(KEYS), json_values), st.dictionaries(st.text(max_size=8), json_values, max_size=3)
)
@example({"supported_voices": [{"a": 1, "b": 2}, None]}, {"overrides": [{}]})
def test_any_document_is_judged_without_a_crash(fields: dict[str, Any], pricing: dict[str, Any]) -> None:
    odd = {**model("a/b", pricing=pricing), **fields}
    world = World().poll("00:00", GOOD, model("a/b")).poll("01:00", GOOD, odd).hold("06:00").resumed()
    assert world.poll("07:00", GOOD, model("a/b")).hold("12:00").last.outcome == "good"


# What is familiar


def test_familiar_documents_are_what_they_were_wherever_they_stand() -> None:
    first = body(GOOD, model("good/two"), {"no": "id"})
    familiar = Familiar()
    assert read([first], familiar) == read([first])
    other = body(model("good/two"), model("good/one", prompt="4"), {"no": "id"}, model("good/two"))
    assert read([other], familiar) == read([other])
    assert read([first], familiar) == read([first])


@pytest.mark.parametrize("stray", [b"\xff", b"\\ud800"])
def test_text_that_cannot_be_is_repaired_whatever_is_familiar(stray: bytes) -> None:
    familiar = Familiar()
    read([body(GOOD, model("good/two"))], familiar)
    broken = body(GOOD, model("good/two", description="a?b")).replace(b"a?b", b"a" + stray + b"b")
    for _ in range(2):
        snapshot = read([broken], familiar)
        assert snapshot == read([broken])
        assert normalise(snapshot.entries["good/two"].raw) == normalise(read([broken]).entries["good/two"].raw)


def test_what_was_in_the_list_before_the_last_is_not_kept() -> None:
    familiar = Familiar()
    for prompt in range(20):
        read([body(GOOD, model("good/two", prompt=str(prompt)))], familiar)
    assert len(familiar.documents) == 2
