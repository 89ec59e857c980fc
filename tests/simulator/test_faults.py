"""Every fault, as a client sees it on the wire."""

import json
import socket
import zlib

import httpx
import pytest

from watcher.api.answer import Response
from watcher.errors import UsageError
from watcher.simulator import FAULTS, Fault

LIST = "/api/v1/models"
FEED = f"{LIST}?use_rss=true"
MIB64 = 64 * 1024 * 1024


def test_every_fault_has_a_test_here():
    assert set(FAULTS) == {
        "429", "500", "503", "slow", "drip", "cut", "wrong-type", "html", "empty", "short", "duplicates", "broken",
        "huge", "bomb", "redirect",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "status", "retry_after"),
    [("429", 429, "1"), ("500", 500, None), ("503", 503, "1"), ("404", 404, None), ("418", 418, None)],
)
def test_an_error_status_comes_with_the_api_s_error_body(simulator, client, name, status, retry_after):
    simulator.set_fault(Fault.named(name))
    response = client.get(LIST)
    assert response.status_code == status
    assert response.headers.get("retry-after") == retry_after
    assert response.json()["error"]["code"] == status


def test_retry_after_may_be_a_date(simulator, client):
    simulator.set_fault(Fault.named("429", retry_after="Wed, 14 Jan 2026 15:00:10 GMT"))
    assert client.get(LIST).headers["retry-after"] == "Wed, 14 Jan 2026 15:00:10 GMT"


def test_slow_says_nothing_until_the_delay_is_over(simulator, client):
    simulator.set_fault(Fault.named("slow"))
    with pytest.raises(httpx.ReadTimeout):
        client.get(LIST, timeout=0.1)
    simulator.set_fault(Fault.named("slow", delay=0.01))
    assert client.get(LIST).json()["data"]


def test_a_drip_feed_comes_bit_by_bit(simulator, client):
    whole = client.get(LIST).content
    simulator.set_fault(Fault.named("drip", drip=7, interval=0.02))
    with client.stream("GET", LIST) as response:
        assert int(response.headers["content-length"]) == len(whole)
        first = next(response.iter_raw())
    # A client that is held up for a moment finds several pieces at once, but never nearly all.
    assert 0 < len(first) < len(whole) / 2
    assert whole.startswith(first)


def test_a_drip_feed_ends_with_the_whole_body(simulator, client):
    whole = client.get(f"{LIST}/count").content
    simulator.set_fault(Fault.named("drip", drip=3, interval=0))
    assert client.get(f"{LIST}/count").content == whole


def test_a_cut_off_body_ends_before_its_promised_length(simulator, client):
    simulator.set_fault(Fault.named("cut"))
    for url in (LIST, FEED):
        with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
            client.get(url)


def test_wrong_type_changes_the_type_alone(simulator, client):
    whole = client.get(LIST).content
    simulator.set_fault(Fault.named("wrong-type"))
    response = client.get(LIST)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/plain")
    assert response.content == whole


def test_html_comes_with_200(simulator, client):
    simulator.set_fault(Fault.named("html"))
    response = client.get(LIST)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    assert response.text.startswith("<!DOCTYPE html>")


def test_an_empty_list_is_well_formed(simulator, client):
    simulator.set_fault(Fault.named("empty"))
    assert client.get(LIST).json() == {"data": [], "total_count": 0, "links": {"next": None}}


