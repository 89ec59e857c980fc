"""A disk or a database that fails: one clear line, and what was stored stays as it was."""

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.store.conftest import url
from tests.store.processes import WRITE, run_on_small_disk, run_unprivileged
from tests.store.samples import HOUR, START, Polls, contents, document
from watcher.errors import StoreError
from watcher.store.documents import compress
from watcher.store.records import Poll
from watcher.store.store import Store

PAGE = 4096

POLL = Poll(START + HOUR, "good", 1)

FULL = """
import json, random, sys
from datetime import UTC, datetime
from pathlib import Path
from watcher.errors import StoreError
from watcher.store.store import Store
from watcher.store.records import Poll
path = Path(sys.argv[1]) / "watcher.db"
at = datetime(2026, 2, 1, tzinfo=UTC)
with Store.open(f"sqlite:///{path}") as store:
    with store.writing() as session:
        session.state.add_poll(Poll(at, "good", 1))
    try:
        with store.writing() as session:
            for number in range(100_000):
                session.state.add_poll(Poll(at, "good", number, reason="too much " * 100))
    except StoreError as error:
        message = str(error)
    with store.reading() as session:
        left = session.state.last_poll().milliseconds
filler = path.with_name("filler")
try:
    filler.write_bytes(bytes(1_000_000))
except OSError:
    pass
try:
    Store.open(f"sqlite:///{path.with_name('other.db')}").close()
except StoreError as error:
    other = str(error)
filler.unlink()
with Store.open(f"sqlite:///{path}") as store, store.reading() as session:
    print(json.dumps([message, left, session.state.last_poll().milliseconds, other]))
"""


def write(path: Path) -> None:
    with Store.open(url(path), busy_seconds=0.1) as store, store.writing() as session:
        session.state.add_poll(POLL)


def use(path: Path) -> None:
    """Read all of a database and write a bit, in one transaction."""
    with Store.open(url(path), busy_seconds=0.1) as store:
        contents(store)
        Polls(store).see(document("author/new"), document("author/model-7", "0.5"), at=START + HOUR)


def failure(action: Callable[[Path], object], path: Path) -> str:
    with pytest.raises(StoreError) as caught:
        action(path)
    return clear(str(caught.value), path)


def clear(message: str, path: Path) -> str:
    """Return the message, which is one line that names the database and nothing of the driver."""
    assert str(path) in message
    assert "\n" not in message
    assert message.endswith(".")
    assert not [word for word in ("sqlite3.", "SQL:", "sqlalche", "Traceback", "zlib", "msgspec") if word in message]
    return message


# Not ours to write


@pytest.mark.parametrize("what", ["file", "folder"])
def test_where_nothing_may_be_written_that_is_said(what: str, filled: Path) -> None:
    folder = filled.parent
    before = filled.read_bytes()
    (filled if what == "file" else folder).chmod(0o444 if what == "file" else 0o555)
    try:
        kind, code, message = run_unprivileged(WRITE, url(filled))
    finally:
        folder.chmod(0o755)
    assert (kind, code) == ("StoreError", 74)
    assert "read-only" in clear(message, filled) or "this user may write there" in message
    assert filled.read_bytes() == before


