"""`watcher ack`: what it answers, and what it refuses."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from testkit.command import Watcher
from tests.store.samples import HOUR, START, Polls, document
from watcher.store.store import Store


@pytest.fixture
def user(empty: Path, tmp_path: Path) -> Watcher:
    """A user with a database of two models, of which one is gone."""
    (tmp_path / "w.db").write_bytes(empty.read_bytes())
    with Store.open(f"sqlite:///{tmp_path / 'w.db'}") as store:
        one, gone = document("a/one", expiration_date="2026-02-01"), document("b/gone")
        polls = Polls(store)
        polls.see(one, gone, at=START)
        polls.see(one, at=START + HOUR)
    user = Watcher(tmp_path)
    user.configure('[store]\nurl = "sqlite:///w.db"\n')
    return user


def test_it_says_what_is_acknowledged_and_lists_it(user: Watcher) -> None:
    known = "its end on 1 February 2026; prices up to prompt $1/M, completion $4/M"
    assert user.run_here("ack", "a/one") == (0, f"a/one: {known}\n", "")
    assert user.run_here("ack").out.splitlines()[1] == f"a/one  {known}"
    (listed,) = user.run_here("ack", "--json").json
    assert listed["model"] == "a/one" and listed["acknowledged"]["expiration_date"] == "2026-02-01"


def test_the_end_and_the_time_can_be_left_out(user: Watcher) -> None:
    assert user.run_here("ack", "a/one", "--price").out == "a/one: prices up to prompt $1/M, completion $4/M\n"
    day = datetime.now(UTC).date() + timedelta(days=3)
    assert user.run_here("ack", "a/one", "--until", str(day)).out.endswith(f"; until {day} 00:00 UTC\n")
    assert user.run_here("ack", "a/one", "--json").json["acknowledged"]["until"] is None


def test_it_can_be_taken_back(user: Watcher) -> None:
    assert user.run_here("ack", "a/one").code == 0
    assert user.run_here("ack", "a/one", "--undo").out == "a/one: nothing is acknowledged any more\n"
    assert user.run_here("ack") == (1, "", "watcher: nothing is acknowledged\n")
    code, _, err = user.run_here("ack", "a/one", "--undo")
    assert (code, err) == (64, "watcher: nothing is acknowledged about 'a/one'\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["a/on"], "no model 'a/on' was ever seen; did you mean a/one?"),
        (["b/gone"], "b/gone is gone already: there is nothing to acknowledge"),
        (["a/one", "--until", "2026-01-01"], "--until 2026-01-01 is not in the future"),
        (["a/one", "--until", "soon"], "'soon' is neither a date"),
        (["a/one", "--until", "2099-01-01", "--price"], "exclude each other"),
        (["a/one", "--until", "2099-01-01", "--undo"], "exclude each other"),
        (["a/one", "--price", "--undo"], "exclude each other"),
        (["--price"], "name the MODEL"),
        (["--undo"], "name the MODEL"),
    ],
)
def test_what_cannot_be_is_said(user: Watcher, arguments: list[str], says: str) -> None:
    code, out, err = user.run_here("ack", *arguments)
    assert (code, out) == (64, "") and says in err
    assert user.run_here("ack", "--json").out == "[]\n"


def test_no_database_is_made(user: Watcher) -> None:
    user.configure('[store]\nurl = "sqlite:///new.db"\n')
    assert [user.run_here("ack", *arguments).code for arguments in ((), ("a/one",))] == [1, 1]
    assert not (user.folder / "new.db").exists()
