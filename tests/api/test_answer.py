"""Answering is total: no request and no catalogue, however broken, makes it raise."""

import json
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from watcher.api.answer import Catalogue, Request, answer

NOW = datetime(2026, 1, 14, 12, tzinfo=UTC)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
KEYS = ("id", "canonical_slug", "name", "description", "created", "pricing", "context_length", "architecture",
    "supported_parameters", "alias_target", "top_provider")  # fmt: skip
MODEL = JSON | st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, JSON))
QUERIES = st.sampled_from(
    ["", "output_modalities=all", "raw=1", "use_rss=true&output_modalities=all", "sort=newest&output_modalities=all",
     "sort=pricing-high-to-low&output_modalities=all", "sort=context-high-to-low", "q=a&arch=gpt&providers=x",
     "model_authors=a&supported_parameters=b", "min_price=1&max_age_days=3&context=1&output_modalities=all",
     "category=legal&output_modalities=all", "input_modalities=text&output_modalities=all"]
)  # fmt: skip
PATHS = st.sampled_from(
    [
        f"/api/v1/{path}"
        for path in (
            "models",
            "models/count",
            "models/user",
            "model/a/b",
            "models/a/b/endpoints",
            "providers",
            "embeddings/models",
            "images/models",
            "videos/models",
        )
    ]
)


@given(st.lists(MODEL, max_size=4), PATHS, QUERIES)
def test_a_broken_catalogue_is_answered_all_the_same(catalogue, path, query):
    found = answer(Request(path, query, headers={"authorization": "Bearer x"}), Catalogue(catalogue, NOW))
    assert found.status in (200, 404)
    if "xml" in found.headers["content-type"]:
        ElementTree.fromstring(found.body)
    else:
        json.loads(found.body)


@given(st.text(), st.text(), st.text(max_size=8))
def test_any_request_gets_an_answer(path, query, method):
    for prefix in ("", "/api/v1/", "/api/v1/model/"):
        found = answer(Request(prefix + path, query, method), Catalogue([], NOW))
        assert found.status in (200, 400, 401, 404, 405, 501)
        assert found.body


def test_a_path_of_broken_encoding_is_400():
    assert answer(Request("/api/v1/model/%ff/x"), Catalogue([], NOW)).status == 400


def test_aliases_in_a_circle_lead_nowhere():
    catalogue = [{"id": "~a/x", "alias_target": {"slug": "~a/y"}}, {"id": "~a/y", "alias_target": {"slug": "~a/x"}}]
    assert answer(Request("/api/v1/model/~a/x"), Catalogue(catalogue, NOW)).status == 404


def test_an_alias_of_an_alias_is_followed():
    catalogue = [{"id": "~a/x", "alias_target": {"slug": "~a/y"}}, {"id": "~a/y", "alias_target": {"slug": "a/z"}},
                 {"id": "a/z"}]  # fmt: skip
    assert json.loads(answer(Request("/api/v1/model/~a/x"), Catalogue(catalogue, NOW)).body) == {"data": {"id": "a/z"}}


def test_a_lone_surrogate_survives_as_an_escape():
    body = answer(Request("/api/v1/models", "output_modalities=all"), Catalogue([{"name": "\ud800"}], NOW)).body
    assert json.loads(body)["data"] == [{"name": "\ud800"}]


def test_providers_that_differ_only_in_case_are_always_in_the_same_order():
    """A set has another order in each process, and the ETag says that the bytes are the same."""
    names = [name for letter in "abcdefgh" for name in (letter.upper(), letter)]
    catalogue = Catalogue([{"id": f"x/{name}", "name": f"{name}: Y"} for name in reversed(names)], NOW)
    found = json.loads(answer(Request("/api/v1/providers"), catalogue).body)
    assert [each["name"] for each in found["data"]] == names
