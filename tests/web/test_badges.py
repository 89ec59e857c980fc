"""Badges, as an image in a page gets them."""

import xml.etree.ElementTree as ElementTree
from datetime import timedelta

import pytest

from tests.store.samples import START, document
from tests.web.conftest import NOW
from watcher.catalog.feed import FeedModel

SVG = "{http://www.w3.org/2000/svg}"

pytestmark = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def badge(client):
    def badge(model, **headers):
        return client.get(f"{str(client.base_url).removesuffix('/api/v1/')}/badge/{model}.svg", headers=headers)

    return badge


def says(response):
    """Return the two halves of a badge that came."""
    assert response.headers["content-type"] == "image/svg+xml"
    return tuple(text.text for text in ElementTree.fromstring(response.text).iter(f"{SVG}text"))


def test_it_has_the_price_per_million_tokens(badge):
    assert says(badge("a/one")) == ("a/one", "$2 / $4 per M")
    assert says(badge("a/free"))[1] == "free / $4 per M"
    assert says(badge("b/new"))[1].startswith("$0.50")


def test_a_model_that_is_gone_says_since_when(badge):
    response = badge("a/gone")
    assert response.status_code == 200 and says(response) == ("a/gone", "gone since 4 Jan 2026")


def test_a_model_of_the_feed_alone_is_not_gone(badge, polls):
    polls.see(document("a/one"), at=START + timedelta(hours=2), feed=[FeedModel("f/only", "Feed only")])
    assert says(badge("f/only")) == ("f/only", "not listed yet")


@pytest.mark.parametrize(
    ("pricing", "text"),
    [
        ({"prompt": "-1", "completion": "-1"}, "price varies"),
        ({"prompt": "0", "completion": "0", "image": "0.03"}, "$0.03 an image"),
        (None, "price unknown"),
    ],
)
def test_other_prices_are_told_in_words(badge, polls, pricing, text):
    polls.see(document("a/one"), document("c/c:x", pricing=pricing), at=START + timedelta(hours=2))
    assert says(badge("c/c%3Ax")) == ("c/c:x", text)


def test_one_that_never_was_is_404_and_still_a_picture(badge):
    response = badge("a/never")
    assert response.status_code == 404 and says(response) == ("a/never", "unknown model")
    assert "etag" not in response.headers
    assert badge("never").status_code == 404
    assert badge("a/b/c").headers["content-type"] == "application/json"


def test_it_is_304_until_the_price_changes(badge, polls):
    first = badge("a/one")
    etag = first.headers["etag"]
    assert "max-age" in first.headers["cache-control"]
    assert badge("a/one", **{"if-none-match": etag}).status_code == 304
    polls.see(document("a/one"), at=NOW - timedelta(hours=1))
    again = badge("a/one", **{"if-none-match": etag})
    assert again.status_code == 200 and says(again)[1] == "$1 / $4 per M"


def test_a_hostile_id_is_text(badge, polls):
    hostile = "a/<script>\"'&]]>{id}"
    polls.see(document("a/one"), document(hostile), at=START + timedelta(hours=2))
    response = badge("a/%3Cscript%3E%22'&]]%3E{id}")
    assert says(response) == (hostile, "$1 / $4 per M")
    assert "<script" not in response.text
    assert response.headers["content-security-policy"].startswith("default-src 'none'")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert says(badge("a/%FF")) == ("a/\ufffd", "unknown model")
    assert says(badge("a/%E2%80%AEx")) == ("a/x", "unknown model")
