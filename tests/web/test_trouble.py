"""Bad days of the database: 503 with a reason, and all is well again once it is."""

import shutil
import sqlite3
import threading
from datetime import timedelta

import pytest

from testkit.command import Watcher
from tests.store.samples import START, document
from tests.web.conftest import ids
from watcher.web import server as server_module

LATER = START + timedelta(hours=2)


@pytest.fixture
def file(database, polls, tmp_path):
    return tmp_path / "watcher.db"


def is_unavailable(client, word, health=503):
    for path in (
        "models",
        "models?at=2026-01-04T12:00Z",
        "model/a/one",
        str(client.base_url).replace("api/v1/", "export/csv"),
    ):
        response = client.get(path)
        assert response.status_code == 503, response.text
        assert word in response.json()["error"]["message"]
        assert int(response.headers["retry-after"]) > 0
        assert response.headers["cache-control"] == "no-store"
    assert client.get(str(client.base_url).replace("api/v1/", "healthz")).status_code == health
    return True


@pytest.mark.parametrize("asked_before", [True, False])
def test_a_database_that_is_gone_is_503_until_it_is_back(client, file, asked_before):
    if asked_before:
        assert ids(client.get("models"))
    file.rename(file.with_suffix(".away"))
    assert is_unavailable(client, "was deleted or moved away" if asked_before else "does not exist")
    file.with_suffix(".away").rename(file)
    assert ids(client.get("models")) == ["b/new", "a/free", "a/one"]


@pytest.mark.parametrize("neighbour", ["", "-wal"])
def test_no_answer_tells_where_the_database_is(client, file, tmp_path, neighbour):
    root = str(client.base_url).removesuffix("/api/v1/")
    if neighbour:
        file.with_name(f"{file.name}{neighbour}").unlink(missing_ok=True)
        file.with_name(f"{file.name}{neighbour}").symlink_to(tmp_path / "elsewhere")
    else:
        file.rename(file.with_suffix(".away"))
    for path in ("/", "/status.json", "/models.md", "/feed.atom", "/metrics", "/api/v1/models", "/export/csv"):
        answer = client.get(root + path)
        assert answer.status_code == 503 and "database" in answer.text
        assert "watcher.db" not in answer.text and str(tmp_path) not in answer.text, path


def test_a_replaced_database_is_the_one_that_is_read(client, file, polls, empty):
    old = shutil.copy(file, file.with_suffix(".old"))
    polls.see(document("a/one"), document("a/free"), document("b/new"), document("c/c"), at=LATER)
    assert len(ids(client.get("models"))) == 4
    shutil.move(old, file)
    assert ids(client.get("models")) == ["b/new", "a/free", "a/one"]
    shutil.copy(empty, file.with_suffix(".new"))
    file.with_suffix(".new").rename(file)
    assert is_unavailable(client, "has not read the list yet", health=200)


def test_an_empty_file_is_503(client, file):
    file.with_suffix(".new").touch()
    file.with_suffix(".new").rename(file)
    assert is_unavailable(client, "is empty")


def test_what_is_no_database_is_503(client, file):
    file.with_suffix(".new").write_bytes(b"no database" * 1000)
    file.with_suffix(".new").rename(file)
    assert is_unavailable(client, "is not an SQLite database")


def test_a_database_that_a_newer_version_migrated_meanwhile_is_503(client, file):
    assert ids(client.get("models"))
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    assert is_unavailable(client, "newer version")


def test_a_locked_database_is_503_and_then_answers_again(serve, file, monkeypatch):
    monkeypatch.setattr(server_module, "BUSY_SECONDS", 0.1)
    client = serve()
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("BEGIN EXCLUSIVE")
    response = client.get("models")
    assert response.status_code == 503 and int(response.headers["retry-after"])
    assert "locked" in response.json()["error"]["message"]
    connection.execute("ROLLBACK")
    connection.close()
    assert ids(client.get("models"))


def test_a_moment_is_one_state_while_an_import_runs(serve, file, polls, tmp_path):
    """Whoever asks sees all of what was imported or none of it."""
    archive = tmp_path / "archive"
    archive.mkdir()
    for hour in range(12):
        models = [document(f"old/{number}", prompt=f"0.00000{hour % 9 + 1}") for number in range(40)]
        import json

        name = START.replace(day=3) + timedelta(hours=hour)
        (archive / f"{name:%Y-%m-%dT%H-%M-%SZ}.json").write_text(json.dumps({"data": models}))
    (tmp_path / "config.toml").write_text(f'[store]\nurl = "sqlite:///{file}"\n')
    client = serve()
    seen, done = [], threading.Event()

    def ask():
        while not done.is_set():
            response = client.get("models?at=2026-01-03T17:00Z")
            seen.append((response.status_code, len(response.json().get("data", ()))))

    asking = threading.Thread(target=ask)
    asking.start()
    ran = Watcher(tmp_path).run_here("import", str(archive))
    while (200, 40) not in seen and asking.is_alive():
        pass
    done.set()
    asking.join()
    assert ran.code == 0, ran.err
    assert set(seen) == {(404, 0), (200, 40)}
