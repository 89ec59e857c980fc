"""Benchmarks in recorded snapshots: the API has the latest, in whatever order the archives are imported."""

import json
import shutil
from datetime import timedelta

import pytest

from testkit.command import Watcher
from tests.store.samples import START, document
from watcher.store.store import Store


@pytest.fixture
def database(empty, tmp_path):
    """Nothing here depends on the kind of database."""
    return f"sqlite:///{shutil.copy(empty, tmp_path / 'watcher.db')}"


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