def test_a_short_list_has_fewer_models_than_its_total(simulator, client):
    whole, feed = client.get(LIST).json(), client.get(FEED).content
    simulator.set_fault(Fault.named("short"))
    short = client.get(LIST).json()
    assert short["total_count"] == whole["total_count"]
    assert short["data"] == whole["data"][: len(whole["data"]) // 2]
    assert client.get(FEED).content == feed
    assert client.get(f"{LIST}/count").json()["data"]["count"] == whole["total_count"]


def test_duplicates_are_counted_in_the_total(simulator, client):
    simulator.set_fault(Fault.named("duplicates"))
    body = client.get(LIST).json()
    ids = [model["id"] for model in body["data"]]
    assert body["total_count"] == len(ids) == len(set(ids)) * 5 // 4


def test_broken_models_stand_among_good_ones(simulator, client):
    whole = client.get(LIST).json()
    simulator.set_fault(Fault.named("broken"))
    broken = client.get(LIST).json()
    assert broken["total_count"] == len(broken["data"]) == len(whole["data"])
    assert broken["data"][6:] == whole["data"][6:]
    first = broken["data"]
    assert "pricing" not in first[0]
    assert first[1]["architecture"] == []
    assert first[2] is None
    assert first[3]["id"] == 17
    assert isinstance(first[4]["pricing"]["prompt"], float)
    assert first[5]["pricing"]["prompt"] == "cheap"


def test_a_huge_body_is_right_but_for_its_size(simulator, client):
    whole = client.get(LIST).content
    simulator.set_fault(Fault.named("huge"))
    with client.stream("GET", LIST) as response:
        assert int(response.headers["content-length"]) > MIB64
        first = next(response.iter_raw(len(whole)))
    assert first == whole


def test_a_bomb_is_small_on_the_wire_and_huge_when_inflated(simulator, client):
    whole = client.get(LIST).content
    simulator.set_fault(Fault.named("bomb"))
    with client.stream("GET", LIST, headers={"accept-encoding": "identity"}) as response:
        assert response.headers["content-encoding"] == "gzip"
        packed = b"".join(response.iter_raw())
    assert len(packed) < 1024 * 1024
    inflate = zlib.decompressobj(31)
    assert inflate.decompress(packed, len(whole)) == whole
    size = len(whole)
    while inflate.unconsumed_tail:
        size += len(inflate.decompress(inflate.unconsumed_tail, 1024 * 1024))
    assert size > MIB64


def test_a_redirect_leads_to_another_host(simulator, client):
    simulator.set_fault(Fault.named("redirect"))
    response = client.get(LIST)
    assert response.status_code == 302
    assert httpx.URL(response.headers["location"]).host == "elsewhere.invalid"
    simulator.set_fault(Fault.named("redirect", location="/api/v1/models/count", status=307, times=1))
    assert "count" in client.get(LIST, follow_redirects=True).json()["data"]


def test_a_fault_can_be_for_some_requests_only(simulator, client):
    simulator.set_fault(Fault.named("500", path="*use_rss=true*"))
    assert client.get(LIST).status_code == 200
    assert client.get(FEED).status_code == 500
    simulator.set_fault(Fault.named("500", path="!*use_rss=true*"))
    assert client.get(LIST).status_code == 500
    assert client.get(FEED).status_code == 200


def test_a_fault_can_be_for_the_next_few_requests_that_match(simulator, client):
    simulator.set_fault(Fault.named("503", times=2, path=LIST))
    assert [client.get(url).status_code for url in (f"{LIST}/count", LIST, LIST, LIST)] == [200, 503, 503, 200]


def test_a_fault_can_be_cleared(simulator, client):
    simulator.set_fault(Fault.named("500"))
    assert client.get(LIST).status_code == 500
    simulator.set_fault(None)
    assert client.get(LIST).status_code == 200


def test_faults_can_be_combined(simulator, client):
    simulator.set_fault(Fault(models="short", content_type="text/html", retry_after="9"))
    response = client.get(LIST)
    assert response.headers["retry-after"] == "9"
    assert len(response.json()["data"]) < response.json()["total_count"]


def test_a_waiting_fault_does_not_hold_back_the_end(simulator):
    simulator.set_fault(Fault.named("slow", delay=3600))
    with socket.create_connection(("127.0.0.1", httpx.URL(simulator.origin).port)) as raw:
        raw.sendall(b"GET /api/v1/models HTTP/1.1\r\nHost: x\r\n\r\n")
        simulator.close()  # hangs here if it waits


@pytest.mark.parametrize("name", ["nothing", "", "200", "42", "5000"])
def test_an_unknown_name_is_refused_with_those_there_are(name):
    with pytest.raises(UsageError, match=r"wrong-type"):
        Fault.named(name)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"null", b"{", b"\xff", b'{"name":"x"}', b'{"status":99}', b'{"status":"500"}', b'{"colour":1}',
        b'{"cut":1}', b'{"cut":-0.1}', b'{"times":0}', b'{"delay":-1}', b'{"models":"gone"}', b'{"path":1}',
        b'{"retry_after":"1\\r\\nx: y"}', b'{"location":"a\\nb"}', b"[" * 100_000,
    ],
)  # fmt: skip
def test_a_fault_that_cannot_be_is_refused(client, body):
    with pytest.raises(UsageError):
        Fault.from_json(body)
    response = client.put("/simulator/fault", content=body)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == 400


@pytest.mark.parametrize("field", ["cls", "self", "fields", "colour"])
def test_a_field_that_no_fault_has_is_named(client, field):
    response = client.put("/simulator/fault", json={"name": "429", field: 1})
    assert response.status_code == 400
    assert f"`{field}`" in response.json()["error"]["message"]


def test_what_is_not_a_list_is_not_spoiled():
    for body in (b"no json", b"[]", b'{"data": {"count": 3}}', b"[" * 100_000):
        spoiled = Fault.named("empty").spoil(Response(200, {"content-type": "application/json"}, body))
        assert spoiled.body == body


def test_a_list_of_odd_elements_can_be_spoiled_too():
    body = json.dumps({"data": [None, 3, {"id": "a/b"}]}).encode()
    lengths = {
        how: len(json.loads(Fault(models=how).spoil(Response(200, {}, body)).body)["data"])
        for how in ("empty", "short", "duplicates", "broken")
    }
    assert lengths == {"empty": 0, "short": 1, "duplicates": 4, "broken": 3}
