"""The endpoints of providers in the database: stored as they were judged, and copied with all else."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.store.conftest import url
from tests.store.samples import START, Polls, document, rows
from tests.web.test_endpoints import endpoint, recorded
from watcher.store.copying import copy_store
from watcher.store.store import Store


def contents(store: Store) -> dict[str, Any]:
    with store.reading() as session:
        return {
            "states": session.endpoints.model_states(),
            "asked": session.endpoints.asked(),
            "measured": session.endpoints.measured("a/one"),
            "now": session.endpoints.documents(START + timedelta(hours=4), past=False),
            "past": session.endpoints.documents(START + timedelta(hours=2), past=True),
        }


def filled(store: Store) -> dict[str, Any]:
    polls = Polls(store)
    polls.see(document("a/one"), document("a/one_more"), at=START)
    recorded(polls, 2, endpoint("x", "1", status=0), endpoint("y/fp8", "2"))
    recorded(polls, 3, endpoint("z", "3"), model="a/one_more")
    recorded(polls, 4, endpoint("x", "1.5", status=-2))
    return contents(store)


def test_endpoints_are_stored_as_they_were_judged(database: str) -> None:
    with Store.open(database) as store:
        found = filled(store)
        assert {key: (state.present, state.announced) for key, state in found["states"].items()} == {
            "a/one x": (True, True),
            "a/one y/fp8": (False, True),
            "a/one_more z": (True, True),
        }
        assert found["states"]["a/one x"].pending["pricing.prompt"].announced == "1"
        assert found["measured"] == {"x": {"status": -2}}
        assert [each["tag"] for each in found["past"]["a/one"]] == ["x", "y/fp8"]
        assert rows(store, "SELECT count(*) FROM endpoint_versions") == [(4,)]
        with store.reading() as session:
            assert list(session.endpoints.model_states("a/one ")) == ["a/one x", "a/one y/fp8"]


def test_a_copy_of_the_database_has_them_all(database: str, tmp_path: Path) -> None:
    with Store.open(database) as store:
        before = filled(store)
    target = url(tmp_path / "copy.db")
    counts = copy_store(database, target)
    assert (counts["endpoints"], counts["endpoint_versions"], counts["endpoint_lists"]) == (3, 4, 2)
    with Store.open(target) as copied:
        assert contents(copied) == before
