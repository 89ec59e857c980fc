"""The examination of a database finds what is wrong with it, and the copy of one is whole or not there."""

import random
import sqlite3
from pathlib import Path

import pytest

from tests.store.conftest import url
from tests.store.samples import HOUR, START, Polls, contents, document
from watcher.errors import StoreError
from watcher.store.documents import compress
from watcher.store.examine import MOST, examine
from watcher.store.file import copy_database
from watcher.store.records import REVISIONS, Poll
from watcher.store.store import Store

PAGE = 4096


def change(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def problems(path: Path) -> dict[str, tuple[str, ...]]:
    before = path.read_bytes()
    found = examine(url(path))
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    return {part.name: part.problems for part in found.parts if part.problems}


def test_a_whole_database_has_no_problems(filled: Path) -> None:
    found = examine(url(filled))
    assert (found.whole, found.revision, found.bytes) == (True, REVISIONS[-1], filled.stat().st_size)
    assert [part.name for part in found.parts] == ["pages", "references", "documents", "versions"]
    assert {part.name: part.size for part in found.parts}["versions"] == "60"
    assert problems(filled) == {}


def test_one_that_is_being_written_to_is_looked_at_as_of_one_moment(filled: Path) -> None:
    with Store.open(url(filled)) as store, store.writing() as session:
        session.state.add_poll(Poll(START, "good", 1))
        assert examine(url(filled)).whole


def test_versions_that_follow_each_other_do_not_overlap(store: Store, path: Path) -> None:
    see = Polls(store)
    for number, prices in enumerate(["0.1", "0.2", None, None, None, "0.2"]):
        see.see(*([document("a/b", prices)] if prices else []), document("a/c"), at=START + number * 8 * HOUR)
    assert examine(url(path)).whole


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO versions (model, valid_from, facets, raw) SELECT model, '2026-02-01 00:00:00', facets, raw FROM"
        " versions WHERE model = 'author/model-3'",
        "UPDATE versions SET valid_to = '2025-01-01 00:00:00' WHERE model = 'author/model-3'",
    ],
)
def test_a_model_that_is_two_things_at_once_is_named(statement: str, filled: Path) -> None:
    change(filled, statement)
    (found,) = problems(filled)["versions"]
    assert found.startswith("'author/model-3' is two things at once")


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        *(
            (table, column, b"none")
            for table, column in [("versions", "facets"), ("versions", "raw"), ("events", "body")]
        ),
        ("events", "body", compress(b'{"id": 5}')),
        ("models", "pending", compress(b"5")),
        ("models", "benchmarks", compress(b"{")),
        ("deliveries", "body", b""),
        ("versions", "facets", "text"),
    ],
)
def test_a_document_that_cannot_be_read_is_named(table: str, column: str, value: bytes | str, filled: Path) -> None:
    with sqlite3.connect(filled) as connection:
        connection.execute(f"UPDATE {table} SET {column} = ?", [value])
    connection.close()
    (*found, more) = problems(filled)["documents"]
    assert len(found) == MOST
    assert all(line.startswith(f"{column} of ") and f"in {table} cannot be read" in line for line in found)
    assert more.startswith("and ")


def test_a_delivery_of_no_event_is_named(filled: Path) -> None:
    change(filled, "DELETE FROM events WHERE id = 'event-000003'")
    (found,) = problems(filled)["references"]
    assert "of deliveries refers to a row of events that is not there" in found


def test_a_damaged_page_is_found_wherever_it_is(filled: Path) -> None:
    whole = filled.read_bytes()
    for damage in (bytes(PAGE), random.Random(7).randbytes(PAGE)):
        for start in range(PAGE, len(whole), PAGE):
            filled.write_bytes(whole[:start] + damage + whole[start + PAGE :])
            assert problems(filled), f"page {start // PAGE}"


@pytest.mark.parametrize("left", [PAGE, PAGE + 1, 5 * PAGE, -PAGE])
def test_a_truncated_one_is_found(left: int, filled: Path) -> None:
    filled.write_bytes(filled.read_bytes()[:left])
    assert problems(filled)["pages"]


@pytest.mark.parametrize("content", [None, b"", b"no database" * 1000, bytes(8192)])
def test_what_is_none_of_ours_is_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "watcher.db"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StoreError, match=r"does not exist|another program|not an SQLite database") as caught:
        examine(url(path))
    assert str(path) in str(caught.value)
    assert (path.read_bytes() if path.exists() else None) == content


# Copies


def test_a_copy_is_of_one_moment_while_another_writes(filled: Path, tmp_path: Path) -> None:
    with Store.open(url(filled)) as store:
        before = contents(store)
        with store.writing() as session:
            session.state.add_poll(Poll(START + HOUR, "failed", 1))
            copy = copy_database(filled, tmp_path / "copy.db")
        assert contents(store) != before
    with Store.open(url(copy)) as store:
        assert contents(store) == before
    assert examine(url(copy)).whole


def test_a_copy_holds_what_only_the_log_holds_yet(filled: Path, tmp_path: Path) -> None:
    with Store.open(url(filled)) as store:
        with store.writing() as session:
            session.state.add_poll(Poll(START + HOUR, "failed", 1))
        copy = copy_database(filled, tmp_path / "copy.db")
        wanted = contents(store)
    with Store.open(url(copy)) as store:
        assert contents(store) == wanted


def test_a_copy_may_be_read_by_whom_the_database_may_and_replaces_an_older_one(filled: Path, tmp_path: Path) -> None:
    filled.chmod(0o600)
    copy = tmp_path / "copy.db"
    copy.write_text("older")
    copy_database(filled, copy)
    assert copy.stat().st_mode & 0o777 == 0o600
    assert sorted(file.name for file in tmp_path.iterdir()) == ["copy.db", "watcher.db"]


@pytest.mark.parametrize("page", [1, 5])
def test_of_a_damaged_database_there_is_no_copy_and_the_older_one_stays(
    page: int, filled: Path, tmp_path: Path
) -> None:
    content = bytearray(filled.read_bytes())
    content[page * PAGE : (page + 1) * PAGE] = bytes(PAGE)
    filled.write_bytes(content)
    copy = tmp_path / "copy.db"
    copy.write_text("older")
    with pytest.raises(StoreError, match="is damaged"):
        copy_database(filled, copy)
    assert copy.read_text() == "older"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["copy.db", "watcher.db"]


def test_where_no_copy_can_be_written_that_is_said(filled: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot be copied to .*No such file or directory"):
        copy_database(filled, tmp_path / "nowhere" / "copy.db")
