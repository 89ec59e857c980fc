"""The catalogue of now, and that of any past moment, on every call."""

import shutil
from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from tests.store.samples import START, Polls, document
from tests.web.conftest import NOW, ids
from watcher.store.store import Store

LATER = START + timedelta(hours=1)

pytestmark = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)


def test_the_list_is_that_of_the_last_poll_newest_first(client):
    response = client.get("models")
    assert ids(response) == ["b/new", "a/free", "a/one"]
    assert response.json()["total_count"] == 3
    assert response.headers["x-watcher-as-of"] == "2026-01-04T13:00:00Z"


@pytest.mark.parametrize(
    ("at", "listed"),
    [
        ("2026-01-04T12:00:00Z", ["a/free", "a/gone", "a/one"]),
        ("2026-01-04T12:59:59Z", ["a/free", "a/gone", "a/one"]),
        ("2026-01-04T12:59", ["a/free", "a/gone", "a/one"]),
        ("2026-01-04T14:30:00%2B02:00", ["a/free", "a/gone", "a/one"]),
        ("2026-01-04T14:30:00+02:00", ["a/free", "a/gone", "a/one"]),
        ("2026-01-04T13:00Z", ["b/new", "a/free", "a/one"]),
        ("2026-01-04T17:00Z", ["b/new", "a/free", "a/one"]),
    ],
)
def test_at_gives_the_list_that_the_last_good_poll_up_to_then_showed(client, at, listed):
    assert ids(client.get(f"models?at={at}")) == listed


def test_every_call_answers_as_of_a_moment(client):
    at = {"at": "2026-01-04T12:30Z"}
    assert client.get("models/count", params=at).json() == {"data": {"count": 3}}
    assert client.get("model/a/gone", params=at).json()["data"]["id"] == "a/gone"
    assert client.get("model/a/gone").status_code == 404
    assert client.get("models/a/gone/endpoints", params=at).json()["data"]["endpoints"]
    assert client.get("models/b/new/endpoints", params=at).status_code == 404
    assert "(a/gone)" in client.get("models", params={**at, "use_rss": "true"}).text
    assert "(a/gone)" not in client.get("models?use_rss=true").text
    key = {"authorization": "Bearer x"}
    assert "a/gone" in ids(client.get("models/user", params=at, headers=key))
    assert [entry["name"] for entry in client.get("providers", params=at).json()["data"]] == ["a"]
    for path in ("embeddings", "images", "videos"):
        assert client.get(f"{path}/models", params=at).json()["data"] == []


def test_pages_of_a_past_moment_stay_at_that_moment(client):
    page = client.get("models?at=2026-01-04T12:30Z&limit=2").json()
    following = client.get(page["links"]["next"])
    assert page["links"]["next"].startswith(str(client.base_url))
    assert [model["id"] for model in page["data"]] + ids(following) == ["a/free", "a/gone", "a/one"]


def test_before_the_first_poll_there_is_404_with_the_first_moment(client):
    response = client.get("models?at=2026-01-04T11:59:59Z")
    assert response.status_code == 404
    assert "2026-01-04T12:00:00Z" in response.json()["error"]["message"]


def test_the_times_that_it_gives_are_moments_to_ask_for(serve, polls):
    """A poll is seldom at a whole second, and one before it showed another list."""
    first, second = LATER + timedelta(hours=1, seconds=0.75), LATER + timedelta(hours=2, seconds=0.25)
    polls.see(document("a/one", prompt="3"), document("a/free"), document("b/new"), at=first)
    polls.see(document("a/one", prompt="4"), document("a/free"), document("b/new"), at=second)
    client = serve()
    as_of = client.get("model/a/one").headers["x-watcher-as-of"]
    assert as_of == "2026-01-04T15:00:00.250000Z"
    assert client.get(f"model/a/one?at={as_of}").json()["data"]["pricing"]["prompt"] == "4"
    export = str(client.base_url).replace("api/v1/", "export/csv")
    rows = [row.split(",") for row in client.get(f"{export}?model=a/one").text.splitlines() if ",prompt," in row]
    for _, _, price, start, end in rows:
        assert Decimal(client.get(f"model/a/one?at={start}").json()["data"]["pricing"]["prompt"]) == Decimal(price)
        assert f",prompt,{price},{start}," in client.get(f"{export}?model=a/one&at={start}").text
        assert not end or f",prompt,{price}," not in client.get(f"{export}?model=a/one&at={end}").text
    assert [price for _, _, price, *_ in rows] == ["0.000001", "0.000002", "3", "4"]


