"""What goes wrong while the daemon runs, and that it goes on."""

import logging
from datetime import timedelta
from pathlib import Path

import pytest

from tests.daemon.world import IN_A_FILE, A, B, C, World, lines
from watcher.config.settings import SourceSettings
from watcher.delivery.channel import Result
from watcher.errors import SourceError, StoreError
from watcher.store.examine import examine
from watcher.store.file import copy_database
from watcher.store.store import Store


def test_a_source_that_fails_is_told_of_once_and_its_return_too(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.start().passes(10)
    lines(caplog)
    world.error = SourceError("nobody is there")
    world.passes(600)
    assert lines(caplog) == ["the source cannot be read: nobody is there"]
    assert world.supervisor.last_status == "the source cannot be read: nobody is there"
    world.error = None
    world.passes(600)
    assert lines(caplog) == ["the source can be read again"]
    assert world.supervisor.last_status.startswith("healthy: last checked 2026-01-04 12:20 UTC, 2 models")


def test_a_source_that_is_back_without_its_feed_is_told_to_be_back(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.config = world.configured("w.db", source=SourceSettings(rss=True, interval=timedelta(minutes=5)))
    world.feed_error = SourceError("no feed")
    world.start()
    assert lines(caplog)[-2:] == [
        "the RSS feed was not used: no feed",
        "2 models taken in; from now on changes are announced",
    ]
    world.error = SourceError("nobody is there")
    world.passes(300)
    world.error = None
    world.passes(300)
    assert lines(caplog) == [
        "the source cannot be read: nobody is there",
        "the source can be read again",
        "the RSS feed was not used: no feed",
    ]
    world.passes(600)
    assert lines(caplog) == []


def test_a_list_that_is_not_believed_is_told_of_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.start().passes(10)
    lines(caplog)
    world.shown = []
    world.passes(900)
    found = lines(caplog)
    assert [line for line in found if "not believed" in line and "announced" not in line] == [
        "the source is not believed: the list is empty"
    ]
    assert world.supervisor.last_status == "the source is not believed: the list is empty"


def test_a_bug_in_a_poll_or_a_sending_does_not_end_the_watching(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.error = RuntimeError("a bug")
    world.start()
    assert "this is a bug in openrouter-watcher" in lines(caplog)
    world.error = None
    world.passes(300)
    world.result = None  # type: ignore[assignment]
    world.shows(A, B, C)
    assert "this is a bug in openrouter-watcher" in lines(caplog)
    world.result = Result(True, "sent")
    world.passes(60)
    assert world.sent[-1][2] == ("c/c",)


@IN_A_FILE
def test_a_database_that_cannot_be_used_ends_the_start(world: World, tmp_path: Path) -> None:
    (tmp_path / "watcher.db").write_text("no database " * 100)
    world.start(settles=False).ends()
    assert isinstance(world.failed, StoreError)
    assert "not an SQLite database" in str(world.failed)
    assert world.supervisor.lines == [], "nobody is told that it is ready"
    assert world.sources[0].closed


@IN_A_FILE
def test_a_database_that_breaks_later_is_told_of_and_the_watching_goes_on(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world.make_store = lambda url: Store(url, busy_seconds=0.01)
    world.start()
    blocked = Store.open(f"sqlite:///{tmp_path / 'watcher.db'}")
    lines(caplog)
    with blocked.writing():
        world.passes(700)
    assert [line for line in lines(caplog) if "stayed locked" in line and line.startswith("the poll failed")] != []
    assert world.supervisor.last_status.startswith("the poll failed: The database")
    blocked.close()
    world.passes(300)
    assert "polls succeed again" in lines(caplog)


@IN_A_FILE
def test_nothing_is_written_to_a_database_that_was_deleted_and_that_is_told_once(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world.supervisor.watchdog = 30.0
    world.start()
    lines(caplog)
    for path in tmp_path.glob("watcher.db*"):
        path.rename(path.with_name(f"away-{path.name}"))
    world.shows(A, B, C)
    world.passes(75)
    before = world.supervisor.fed
    world.passes(925)
    assert world.supervisor.fed == before, "systemd starts it anew"
    assert world.supervisor.last_status.count("was deleted or moved away while it was used") == 1
    assert all("was deleted or moved away" in line for line in lines(caplog)) and len(lines(caplog)) <= 3
    assert not (tmp_path / "watcher.db").exists(), "no empty one takes its place"
    for path in tmp_path.glob("away-watcher.db*"):
        path.rename(path.with_name(path.name.removeprefix("away-")))
    world.passes(300)
    assert "the database answers again" in lines(caplog)
    assert [models for _, _, models in world.sent] == [("c/c",)]


@IN_A_FILE
def test_a_database_that_is_put_in_its_place_is_used(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world.start()
    database = tmp_path / "watcher.db"
    backup = copy_database(database, tmp_path / "backup.db")
    world.shows(A, B, C)
    lines(caplog)
    backup.replace(database)
    world.shows(A, B, C)
    assert [models for _, _, models in world.sent] == [("c/c",), ("c/c",)], "it does not know of the first time"
    assert [line for line in lines(caplog) if "replaced" in line] == [
        f"the database {database} was replaced by another file, which is used now"
    ]
    assert world.stops() is True
    with Store(world.config.store.url.reveal()) as store, store.reading() as session:
        assert session.outbox.pending() == {}
    assert examine(world.config.store.url.reveal()).whole


@IN_A_FILE
@pytest.mark.parametrize("later", [False, True])
def test_an_empty_database_is_logged_with_what_was_taken_in(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture, later: bool
) -> None:
    database = tmp_path / "watcher.db"
    if later:
        world.start().shows(A)
        assert not any("was empty" in line for line in lines(caplog))
    for file in tmp_path.glob("watcher.db*"):
        file.unlink()
    (tmp_path / "new").touch()
    (tmp_path / "new").rename(database)
    if later:
        world.shows(A, B)
    else:
        world.start()
    assert [line for line in lines(caplog, logging.WARNING) if "was empty" in line] == [
        f"the database {database} was empty: 2 models were taken in as known, and nothing of before is announced; "
        "if it should not have been empty, put a backup in its place"
    ]


@IN_A_FILE
def test_a_foreign_file_in_its_place_is_not_written_to(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world.start()
    foreign = tmp_path / "foreign"
    foreign.write_text("no database " * 400)
    foreign.replace(tmp_path / "watcher.db")
    world.shows(A, B, C)
    assert world.supervisor.last_status.startswith("the poll failed: The database")
    assert any("is not an SQLite database" in line for line in lines(caplog))
    assert (tmp_path / "watcher.db").read_text() == "no database " * 400
