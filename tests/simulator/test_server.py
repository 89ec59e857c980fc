"""The server itself: control, archives, hostile clients, start and end."""

import json
import socket
import tarfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from watcher.errors import UsageError
from watcher.simulator import Fault, Simulator, built_in, recorded_scenes, story_by_name, story_scenes

START = datetime(2026, 1, 4, 19, tzinfo=UTC)


def demo() -> Simulator:
    return Simulator(story_scenes(story_by_name("demo")))


def recorded(*bodies: object) -> recorded_scenes:
    return recorded_scenes(
        (START + timedelta(hours=n), body if isinstance(body, bytes) else json.dumps(body).encode())
        for n, body in enumerate(bodies)
    )


def raw(simulator: Simulator, text: bytes) -> bytes:
    """What comes back until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", httpx.URL(simulator.origin).port), timeout=20) as connection:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        answered = b""
        try:
            while piece := connection.recv(65536):
                answered += piece
        except ConnectionResetError:
            pass  # it refused before it had read all: what it said came before
        return answered


def test_it_listens_on_loopback_at_a_free_port(simulator):
    assert simulator.url == f"{simulator.origin}/api/v1"
    assert httpx.URL(simulator.url).host == "127.0.0.1"
    with Simulator(story_scenes(story_by_name("quiet"))) as other:
        assert other.url != simulator.url


def test_requests_are_recorded(simulator, client):
    client.get("/api/v1/models?q=%20x", headers={"X-Who": "me"})
    client.get("/simulator/state")
    (request,) = simulator.requests
    assert (request.method, request.path, request.query) == ("GET", "/api/v1/models", "q=%20x")
    assert request.headers["x-who"] == "me"


def test_a_story_goes_on_step_by_step_to_its_end():
    with demo() as simulator, httpx.Client(base_url=simulator.url) as client:
        steps = len(story_by_name("demo").steps)
        totals = [client.get("/models?output_modalities=all").json()["total_count"]]
        while moment := simulator.advance():
            assert simulator.scene is moment
            totals.append(client.get("/models?output_modalities=all").json()["total_count"])
        assert len(totals) == steps
        assert totals[2] == totals[1] + 1
        assert totals.count(0) == 1  # the glitch, over with its step
        assert simulator.advance() is None
        assert simulator.scene.number == steps - 1


def test_a_fault_set_by_hand_outlives_a_step_but_a_step_s_own_does_not():
    with demo() as simulator:
        simulator.set_fault(Fault.named("500"))
        simulator.advance()
        assert simulator.state()["fault"]["name"] == "500"
        simulator.set_fault(None)
        while simulator.scene.fault is None:
            simulator.advance()
        assert simulator.state()["fault"]["name"] == "empty"
        simulator.advance()
        assert simulator.state()["fault"] is None


def test_another_process_controls_it_over_http():
    with demo() as simulator, httpx.Client(base_url=simulator.origin) as client:
        state = client.get("/simulator/state").json()
        assert (state["step"], state["fault"], state["requests"]) == (0, None, 0)
        moved = client.post("/simulator/advance").json()
        assert moved["advanced"] is True and moved["step"] == 1 and moved["title"] == simulator.scene.title
        fault = client.put("/simulator/fault", json={"name": "429", "times": 2, "retry_after": "7"}).json()["fault"]
        assert (fault["status"], fault["times"], fault["retry_after"]) == (429, 2, "7")
        assert client.get("/api/v1/models").headers["retry-after"] == "7"
        assert client.get("/simulator/state").json()["fault"]["times"] == 1
        assert client.delete("/simulator/fault").json()["fault"] is None
        assert client.get("/api/v1/models").status_code == 200
        while client.post("/simulator/advance").json()["advanced"]:
            pass
        assert simulator.scene.number == len(story_by_name("demo").steps) - 1


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "advance", 405), ("POST", "fault", 405), ("DELETE", "state", 405), ("GET", "", 404), ("POST", "x", 404)],
)
def test_control_takes_nothing_else(client, method, path, status):
    assert client.request(method, f"/simulator/{path}").status_code == status


def test_an_archive_is_served_as_recorded_one_step_at_a_time():
    first, second = [{"id": "a/b", "odd": 1.5}, None, {"id": "c/d"}], [{"id": "a/b"}]
    with Simulator(recorded({"data": first}, {"data": second})) as simulator, httpx.Client() as client:
        for models in (first, second):
            for query in ("", "?output_modalities=all"):
                body = client.get(f"{simulator.url}/models{query}").json()
                assert body == {"data": models, "total_count": len(models), "links": {"next": None}}
            assert client.get(f"{simulator.url}/models/count").json()["data"]["count"] == len(models)
            moment = simulator.advance()
        assert moment is None
        assert simulator.scene.at == START + timedelta(hours=1)


def test_an_archive_can_be_filtered():
    with Simulator(recorded({"data": built_in()})) as simulator, httpx.Client() as client:
        body = client.get(f"{simulator.url}/models?output_modalities=embeddings").json()
        assert 0 < body["total_count"] < len(built_in())


def test_real_recordings_are_served_whole(archive_path):
    with tarfile.open(archive_path, "r:xz") as archive:
        files = (archive.extractfile(member) for member in archive if member.isfile())
        bodies = (file.read() for file in files if file)
        with Simulator(recorded_scenes((START, body) for body in bodies)) as simulator, httpx.Client() as client:
            for _ in range(3):
                body = client.get(f"{simulator.url}/models").json()
                assert body["data"] == simulator.scene.models
                assert body["total_count"] == len(body["data"]) > 300
                assert client.get(f"{simulator.url}/models?use_rss=true").text.count("<item>") == len(body["data"])
                simulator.advance()


def test_an_archive_is_read_as_it_is_served():
    read = []

    def members():
        for n in range(3):
            read.append(n)
            yield START, b'{"data":[]}'

    with Simulator(recorded_scenes(members())) as simulator:
        assert read == [0]
        simulator.advance()
        assert read == [0, 1]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"data":{}}', b"\xff\xfe", b"[" * 100_000])
def test_a_recorded_body_that_is_no_list_is_served_as_it_is(body):
    with Simulator(recorded(body)) as simulator, httpx.Client() as client:
        assert client.get(f"{simulator.url}/models").content == body
        assert client.get(f"{simulator.url}/models/count").status_code == 500
        assert simulator.state()["models"] is None


def test_an_empty_archive_is_refused():
    with pytest.raises(UsageError, match="no recorded answer"):
        Simulator(recorded_scenes([]))


def test_a_port_in_use_is_refused(simulator):
    port = httpx.URL(simulator.origin).port
    with pytest.raises(UsageError, match=str(port)):
        Simulator(story_scenes(story_by_name("quiet")), port=port)


@pytest.mark.parametrize("port", [-1, 65536, 10**9])
def test_a_port_that_cannot_be_is_refused(port):
    with pytest.raises(UsageError, match="cannot listen"):
        Simulator(story_scenes(story_by_name("quiet")), port=port)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"400"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /api/v1/models HTTP/9.9\r\n\r\n", b"505"),
        (b"GET /api/v1/models HTTP/x\r\n\r\n", b"400"),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", b"431"),
        (b"GET /api/v1/model/%zz/%ff HTTP/1.1\r\nConnection: close\r\n\r\n", b"400"),
        (b"GET /\xff\xfe HTTP/1.1\r\nConnection: close\r\n\r\n", b"404"),
        (b"GET http://evil.example/api/v1/models HTTP/1.1\r\nConnection: close\r\n\r\n", b"404"),
        (b"PUT /simulator/fault HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"PUT /simulator/fault HTTP/1.1\r\nContent-Length: \xb2\r\n\r\n", b"400"),
        (b"PUT /simulator/fault HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", b"413"),
        (b"PUT /simulator/fault HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"400"),
        (b"PUT /simulator/fault HTTP/1.1\r\nContent-Length: 50\r\nConnection: close\r\n\r\n{", b"400"),
    ],
)
def test_hostile_bytes_get_a_refusal_and_do_no_harm(simulator, client, caplog, capfd, request_, status):
    head, _, body = raw(simulator, request_).partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == status
    assert json.loads(body)["error"]["code"] == int(status)
    assert client.get("/api/v1/models/count").status_code == 200
    assert not caplog.records and capfd.readouterr() == ("", "")


def test_a_bug_of_ours_is_500_and_logged(caplog):
    failing = (replace(scene, default_output=[]) for scene in story_scenes(story_by_name("quiet")))
    with Simulator(failing) as simulator, httpx.Client(base_url=simulator.origin) as client:
        response = client.get("/api/v1/models")
    assert response.status_code == 500 and response.json()["error"]["code"] == 500
    assert "TypeError" in caplog.text


def test_a_client_that_goes_away_is_no_matter(simulator, client, caplog, capfd):
    simulator.set_fault(Fault.named("huge", times=1))
    with client.stream("GET", "/api/v1/models") as response:
        next(response.iter_raw())
    assert client.get("/api/v1/models/count").status_code == 200
    simulator.close()
    assert not caplog.records and capfd.readouterr() == ("", "")


def test_a_connection_is_kept_for_the_next_request(simulator):
    answers = raw(simulator, b"GET /api/v1/models/count HTTP/1.1\r\n\r\n" * 3)
    assert answers.count(b"HTTP/1.1 200 OK") == 3


def test_closing_ends_open_connections_and_frees_the_port():
    simulator = demo()
    port = httpx.URL(simulator.origin).port
    with socket.create_connection(("127.0.0.1", port), timeout=20) as idle:
        idle.sendall(b"GET /api/v1/models/count HTTP/1.1\r\n\r\n")
        assert idle.recv(4096)
        simulator.close()
        simulator.close()
        while idle.recv(4096):
            pass
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1)
