"""`[mine] paths`: each check looks for ids, and no scan holds a poll up or forgets what was found."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.store.samples import MINUTE, document
from tests.test_cycle import World
from watcher.config.mine import MineSettings
from watcher.config.settings import Rules
from watcher.cycle import Report, check
from watcher.mine import scan
from watcher.mine.beside import PathScanner
from watcher.store.state import States
from watcher.store.store import Store

ONE, TWO = document("a/one"), document("b/two")


class Checks(World):
    """Cycles of one daemon with `[mine] paths`, and a channel for them."""

    def __init__(self, store: Store, src: Path) -> None:
        super().__init__(store)
        self.src = src
        self.scanner = PathScanner(patience=30)
        self.channels(mine=Rules(events=("new", "expired", "repriced"), models=("@mine",)))
        self.config = replace(self.config, mine=MineSettings(paths=(src,)))
        self.write("MODEL = 'none'")

    def write(self, text: str, name: str = "a.py") -> None:
        self.src.mkdir(exist_ok=True)
        (self.src / name).write_text(text)

    def check(self, after: timedelta = 5 * MINUTE) -> Report:
        self.now += after
        return check(self.store, self, self.config, now=self.now, scanner=self.scanner)

    @property
    def found(self) -> set[str]:
        with self.store.reading() as session:
            return set(session.state.found_models())

    @property
    def news(self) -> list[tuple[str, str | None]]:
        return [(event.kind, event.model) for event in self.queued("mine")]


@pytest.fixture
def checks(tmp_path: Path) -> Iterator[Checks]:
    with Store.open(f"sqlite:///{tmp_path / 'w.db'}") as store:
        yield Checks(store, tmp_path / "src")


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A file system that answers when the event is set, and the scans that wait for it."""
    gate, real = threading.Event(), scan.scan

    def hang(*arguments: Any, **options: Any) -> scan.Scan:
        assert gate.wait(60)
        return real(*arguments, **options)

    monkeypatch.setattr(scan, "scan", hang)
    yield gate
    gate.set()


def test_a_channel_of_mine_gets_news_about_what_stands_in_the_paths(checks: Checks) -> None:
    checks.shows(ONE, TWO)
    checks.write("MODEL = 'a/one'")
    checks.shows(ONE, TWO)
    assert checks.found == {"a/one"}
    for _ in range(3):
        checks.shows(document("a/one", "0.000002"), document("b/two", "0.000002"))
    assert checks.news == [("repriced", "a/one")]


def test_a_name_at_hugging_face_is_no_id_by_itself(checks: Checks) -> None:
    checks.write("'a/one' 'b/two'")
    for _ in range(2):
        checks.shows(document("a/one", hugging_face_id="A/One"), TWO)
    assert checks.found == {"b/two"}


def test_a_scan_needs_no_states_of_models(checks: Checks, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        checks.shows(ONE, TWO)
    monkeypatch.delattr(States, "model_states")
    assert checks.shows(ONE, TWO).idle


def test_a_model_that_is_gone_is_still_mine(checks: Checks) -> None:
    checks.write("MODEL = 'a/one'")
    checks.shows(ONE, TWO)
    for _ in range(3):
        checks.shows(TWO)
    assert checks.found == {"a/one"} and checks.news == [("expired", "a/one")]


def test_an_id_that_is_taken_out_is_not_mine_any_more(checks: Checks) -> None:
    checks.write("'a/one' 'b/two'")
    checks.shows(ONE, TWO)
    assert not checks.shows(ONE, TWO).idle and checks.shows(ONE, TWO).idle, "the shortcut knows what was found"
    checks.write("'b/two'")
    checks.shows(ONE, TWO)
    assert checks.found == {"b/two"}
    checks.config = replace(checks.config, mine=MineSettings())
    checks.shows(ONE, TWO)
    assert checks.found == set()


def test_paths_that_are_not_there_forget_nothing(checks: Checks) -> None:
    checks.write("'a/one'")
    checks.shows(ONE, TWO)
    checks.shows(ONE, TWO)
    (checks.src / "a.py").unlink()  # as a file system that is not mounted
    report = checks.shows(ONE, TWO)
    assert report.scan_problem == f"[mine] paths: there is no file that could be read in {checks.src}"
    checks.src.rmdir()
    report = checks.shows(ONE, TWO)
    assert report.scan_problem == f"[mine] paths: cannot be read (No such file or directory): {checks.src}"
    assert checks.found == {"a/one"} and report.poll.outcome == "good"
    checks.write("'b/two'")
    assert checks.shows(ONE, TWO).scan_problem is None
    assert checks.found == {"b/two"}


def test_a_scan_that_hangs_is_waited_for_once_and_not_begun_again(checks: Checks, hanging: threading.Event) -> None:
    hanging.set()
    checks.write("'a/one'")
    checks.shows(ONE, TWO)
    checks.shows(ONE, TWO)
    hanging.clear()
    checks.scanner = PathScanner(patience=0.05)
    before = threading.active_count()
    for _ in range(3):
        report = checks.shows(ONE, TWO)
        assert report.scan_problem == "[mine] paths: the scan has not ended after 0.05 s"
    assert threading.active_count() == before + 1 and checks.found == {"a/one"}
    checks.write("'b/two'")
    hanging.set()
    checks.scanner._scan.result(30)
    checks.scanner = PathScanner(patience=30)
    assert checks.shows(ONE, TWO).scan_problem is None and checks.found == {"b/two"}


def test_a_bug_in_the_scan_fails_no_poll(checks: Checks, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **_options: object) -> None:
        raise KeyError("oh")

    checks.write("'a/one'")
    checks.shows(ONE, TWO)
    checks.shows(ONE, TWO)
    monkeypatch.setattr(scan, "scan", fail)
    report = checks.shows(ONE, TWO)
    assert (report.poll.outcome, report.scan_problem) == ("good", "[mine] paths: a bug ended the scan: KeyError")
    assert checks.found == {"a/one"}


def test_a_check_under_cron_is_silent_about_the_scan(checks: Checks, tmp_path: Path) -> None:
    from testkit.command import Watcher
    from watcher.simulator import Simulator, story_by_name, story_scenes

    with Simulator(story_scenes(story_by_name("demo"))) as simulator:
        watcher = Watcher(tmp_path)
        watcher.configure(
            f'[source]\nurl = "{simulator.url}"\n[store]\nurl = "sqlite:///other.db"\n[mine]\npaths = ["missing"]\n'
        )
        assert watcher.run_here("--check").err == ""
        assert "[mine] paths: cannot be read" in watcher.run_here("--verbose", "--check").err
