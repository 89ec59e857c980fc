"""A database for each test, copied from one that was made once."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.samples import START, Polls, document, event
from watcher.catalog.decision import Queued
from watcher.store.store import Store


def url(path: Path) -> str:
    """Return the `[store] url` of a database."""
    return f"sqlite:///{path}"


@pytest.fixture
def path(empty: Path, tmp_path: Path) -> Path:
    """The file of the database of this test, empty of data."""
    return Path(shutil.copy(empty, tmp_path / "watcher.db"))


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    """The open database of this test, of each kind."""
    with Store.open(database) as opened:
        yield opened


@pytest.fixture
def filled(path: Path) -> Path:
    """The file of a database with some models, events and deliveries; closed."""
    with Store.open(url(path)) as store:
        Polls(store).see(*(document(f"author/model-{number}") for number in range(60)), at=START)
        with store.writing() as session:
            events = tuple(event(number) for number in range(20))
            session.state.add_events(events)
            for made in events:
                session.outbox.add([Queued("team", made, START)], START)
    return path