def test_the_first_moment_that_a_404_names_is_known(serve, empty, tmp_path):
    url = f"sqlite:///{shutil.copy(empty, tmp_path / 'first.db')}"
    with Store.open(url) as store:
        Polls(store).see(document("a/one"), at=START + timedelta(seconds=0.5))
    client = serve(url=url)
    export = str(client.base_url).replace("api/v1/", "export/csv")
    for call in ("models", "models/count", export):
        response = client.get(call, params={"at": "2026-01-04T12:00:00.499999Z"})
        assert response.status_code == 404
        first = response.json()["error"]["message"].rpartition(" ")[2]
        assert client.get(call, params={"at": first}).status_code == 200


@pytest.mark.parametrize("at", ["yesterday", "2026-13-01", "2026-01-04T18:00:01Z", "9999-12-31T23:59:59-23:00", "1,2"])
def test_what_is_no_past_moment_is_400(client, at):
    response = client.get("models", params={"at": at})
    assert response.status_code == 400 and '"at"' in response.json()["error"]["message"]


def test_raw_documents_are_byte_for_byte_those_that_came(client):
    came = msgspec.json.encode(document("a/one", created=1))
    assert came in client.get("models?raw=1&at=2026-01-04T12:00Z").content
    assert client.get("model/a/one?raw=1&at=2026-01-04T12:00Z").content == b'{"data":' + came + b"}"


def test_raw_documents_are_spelled_as_they_were_at_that_moment(client, polls):
    """Same price, other spelling: no event, and yet another document."""
    respelled = document("a/one", prompt="2e-6", created=1, alias_target=None)
    polls.see(respelled, document("a/free", prompt="0", created=3), at=LATER + timedelta(hours=1))
    raw = {at: client.get(f"model/a/one?raw=1&at=2026-01-04T{at}Z").json()["data"] for at in ("13:59", "14:00")}
    assert raw["13:59"]["pricing"]["prompt"] == "0.000002" and "alias_target" not in raw["13:59"]
    assert raw["14:00"] == respelled
    csv = client.get(str(client.base_url).replace("api/v1/", "export/csv?model=a/one")).text.splitlines()
    assert [line for line in csv if ",prompt,0.000002," in line] == ["a/one,prompt,0.000002,2026-01-04T13:00:00Z,"]


def test_old_documents_are_completed_to_todays_schema(client):
    model = client.get("model/a/one?at=2026-01-04T12:00Z").json()["data"]
    assert model["links"] == {"details": "/api/v1/models/a/one/endpoints"}
    assert model["supported_voices"] is None and "supported_voices" in model
    assert model["pricing"] == {"prompt": "0.000001", "completion": "0.000004"}


def test_benchmarks_are_those_known_last_and_said_to_be(client):
    past = client.get("models?at=2026-01-04T12:00Z")
    assert past.headers["x-watcher-benchmarks"] == "last known"
    assert {model["id"]: model.get("benchmarks") for model in past.json()["data"]}["a/one"] == {"design_arena": []}
    assert "x-watcher-benchmarks" not in client.get("models").headers


@pytest.mark.parametrize(("hours", "prompt"), [(16.4, "0.0000005"), (16.5, "0.00000025"), (24.4, "0.00000025")])
def test_the_price_of_now_is_that_of_the_window_in_force(serve, hours, prompt):
    assert serve(START + timedelta(hours=hours - 12)).get("model/b/new").json()["data"]["pricing"]["prompt"] == prompt


def test_a_price_outside_of_all_windows_is_not_that_of_the_window_of_the_poll(serve, polls):
    night = {"prompt": "0.000001", "completion": "0.000004",
             "overrides": [{"utc_start": 1600, "utc_end": 1700, "prompt": "0.0000005"}]}  # fmt: skip
    polls.see(document("c/night", pricing=night), at=LATER + timedelta(hours=2))
    in_window = {**night, "prompt": "0.0000005"}
    polls.see(document("c/night", pricing=in_window, context_length=1), at=LATER + timedelta(hours=3, minutes=10))
    assert serve(NOW).get("model/c/night").json()["data"]["pricing"]["prompt"] == "0.000001"
    at = serve(NOW).get("model/c/night?at=2026-01-04T16:15Z").json()["data"]["pricing"]
    assert Decimal(at["prompt"]) == Decimal("0.0000005")


def test_a_poll_shows_at_once(client, polls):
    assert len(ids(client.get("models"))) == 3
    polls.see(document("a/one"), document("b/new"), document("a/free"), document("d/d"), at=LATER + timedelta(hours=1))
    if not polls.store.shared:  # a server is asked once a second
        assert "d/d" in ids(client.get("models"))


def test_a_store_without_a_poll_is_503(serve, empty):
    response = serve(url=f"sqlite:///{empty}").get("models")
    assert response.status_code == 503 and int(response.headers["retry-after"])
