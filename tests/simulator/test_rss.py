"""The feed says the same as the list."""

import calendar
import io
from datetime import UTC, datetime

import feedparser
import pytest

from watcher.simulator import built_in
from watcher.simulator.rss import render

MODELS = built_in()


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
    assert {id_in_title(entry) for entry in entries} == {model["id"] for model in listed}
    times = [calendar.timegm(entry.published_parsed) for entry in entries]
    assert times == sorted(times, reverse=True)


def test_every_way_to_tell_the_id_agrees(client):
    by_id = {model["id"]: model for model in MODELS}
    for entry in feed(client.get("/api/v1/models?use_rss=true&output_modalities=all").content).entries:
        id_ = id_in_title(entry)
        assert entry.id == id_
        assert entry.link == f"https://openrouter.ai/{id_}"
        assert entry.title == f"{by_id[id_]['name']} ({id_})"
        assert calendar.timegm(entry.published_parsed) == by_id[id_]["created"]


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
