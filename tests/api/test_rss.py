"""The feed says the same as the list."""

import calendar
import io
from datetime import UTC, datetime

import feedparser
import pytest

from watcher.api.rss import render


def feed(body: bytes):
    parsed = feedparser.parse(io.BytesIO(body), sanitize_html=False, resolve_relative_uris=False)
    assert parsed.version == "rss20" and not parsed.bozo
    return parsed


def id_in_title(entry) -> str:
    return entry.title.rpartition("(")[2].removesuffix(")")


@pytest.mark.parametrize("query", ["", "&output_modalities=all", "&category=programming&sort=pricing-low-to-high"])
def test_the_feed_has_the_models_of_the_same_list_newest_first(client, query):
    response = client.get(f"/api/v1/models?use_rss=true{query}")
    assert response.headers["content-type"].startswith("application/rss+xml")
    entries = feed(response.content).entries
    listed = client.get(f"/api/v1/models?x=1{query}").json()["data"]
    assert sorted(map(id_in_title, entries)) == sorted(model["id"].partition(":")[0] for model in listed)
    times = [calendar.timegm(entry.published_parsed) for entry in entries]
    assert times == sorted(times, reverse=True)


def test_an_item_has_the_base_id_and_the_canonical_slug(client):
    listed = client.get("/api/v1/models?output_modalities=all&sort=newest").json()["data"]
    entries = feed(client.get("/api/v1/models?use_rss=true&output_modalities=all").content).entries
    assert len(entries) == len(listed)
    for entry, model in zip(entries, listed, strict=True):
        base = model["id"].partition(":")[0]
        assert entry.id == model["canonical_slug"]
        assert entry.link == f"https://openrouter.ai/{base}"
        assert entry.title == f"{model['name']} ({base})"
        assert calendar.timegm(entry.published_parsed) == model["created"]
    assert any(":" in model["id"] for model in listed)
    assert any(model["id"] != model["canonical_slug"] for model in listed)


def test_chat_links_lead_to_the_chat(client):
    entry = feed(client.get("/api/v1/models?use_rss=true&use_rss_chat_links=true&q=haiku-4.5").content).entries[0]
    assert entry.link == "https://openrouter.ai/chat?models=anthropic%2Fclaude-haiku-4.5"


def test_use_rss_false_is_the_list(client):
    assert client.get("/api/v1/models?use_rss=false").json()["data"]


HOSTILE = {
    "id": "a/<b>&]]>",
    "name": "]]> <script>alert(1)</script> &amp; \x00\x1b\ud800",
    "description": 'See [the docs](https://x.example/?a=1&b="2") ]]> <b>not bold</b> [bad](javascript:alert(1))',
    "created": 1768402800,
}


def test_a_name_cannot_break_out_of_the_feed():
    (entry,) = feed(render([HOSTILE])).entries
    assert entry.title.startswith("]]> <script>alert(1)</script> &amp; ")
    assert entry.title.endswith("(a/<b>&]]>)")
    assert entry.id == "a/<b>&]]>"
    (entry,) = feed(render([{"id": "a/b", "canonical_slug": HOSTILE["id"]}])).entries
    assert entry.id == HOSTILE["id"]


@pytest.mark.parametrize("slug", [None, "", 3, ["x"]])
def test_a_model_without_a_usable_slug_has_its_id_as_guid(slug):
    (entry,) = feed(render([{"id": "a/b:free", "canonical_slug": slug}])).entries
    assert entry.id == "a/b"


def test_a_description_is_text_with_links_as_html():
    (entry,) = feed(render([HOSTILE])).entries
    assert '<a href="https://x.example/?a=1&amp;b=&quot;2&quot;">the docs</a>' in entry.description
    assert "&lt;b&gt;not bold&lt;/b&gt;" in entry.description
    assert 'href="javascript' not in entry.description


@pytest.mark.parametrize("created", [None, "yesterday", 1e300, -1e300, [], float("inf")])
def test_a_model_without_a_usable_date_has_none(created):
    (entry,) = feed(render([{"id": "a/b", "created": created}])).entries
    assert "published" not in entry


def test_what_has_no_id_is_left_out():
    assert feed(render([None, {}, {"id": 3}, "x"])).entries == []


def test_the_date_is_in_gmt():
    (entry,) = feed(render([HOSTILE])).entries
    assert entry.published == "Wed, 14 Jan 2026 15:00:00 GMT"
    assert datetime(2026, 1, 14, 15, tzinfo=UTC).timestamp() == HOSTILE["created"]
