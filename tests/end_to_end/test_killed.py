"""The command, killed anywhere and started again: everybody hears everything, and nothing twice that was not heard.

The process kills itself by SIGKILL, at a line (`killer.py`) or in the middle of a system call (`killer.c`).
"""

import json
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.surviving import DEAD, NEWS, Case, World, assert_nothing_to_announce, ended

pytestmark = pytest.mark.slow

POINTS = {
    "start": 12,
    "fetch": 24,
    "judge": 24,
    "store": 24,
    "commit": 12,
    "batch": 24,
    "send": 44,
    "mark": 36,
    "end": 12,
}
"""How many points of each phase are chosen; `start` is also all that comes after the rest."""
CHUNK = 12

KILLER = str(Path(__file__).parent / "killer.py")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("killed")) as world:
        world.prepare(more=DEAD)
        ended(world.case("warm").start("first"))  # all modules are compiled, and every run does the same
        yield world


def chunks() -> list[tuple[str, int]]:
    return [(phase, start) for phase, points in POINTS.items() for start in range(0, points, CHUNK)]


def again(case: Case) -> Counter[str]:
    """Start it again after it was killed, and check that all is well; return how often what happened."""
    before = case.deliveries()
    ran = case.run("again")
    assert ran.code == 75, ran.err  # for the dead channel
    # Whoever was killed may have said it already: only the beginning is.
    assert all("channel dead" in line for line in ran.err.splitlines()), ran.err
    assert len(ran.err.splitlines()) <= 1, ran.err
    repeats = case.assert_promise_kept(before)
    dead = [state for (channel, _), state in case.deliveries().items() if channel == "dead"]
    assert dead == ["pending"] * len(NEWS)
    return Counter(committed=bool(before), repeated=bool(repeats), sent="sent" in before.values())


# At a line


@pytest.fixture(scope="module")
def lines(world: World) -> dict[str, int]:
    """The number of lines of each phase, by a run that is not killed."""
    case = world.case("counted")
    record = case.folder / "record"
    ran = ended(case.start("first", by=(KILLER, str(record), "all", "0", "--")))
    assert ran.code == 75
    assert case.assert_promise_kept() == []
    return json.loads(record.read_text())


def test_there_are_at_least_200_points_and_many_of_each_phase(lines: dict[str, int]) -> None:
    assert sum(POINTS.values()) >= 200
    assert set(lines) == set(POINTS)
    for phase, points in POINTS.items():
        assert points >= 12
        assert lines[phase] >= points, phase


@pytest.mark.parametrize(("phase", "start"), chunks())
def test_killed_at_a_line_and_started_again(phase: str, start: int, world: World, lines: dict[str, int]) -> None:
    places: list[str] = []
    seen: Counter[str] = Counter()

    def survive(n: int) -> Case:
        # Not up to the very last: threads take turns as they like, and a run may have some lines fewer.
        line = 1 + int((n + 0.5) * 0.97 * lines[phase] / POINTS[phase])
        case = world.case(f"{phase}-{n}")
        record = case.folder / "record"
        ran = ended(case.start("first", by=(KILLER, str(record), phase, str(line), "--")))
        assert ran.code == -signal.SIGKILL, (ran, line)
        places.append(record.read_text())
        seen.update(again(case))
        return case

    numbers = range(start, min(start + CHUNK, POINTS[phase]))
    assert_nothing_to_announce(*map(survive, numbers))
    assert len(places) == len(numbers)
    assert all(place.startswith(f"{phase} ") for place in places)
    if phase in ("fetch", "judge", "store"):
        assert seen["committed"] == 0, places
    elif phase in ("batch", "send", "mark", "end"):
        assert seen["committed"] == len(numbers), places
    print(*sorted(places), dict(seen), sep="\n")


# In the middle of a system call


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler to build what kills inside a system call")
    built = tmp_path_factory.mktemp("killer") / "killer.so"
    source = Path(__file__).parent / "killer.c"
    done = subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", built, source, "-ldl"], check=False)
    if done.returncode != 0:
        pytest.skip("the C compiler cannot build a library here")
    return built


CALLS = 48


def environment(library: Path, record: Path, at: int = 0) -> dict[str, str]:
    more = {"KILLER_AT": str(at)} if at else {}
    return {"LD_PRELOAD": str(library), "KILLER_RECORD": str(record), **more}


@pytest.fixture(scope="module")
def calls(world: World, library: Path) -> dict[bool, str]:
    """The system calls of a check with news, and of the first one of all (True), a letter each."""
    found: dict[bool, str] = {}
    for fresh in (False, True):
        case = world.case(f"calls-{fresh}", fresh=fresh)
        record = case.folder / "record"
        assert ended(case.start("first", env=environment(library, record))).code == (0 if fresh else 75)
        found[fresh] = record.read_text()
    return found


@pytest.mark.parametrize("start", range(0, CALLS, CHUNK))
def test_killed_in_a_system_call_and_started_again(
    start: int, world: World, library: Path, calls: dict[bool, str]
) -> None:
    places: list[str] = []
    seen: Counter[str] = Counter()

    def survive(n: int) -> Case:
        case = world.case(f"call-{n}")
        record = case.folder / "record"
        at = 1 + int((n + 0.5) * 0.97 * len(calls[False]) / CALLS)
        ran = ended(case.start("first", env=environment(library, record, at)))
        assert ran.code == -signal.SIGKILL, ran
        places.append(record.read_text())
        seen.update(again(case))
        return case

    assert_nothing_to_announce(*map(survive, range(start, start + CHUNK)))
    print("".join(places), dict(seen))


@pytest.mark.parametrize("start", [0, CHUNK])
def test_killed_in_the_very_first_check(start: int, world: World, library: Path, calls: dict[bool, str]) -> None:
    def survive(n: int) -> Case:
        case = world.case(f"fresh-{n}", fresh=True)
        record = case.folder / "record"
        at = 1 + int((n + 0.5) * len(calls[True]) / (2 * CHUNK))
        ran = ended(case.start("first", env=environment(library, record, at)))
        assert ran.code == -signal.SIGKILL, ran
        ran = case.run("again")
        assert (ran.code, ran.out) == (0, "")
        # A file that the kill left empty may as well be one that was emptied: that is said.
        assert ran.err == "" or (" was empty: 87 models were taken in" in ran.err and ran.err.count("\n") == 1)
        assert case.rows("SELECT count(*) FROM models") == [(87,)]
        assert case.rows("SELECT count(*) FROM events") == [(0,)]
        assert case.rows("PRAGMA integrity_check") == [("ok",)]
        return case

    assert_nothing_to_announce(*map(survive, range(start, start + CHUNK)))
