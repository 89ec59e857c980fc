"""Benchmarks in recorded snapshots: the API has the latest, in whatever order the archives are imported."""

import json
from datetime import timedelta

import pytest

from testkit.command import Watcher
from tests.store.samples import START, Polls, document
from watcher.store.store import Store


@pytest.fixture
def polls(database):
    """None but those that are imported."""
    return Store(database)


def index(value):
    return {"design_arena": [], "artificial_analysis": {"intelligence_index": value}}


def archive(folder, hours, *models):
    """Write an archive of one snapshot so many hours after the start."""
    folder.mkdir(parents=True)
    at = START + timedelta(hours=hours)
    (folder / f"{at:%Y-%m-%dT%H-%M-%SZ}.json").write_text(json.dumps({"data": models}))
    return str(folder)


@pytest.mark.parametrize("order", [("early", "late"), ("late", "early"), ("late", "early", "late", "early")])
def test_the_latest_benchmarks_are_kept_in_whatever_order_archives_come(serve, tmp_path, order):
    made = {
        "early": archive(
            tmp_path / "early", 0, document("a/one", benchmarks=index(10)), document("a/two", benchmarks=index(30))
        ),
        "late": archive(tmp_path / "late", 1, document("a/one", benchmarks=index(40)), document("a/two")),
    }
    (tmp_path / "config.toml").write_text(f'[store]\nurl = "sqlite:///{tmp_path / "watcher.db"}"\n')
    for name in order:
        done = Watcher(tmp_path).run_here("import", made[name])
        assert done.code == 0, done.err
    listed = serve().get("models?sort=intelligence-high-to-low&min_intelligence_index=20").json()["data"]
    found = {model["id"]: model["benchmarks"]["artificial_analysis"]["intelligence_index"] for model in listed}
    assert found == {"a/one": 40, "a/two": 30}
    assert list(found) == ["a/one", "a/two"]


def test_each_spelling_is_there_in_whatever_order_archives_come_and_before_the_watcher_s_own_polls(
    serve, tmp_path, polls
):
    spellings = ["0.5", "5e-1", "0.50", ".5e0"]
    (tmp_path / "config.toml").write_text(f'[store]\nurl = "sqlite:///{tmp_path / "watcher.db"}"\n')
    Polls(polls).see(document("a/one", spellings[3]), at=START + timedelta(hours=3))
    for hours in (2, 0, 1):
        made = archive(tmp_path / f"archive{hours}", hours, document("a/one", spellings[hours]))
        done = Watcher(tmp_path).run_here("import", made)
        assert done.code == 0, done.err
    client = serve()
    for hours, spelled in enumerate(spellings):
        at = START + timedelta(hours=hours, minutes=30)
        model = client.get("model/a/one", params={"raw": "1", "at": at.isoformat()}).json()["data"]
        assert model["pricing"]["prompt"] == spelled
