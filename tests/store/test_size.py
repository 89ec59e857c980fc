"""A month of recorded polls in one file."""

from pathlib import Path

import pytest

from tests.store.conftest import url
from watcher.catalog.decision import Fetched, Known
from watcher.catalog.policy import Policy
from watcher.catalog.reading import normalise, read
from watcher.config.settings import Config, SourceSettings
from watcher.config.settings import StoreSettings as Settings
from watcher.decide import after, decide
from watcher.store.records import Poll
from watcher.store.store import Store
from watcher.upstream.archive import read_archive


@pytest.mark.slow
def test_a_month_of_polls_is_small_and_can_be_rebuilt(archive_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "watcher.db"
    known, shown = Known(), []
    with Store.open(url(path)) as store:
        with store.writing() as session:
            for number, capture in enumerate(read_archive(str(archive_path))):
                snapshot = read([capture.body])
                fetched = Fetched(snapshot)
                decision = decide(known, fetched, Config(None, SourceSettings(), Settings(""), Policy()), capture.at)
                poll = Poll(capture.at, decision.outcome, 1, snapshot.total, len(decision.events))
                session.save(known, fetched, decision, poll)
                known = after(known, decision, capture.at)
                if number % 25 == 0:
                    there = {
                        model_id: model_state.model
                        for model_id, model_state in known.states.items()
                        if model_state.present
                    }
                    shown.append((capture.at, there))
        with store.reading() as session:
            assert session.state.model_states() == known.states
            for at, there in shown:
                catalogue = session.history.catalogue(at)
                assert {version.model.id: version.model for version in catalogue} == there
                assert all(
                    normalise(version.raw, version.valid_from).model.id == version.model.id for version in catalogue
                )
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert path.stat().st_size < 1_500_000
