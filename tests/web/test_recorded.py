"""The recorded archives, imported: every answer is what was recorded then, and the official SDK accepts it."""

import json
import random
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path

import httpx
import pytest

pytest.importorskip("openrouter")

from testkit.archive import model_archives
from testkit.command import Watcher
from tests.sdk import call_all
from tests.web.conftest import make_config
from watcher.upstream.archive import Capture, read_archive
from watcher.web.server import WebServer

ARCHIVES = model_archives()
pytestmark = pytest.mark.skipif(not ARCHIVES, reason="no recorded snapshots: set WATCHER_DATA to their folder")


class Imported:
    """An archive, and a server over the database that it was imported into."""

    def __init__(self, archive: Path, folder: Path) -> None:
        watcher = Watcher(folder)
        watcher.configure('[store]\nurl = "sqlite:///w.db"\n')
        done = watcher.run_here("import", str(archive))
        assert done.code == 0, done.err
        self.captures: list[Capture] = list(read_archive(str(archive)))
        self.server = WebServer(make_config(f"sqlite:///{folder / 'w.db'}"))
        self.server.start()

    def moments(self, number: int) -> Iterator[tuple[datetime, Capture]]:
        """Yield random moments, each with the capture that was the last one then."""
        dice = random.Random(12)
        first, last = self.captures[0].at, self.captures[-1].at
        for _ in range(number):
            at = (first + (last - first) * dice.random()).replace(microsecond=0)
            yield at, next(capture for capture in reversed(self.captures) if capture.at <= at)


@pytest.fixture(scope="module", params=ARCHIVES, ids=lambda path: path.name)
def imported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Imported]:
    made = Imported(request.param, tmp_path_factory.mktemp("imported"))
    yield made
    made.server.stop()


def prices(model: dict) -> dict[str, object]:
    """Return what a model charges: exact decimals, and the conditional prices as they are; zero is as absent."""
    found = {key: Decimal(value) if isinstance(value, str) else value for key, value in model["pricing"].items()}
    return {key: value for key, value in found.items() if value or key in ("prompt", "completion")}


def spelled(model: dict) -> str:
    """Return a document byte for byte, but for its benchmarks; the archives have no white space."""
    return json.dumps({key: value for key, value in model.items() if key != "benchmarks"})


def check_moment(client: httpx.Client, at: datetime, capture: Capture) -> None:
    response = client.get("models", params={"at": at.isoformat(), "output_modalities": "all"})
    recorded, listed = json.loads(capture.body)["data"], response.json()["data"]
    assert response.headers["x-watcher-as-of"] == f"{capture.at:%Y-%m-%dT%H:%M:%SZ}"
    assert {model["id"]: prices(model) for model in listed} == {model["id"]: prices(model) for model in recorded}, at
    assert [model["created"] for model in listed] == [model["created"] for model in recorded]
    came = client.get("models", params={"at": at.isoformat(), "output_modalities": "all", "raw": "1"}).json()["data"]
    assert {model["id"]: spelled(model) for model in came} == {model["id"]: spelled(model) for model in recorded}, at


@pytest.mark.slow
def test_every_price_at_a_moment_is_the_recorded_one_and_the_sdk_accepts_the_lists(imported: Imported) -> None:
    with httpx.Client(base_url=f"{imported.server.url}/api/v1/", trust_env=False, timeout=60) as client:
        for at, capture in imported.moments(5):
            check_moment(client, at, capture)
    found = dict(islice(call_all(f"{imported.server.url}/api/v1", {"at": at.isoformat()}), 10))
    assert len(found["models"]) == found["count"] == len(json.loads(capture.body)["data"])
    assert found["endpoints"] and found["model"].id == found["models"][0].id


@pytest.mark.slow
def test_every_price_at_fifty_moments_is_the_recorded_one(imported: Imported) -> None:
    with httpx.Client(base_url=f"{imported.server.url}/api/v1/", trust_env=False, timeout=60) as client:
        for at, capture in imported.moments(50):
            check_moment(client, at, capture)


@pytest.mark.slow
def test_the_sdk_accepts_every_answer_at_ten_moments(imported: Imported) -> None:
    for at, capture in imported.moments(10):
        answers = list(call_all(f"{imported.server.url}/api/v1", {"at": at.isoformat()}))
        counts = {name: len(found) for name, found in answers if isinstance(found, list)}
        assert counts["models"] == len(json.loads(capture.body)["data"])
        assert sum(name == "endpoints" for name, _ in answers) == counts["models"]