def test_an_address_that_allows_reading_only_can_be_read(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Store.open(url(filled)) as store:
        before = contents(store)
    with Store.open(f"sqlite:///file:{filled}?mode=ro&uri=true") as store:
        assert contents(store) == before
        with pytest.raises(StoreError) as caught, store.writing() as session:
            session.state.add_poll(POLL)
        assert "read-only" in clear(str(caught.value), filled)
        assert contents(store) == before
    assert not (tmp_path / "file:").exists()


def test_a_folder_where_no_database_can_be_made_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        direct = run_unprivileged(WRITE, url(tmp_path / "watcher.db"))
        below = run_unprivileged(WRITE, url(tmp_path / "below" / "watcher.db"))
    finally:
        tmp_path.chmod(0o755)
    assert direct[:2] == below[:2] == ["StoreError", 74]
    assert "cannot be opened" in clear(direct[2], tmp_path)
    assert "cannot make its folder" in clear(below[2], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_may_not_be_read_is_named(filled: Path) -> None:
    filled.chmod(0)
    kind, code, message = run_unprivileged(WRITE, url(filled))
    assert (kind, code) == ("StoreError", 74)
    clear(message, filled)


# In use


def test_a_database_that_another_process_holds_is_reported_and_free_again_after(filled: Path) -> None:
    other = sqlite3.connect(filled, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert "locked by another process" in failure(write, filled)
    other.execute("ROLLBACK")
    other.close()
    write(filled)


def test_reading_goes_on_while_another_process_writes(filled: Path) -> None:
    other = sqlite3.connect(filled, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("DELETE FROM deliveries")
    with Store.open(url(filled), busy_seconds=0.1) as store:
        assert len(contents(store)["deliveries"]) == 20
    other.close()


@pytest.mark.parametrize("way", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_database_that_is_being_made_by_a_process_that_hangs_is_reported(way: str, tmp_path: Path) -> None:
    path = tmp_path / "watcher.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute(f"BEGIN {way}")
    assert "locked by another process" in failure(write, path)
    other.execute("ROLLBACK")
    other.close()
    write(path)


# Full


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    message, left, left_after_opening, other = run_on_small_disk(FULL, str(tmp_path), "600k")
    assert "the disk is full" in clear(message, tmp_path)
    assert "the disk is full" in clear(other, tmp_path)
    assert left == left_after_opening == 1


def test_a_database_that_may_not_grow_loses_nothing(filled: Path) -> None:
    pages = filled.stat().st_size // PAGE
    store = Store(url(filled))
    before = contents(store)
    with pytest.raises(StoreError) as caught, store.writing() as session:
        session.connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        for number in range(10_000):
            session.state.add_poll(Poll(START, "good", number, reason="too much " * 100))
    assert "the disk is full" in clear(str(caught.value), filled)
    assert contents(store) == before
    store.close()


# Damaged


@pytest.mark.parametrize("left", [50, 100, 1000, PAGE, PAGE + 1, 5 * PAGE, -PAGE, -1])
def test_a_truncated_database_is_refused_and_untouched(left: int, filled: Path) -> None:
    filled.write_bytes(filled.read_bytes()[:left])
    before = filled.read_bytes()
    assert "Restore a backup" in failure(use, filled) or left < 100
    assert filled.read_bytes() == before


def zeroed(page: bytes) -> bytes:
    return bytes(len(page))


def half_zeroed(page: bytes) -> bytes:
    return page[: PAGE // 2] + bytes(PAGE // 2)


def scrambled(page: bytes) -> bytes:
    return random.Random(page).randbytes(len(page))


@pytest.mark.parametrize("damage", [zeroed, half_zeroed, scrambled])
def test_a_damaged_page_is_reported_wherever_it_is(damage: Callable[[bytes], bytes], filled: Path) -> None:
    whole = filled.read_bytes()
    found = 0
    for start in range(0, len(whole), PAGE):
        filled.write_bytes(whole[:start] + damage(whole[start : start + PAGE]) + whole[start + PAGE :])
        before = filled.read_bytes()
        try:
            use(filled)
        except StoreError as error:
            clear(str(error), filled)
            assert filled.read_bytes() == before
            found += 1
        for file in filled.parent.glob("*-*"):
            file.unlink()
    assert found > len(whole) // PAGE / 3  # pages with nothing in them, and most indexes, are not missed


def test_a_zeroed_page_of_models_says_what_to_do(filled: Path) -> None:
    with sqlite3.connect(filled) as connection:
        query = "SELECT pageno FROM dbstat WHERE name = 'models' AND pagetype = 'leaf' LIMIT 1"
        try:
            (page,) = connection.execute(query).fetchone()
        except sqlite3.OperationalError:
            pytest.skip("this SQLite has no dbstat")
    connection.close()
    content = bytearray(filled.read_bytes())
    content[(page - 1) * PAGE : page * PAGE] = bytes(PAGE)
    filled.write_bytes(content)
    assert "is damaged" in failure(use, filled)
    assert filled.read_bytes() == content


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *((column, value) for column in ("versions.facets", "versions.raw", "events.body") for value in (b"", b"none")),
        *((column, compress(b"{")) for column in ("versions.facets", "events.body")),
        ("events.body", compress(b'{"id": "of something else"}')),
    ],
)
def test_a_damaged_document_is_reported(column: str, value: bytes, filled: Path) -> None:
    table, name = column.split(".")
    with sqlite3.connect(filled) as connection:
        connection.execute(f"UPDATE {table} SET {name} = ?", [value])
    connection.close()
    assert "is damaged" in failure(use, filled)


# Not the database's


@pytest.mark.parametrize("error", [OSError(5, "the network"), ValueError("a bug"), KeyError("another")])
@pytest.mark.parametrize("way", ["reading", "writing"])
def test_what_goes_wrong_beside_the_database_is_not_blamed_on_it(error: Any, way: str, store: Store) -> None:
    with pytest.raises(type(error)) as caught, getattr(store, way)():
        raise error
    assert caught.value is error
