"""`/models/{author}/{slug}/endpoints` answers with the endpoints that were recorded, at any moment."""

import json
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from tests.sdk import call_all
from tests.store.samples import START, Polls
from tests.web.conftest import NOW
from watcher.catalog.decision import Fetched
from watcher.catalog.endpoints import read_endpoints
from watcher.config.mine import MineSettings
from watcher.config.settings import Config, SourceSettings, StoreSettings
from watcher.decide import decide
from watcher.store.records import Poll

pytestmark = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)


def recorded(polls: Polls, hours: int, *endpoints: dict[str, Any], model: str = "a/one") -> None:
    """Record an answer about the endpoints of a model."""
    at = START + timedelta(hours=hours)
    answer = read_endpoints(model, json.dumps({"data": {"endpoints": endpoints}}).encode())
    source = SourceSettings(rss=False, endpoints="mine")
    config = Config(None, source, StoreSettings("unused"), mine=MineSettings(models=("*",)))  # type: ignore[arg-type]
    with polls.store.writing() as session:
        known = replace(
            session.known(at),
            states=session.state.model_states(),
            endpoints=session.endpoints.model_states(),
            asked=session.endpoints.asked(),
        )
        fetched = Fetched(digest=known.list.digest, endpoints=(answer,))
        decision = replace(decide(known, fetched, config, at), outcome="good", list=known.list)
        session.save(known, fetched, decision, Poll(at, "good", 1, 3))


def endpoint(tag: str, prompt: str, **more: Any) -> dict[str, Any]:
    return {"provider_name": tag.title(), "tag": tag, "pricing": {"prompt": prompt, "completion": "0.000004"}, **more}


@pytest.fixture
def asked(polls: Polls) -> Polls:
    recorded(polls, 2, endpoint("x", "0.000002", status=0), endpoint("y/fp8", "0.000003", quantization="fp8"))
    recorded(polls, 4, endpoint("y/fp8", "0.000001", quantization="fp8", status=-2, uptime_last_30m=97.5))
    recorded(polls, 5, model="b/new")
    return polls


def prices(client: Any, path: str) -> dict[str, str]:
    endpoints = client.get(path).json()["data"]["endpoints"]
    return {each["tag"]: each["pricing"]["prompt"] for each in endpoints}


def test_the_recorded_endpoints_are_answered_with_as_they_are_and_were(asked: Polls, client: Any) -> None:
    path = "models/a/one/endpoints"
    assert prices(client, path) == {"y/fp8": "0.000001"}
    assert prices(client, f"{path}?at=2026-01-04T15:00Z") == {"x": "0.000002", "y/fp8": "0.000003"}
    assert prices(client, f"{path}?at=2026-01-04T13:30Z") == {"a": "0.000002"}, "before: that of the top provider"
    (now,) = client.get(path).json()["data"]["endpoints"]
    assert (now["status"], now["uptime_last_30m"], now["quantization"]) == (-2, 97.5, "fp8")
    assert now["name"] == "Y/Fp8 | a/one" and "id" not in now


def test_a_model_without_providers_has_none_and_one_that_nobody_asked_about_its_top_one(
    asked: Polls, client: Any
) -> None:
    assert prices(client, "models/b/new/endpoints") == {}
    assert prices(client, "models/a/free/endpoints") == {"a": "0"}


def test_what_was_recorded_long_ago_is_not_passed_off_as_of_today(asked: Polls, client: Any) -> None:
    asked.see({"id": "a/one", "pricing": {"prompt": "1", "completion": "1"}}, at=START + timedelta(days=8))
    assert list(prices(client, "models/a/one/endpoints")) == ["a"]


def test_a_cached_answer_is_not_confirmed_when_endpoints_changed(asked: Polls, serve: Any) -> None:
    client, path = serve(now=NOW + timedelta(hours=3)), "models/a/one/endpoints"
    first = client.get(path)
    old = {"if-none-match": first.headers["etag"]}
    assert client.get(path, headers=old).status_code == 304
    recorded(asked, 8, endpoint("y/fp8", "0.000009"))
    client = serve(now=NOW + timedelta(hours=3))  # a database server is asked again after a second
    assert client.get(path, headers=old).status_code == 200
    modified = {"if-modified-since": first.headers["last-modified"]}
    assert client.get(path, headers=modified).status_code == 200
    past = client.get(f"{path}?at=2026-01-04T15:00Z")
    assert "last-modified" not in past.headers


def test_the_official_sdk_takes_the_recorded_endpoints(asked: Polls, client: Any) -> None:
    for params in (None, {"at": "2026-01-04T15:00Z"}):
        found = [
            each
            for name, answer in call_all(str(client.base_url).rstrip("/"), params)
            if name == "endpoints"
            for each in answer
        ]
        assert {each.tag for each in found} >= {"y/fp8"}


def test_the_page_of_a_model_shows_them_in_every_format(asked: Polls, client: Any) -> None:
    page = str(client.base_url).replace("/api/v1/", "/model/a/one")
    html, markdown, shown = (client.get(page + ending) for ending in ("", ".md", ".json"))
    assert "<h2>Providers" in html.text and "<code>y/fp8</code>" in html.text and "degraded 97.5%" in html.text
    assert "y/fp8" in markdown.text.partition("## Providers")[2]
    (provider,) = shown.json()["endpoints"]["providers"]
    assert (provider["provider"]["tag"], provider["offer"]["prices"]["prompt"]) == ("y/fp8", "0.000001")
    other = str(client.base_url).replace("/api/v1/", "/model/a/free.json")
    assert client.get(other).json()["endpoints"] is None
